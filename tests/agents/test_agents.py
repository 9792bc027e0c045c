"""Agents learn the values of a made-up game, whose rules and true values are known."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from atari_dqn_replay.agents.agent import Agent, TensorBatch, Trajectory
from atari_dqn_replay.agents.agents import AGENTS, new_agent
from atari_dqn_replay.agents.errors import AgentError
from atari_dqn_replay.agents.hyperparameters import Hyperparameters, hyperparameters_of
from atari_dqn_replay.builder.errors import UnknownNameError

from atari_dqn_replay import AtariReplayError

DISCOUNT, ACTIONS = 0.8, 2
VALUE_AGENTS = [name for name in AGENTS if name != "behaviour-cloning"]


class Corridor(NamedTuple):
    """Four rooms in a row: action 1 goes right, and out of the last room for 1; action 0 goes left for 0.05.

    Left of the first room it goes on in the first.
    """

    transitions: TensorBatch
    """Every room and action once."""
    values: np.ndarray
    """(4, 2): the true values of an optimal player."""


@cache
def corridor() -> Corridor:
    frames = np.zeros((4, 1, 12, 12), np.uint8)
    for room in range(4):
        frames[room, 0, :, 3 * room : 3 * room + 3] = 255
    room, action = np.repeat(np.arange(4), 2), np.tile(np.arange(2), 4)
    after = np.where(action == 1, room + 1, np.maximum(room - 1, 0))
    reward = np.where(action == 0, 0.05, after == 4).astype(np.float32)
    discount = np.where(after == 4, 0, DISCOUNT).astype(np.float32)
    values = np.zeros((4, 2))
    for _ in range(200):
        values = (reward + discount * np.append(values.max(1), 0)[after]).reshape(4, 2)
    batch = {
        "observation": frames[room],
        "action": action,
        "reward": reward,
        "next_observation": np.concatenate([frames, frames[:1] * 0])[after],
        "discount": discount,
        "terminated": after == 4,
    }
    transitions = TensorBatch.of(batch)
    observation, action, reward = (tensor[:, None] for tensor in transitions[:3])
    trajectory = Trajectory(observation, action, reward, prob=torch.full((8, 1), 0.5))
    return Corridor(transitions._replace(trajectory=trajectory), values)


def quick(name: str, **changes: object) -> Hyperparameters:
    outputs = {"ensemble-dqn": 4, "rem": 4, "qr-dqn": 4, "c51": 41}.get(name)
    return hyperparameters_of(
        name,
        **{
            "optimizer": "adam",
            "learning_rate": 2e-3,
            "optimizer_epsilon": 1e-6,
            "network": "tiny",
            "target_update_period": 8,
            "outputs_per_action": outputs,
            "value_limit": 1.2,
            **changes,
        },
    )


def trained(name: str, updates: int, **changes: object) -> Agent:
    agent = new_agent(name, ACTIONS, quick(name, **changes), observation_shape=(1, 12, 12))
    for _ in range(updates):
        agent.update(corridor().transitions)
    return agent


def rooms() -> np.ndarray:
    return corridor().transitions.observation[::2].numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", VALUE_AGENTS)
def test_values_converge_to_the_true_ones(name: str) -> None:
    agent = trained(name, 300)
    np.testing.assert_allclose(agent.values(rooms()), corridor().values, atol=0.03)
    assert agent.act(rooms()).tolist() == [1, 1, 1, 1]


@pytest.mark.slow
def test_the_nature_optimizer_learns_them_as_well() -> None:
    agent = trained("dqn", 300, optimizer="rmsprop", learning_rate=1e-3, optimizer_epsilon=1e-5)
    np.testing.assert_allclose(agent.values(rooms()), corridor().values, atol=0.03)


def test_behaviour_cloning_learns_the_shares_of_the_logged_actions() -> None:
    agent = new_agent("behaviour-cloning", 2, quick("behaviour-cloning"), observation_shape=(1, 12, 12))
    three_in_four = corridor().transitions.each(lambda tensor: tensor[[0, 1, 1, 1]])
    for _ in range(100):
        agent.update(three_in_four)
    logits = torch.from_numpy(agent.values(rooms()[:1]))
    torch.testing.assert_close(logits.softmax(1), torch.tensor([[0.25, 0.75]]), atol=0.02, rtol=0)


def test_the_conservative_penalty_lowers_the_values_of_actions_that_were_not_logged() -> None:
    only_left = corridor().transitions.each(lambda tensor: tensor[::2])
    agent = new_agent("dqn-adam", 2, quick("dqn-adam", cql=1.0), observation_shape=(1, 12, 12))
    for _ in range(150):
        agent.update(only_left)
    left, right = agent.values(rooms()).T
    assert (left > right + 1).all()


def test_rem_with_one_head_is_dqn() -> None:
    rem, ensemble = (
        trained(name, 30, outputs_per_action=1).values(rooms()) for name in ("rem", "ensemble-dqn")
    )
    dqn = new_agent("dqn-adam", 2, quick("dqn-adam"), observation_shape=(1, 12, 12))
    first = new_agent("rem", 2, quick("rem", outputs_per_action=1), observation_shape=(1, 12, 12))
    state = first.state_dict()
    dqn.load_state_dict(state)  # they differ in how their weights begin
    for _ in range(30):
        dqn.update(corridor().transitions)
    np.testing.assert_array_equal(rem, dqn.values(rooms()))
    np.testing.assert_array_equal(rem, ensemble)


@pytest.mark.parametrize("name", ["dqn", "rem"])
def test_an_agent_goes_on_from_its_state_to_the_same_bits(name: str) -> None:
    changes = {"optimizer": "rmsprop"} if name == "dqn" else {}
    whole, begun = trained(name, 40, **changes), trained(name, 23, **changes)
    resumed = new_agent(name, 2, quick(name, **changes), seed=9, observation_shape=(1, 12, 12))
    resumed.load_state_dict(begun.state_dict())
    for _ in range(17):
        resumed.update(corridor().transitions)
    np.testing.assert_array_equal(resumed.values(rooms()), whole.values(rooms()))


def test_a_transition_whose_target_is_unknown_changes_nothing() -> None:
    unknown = corridor().transitions._replace(counts=torch.zeros(8, dtype=torch.bool))
    agent = new_agent("dqn-adam", 2, quick("dqn-adam"), observation_shape=(1, 12, 12))
    before = agent.values(rooms())
    agent.update(unknown)
    np.testing.assert_array_equal(agent.values(rooms()), before)


def test_a_name_or_a_value_that_is_not_there_is_one_error() -> None:
    with pytest.raises(UnknownNameError, match="unknown agent 'sarsa': expected one of dqn, "):
        hyperparameters_of("sarsa")
    with pytest.raises(UnknownNameError, match="network 'huge': expected nature or small or tiny"):
        hyperparameters_of("dqn", network="huge")
    with pytest.raises(AtariReplayError, match=r"discount is 1\.5: expected 0 to 1"):
        hyperparameters_of("dqn", discount=1.5)
    agent = new_agent("c51", 2, quick("c51"), observation_shape=(1, 12, 12))
    other = new_agent("c51", 3, quick("c51"), observation_shape=(1, 12, 12))
    with pytest.raises(AgentError, match="not the state of such an agent"):
        agent.load_state_dict(other.state_dict())
    with pytest.raises(AgentError, match="not the state of such an agent: 'network'"):
        agent.load_state_dict({})
