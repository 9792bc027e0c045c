"""Evaluations play whole episodes under the protocol, and the same ones however many at once."""

import numpy as np
import pytest
from atari_dqn_replay.agents.evaluation import EvaluationProtocol, evaluate, replay
from atari_dqn_replay.builder.format.games import find_game

PONG = find_game("pong")
STILL = PONG.actions.index("NOOP")


def standing_still(observation: np.ndarray) -> np.ndarray:
    return np.full(len(observation), STILL)


def test_who_stands_still_in_pong_loses_every_point() -> None:
    protocol = EvaluationProtocol(epsilon=0)
    (episode,) = evaluate(standing_still, PONG, seed=[0], protocol=protocol, episodes=1)
    assert episode.total_return == -21  # the sum of the rewards of the whole game
    assert not episode.truncated
    assert set(episode.actions) == {STILL}


@pytest.mark.slow
def test_the_episodes_are_the_same_however_many_are_played_at_once() -> None:
    def played(environments: int) -> list[tuple[float, int, bool, bytes]]:
        protocol = EvaluationProtocol(epsilon=0.3, time_limit=90, environments=environments)
        episodes = evaluate(standing_still, PONG, seed=[5, 2], protocol=protocol, episodes=3)
        return [(e.total_return, e.length, e.truncated, e.actions.tobytes()) for e in episodes]

    assert played(1) == played(2)
    assert len({actions for *_, actions in played(3)}) == 3


def test_episodes_are_played_until_they_have_the_steps() -> None:
    protocol = EvaluationProtocol(time_limit=40, environments=4)
    episodes = evaluate(standing_still, PONG, seed=[0], protocol=protocol, steps=100)
    assert [episode.length for episode in episodes] == [40, 40, 40]
    assert all(episode.truncated for episode in episodes)


def test_the_agent_sees_four_frames_of_which_those_before_the_start_are_blank() -> None:
    seen: list[np.ndarray] = []

    def watching(observation: np.ndarray) -> np.ndarray:
        seen.append(observation[0].copy())
        return np.zeros(1, np.int64)

    protocol = EvaluationProtocol(time_limit=30, environments=1)
    (episode,) = evaluate(watching, PONG, seed=[1], protocol=protocol, episodes=1)
    frames = replay(episode, 0, PONG, [1], protocol)
    assert frames.shape == (30, 84, 84)
    padded = np.concatenate([np.zeros((3, 84, 84), np.uint8), frames])
    for step, stack in enumerate(seen):
        np.testing.assert_array_equal(stack, padded[step : step + 4])


@pytest.mark.parametrize("steps", [1, 41])
def test_at_least_one_episode_is_played(steps: int) -> None:
    protocol = EvaluationProtocol(time_limit=40, environments=2)
    assert len(evaluate(standing_still, PONG, seed=[0], protocol=protocol, steps=steps)) == -(-steps // 40)
