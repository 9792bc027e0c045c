"""What users of d3rlpy's Atari data sets rely on; run by test_d3rlpy.py, where d3rlpy is installed."""

# pyright: reportMissingImports=false
import itertools
import os
import re
from pathlib import Path
from typing import Any

import d3rlpy
import gymnasium
import numpy as np
import pytest
import torch
from atari_dqn_replay.interop.d3rlpy import AtariReplayBuffer, get_atari, get_atari_transitions
from d3rlpy.dataset import Episode, FrameStackTrajectorySlicer, FrameStackTransitionPicker

from atari_dqn_replay import AtariReplayError

torch.set_num_threads(1)
SCALED = d3rlpy.preprocessing.PixelObservationScaler()


@pytest.fixture(scope="module")
def asterix() -> list[Episode]:
    """Asterix as it was played, in d3rlpy's own episodes."""
    record = np.load(Path(os.environ["GAMES"]) / "asterix.npz")
    ends = np.flatnonzero(record["terminal"]) + 1
    bounds = [0, *ends, *([len(record["action"])] if ends[-1] != len(record["action"]) else [])]
    return [
        Episode(
            record["observation"][start:stop, None],
            record["action"][start:stop, None].astype(np.int64),
            record["reward"][start:stop, None],
            bool(record["terminal"][stop - 1]),
        )
        for start, stop in itertools.pairwise(bounds)
    ]


def whole_run(**options: Any) -> tuple[AtariReplayBuffer, Any]:
    return get_atari_transitions("asterix", 1.0, 0, num_stack=4, **options)


def assert_same(found: Any, expected: Any, names: list[str]) -> None:
    for name in names:
        one, other = getattr(found, name), getattr(expected, name)
        assert np.asarray(one).shape == np.asarray(other).shape, name
        assert np.allclose(one, other, atol=1e-5), name


def test_versions_are_those_that_d3rlpy_pins() -> None:
    assert gymnasium.__version__ == "1.0.0"
    assert torch.__version__.split("+")[0] == "2.13.0"


def test_episodes_are_those_that_were_played(asterix: list[Episode]) -> None:
    buffer, _ = whole_run()
    assert buffer.size() == len(asterix)
    assert buffer.transition_count == sum(episode.transition_count for episode in asterix)
    for found, expected in zip(buffer.episodes, asterix, strict=True):
        assert (found.observations == expected.observations).all()
        assert (found.actions == expected.actions).all()
        assert (found.rewards == expected.rewards).all()
        assert found.terminated == expected.terminated


def test_transitions_are_those_of_d3rlpys_own_picker(asterix: list[Episode]) -> None:
    buffer, _ = whole_run(seed=5)
    numbers = np.random.default_rng(5).integers(buffer.transition_count, size=600)
    batch = buffer.sample_transition_batch(600)
    picker = FrameStackTransitionPicker(4)
    ends = 0
    for k, number in enumerate(numbers):
        expected = picker(*_of(asterix, buffer.place(number)))
        found = batch.transitions[k]
        names = ["observation", "action", "reward", "next_observation", "next_action", "terminal"]
        assert_same(found, expected, [*names, "interval", "rewards_to_go"])
        assert (batch.observations[k] == expected.observation).all()
        assert (batch.next_observations[k] == expected.next_observation).all()
        row = [batch.actions, batch.rewards, batch.next_actions, batch.terminals, batch.intervals]
        values = [expected.action, expected.reward, expected.next_action, expected.terminal, 1]
        assert [column[k, 0] for column in row] == [float(np.ravel(value)[0]) for value in values]
        ends += int(expected.terminal)
    assert ends


def test_windows_are_those_of_d3rlpys_own_slicer(asterix: list[Episode]) -> None:
    buffer, _ = whole_run(seed=6)
    numbers = np.random.default_rng(6).integers(buffer.transition_count, size=12)
    batch = buffer.sample_trajectory_batch(12, 150)
    slicer, padded = FrameStackTrajectorySlicer(4), 0
    for k, number in enumerate(numbers):
        episode, offset = _of(asterix, buffer.place(number))
        expected = slicer(episode, offset, 150)
        for name in (
            "observations",
            "actions",
            "rewards",
            "returns_to_go",
            "terminals",
            "timesteps",
            "masks",
        ):
            found = getattr(batch, name)[k]
            wanted = np.asarray(getattr(expected, name)).reshape(found.shape)
            assert np.allclose(found, wanted), name
        padded += int(not expected.masks.all())
    assert padded
    one = buffer.sample_trajectory(20)
    assert (one.observations.shape, one.length) == ((20, 4, 84, 84), 20)


def _of(episodes: list[Episode], place: tuple[int, int]) -> tuple[Episode, int]:
    return episodes[place[0]], place[1]


def test_a_share_of_each_checkpoint_is_the_same_for_everybody() -> None:
    half, _ = get_atari_transitions("asterix", 0.5, 0)
    again, _ = get_atari_transitions("asterix", 0.5, 0)
    other, _ = get_atari_transitions("asterix", 0.5, 0, seed=1)
    whole, _ = get_atari_transitions("asterix", 1.0, 0)
    assert half.transition_count == again.transition_count
    assert [len(episode) for episode in half.episodes] == [len(episode) for episode in again.episodes]
    assert [len(episode) for episode in half.episodes] != [len(episode) for episode in other.episodes]
    assert 0.45 < half.transition_count / whole.transition_count < 0.5


@pytest.mark.parametrize("num_stack", [None, 4])
def test_observations_have_their_channels_first(num_stack: int | None) -> None:
    dataset, env = get_atari("pong-mixed-v3", num_stack=num_stack)
    shape = (num_stack or 1, 84, 84)
    assert dataset.sample_transition().observation.shape == shape
    assert dataset.dataset_info.observation_signature.shape == [shape]
    assert env.observation_space.shape == shape
    observation, _ = env.reset(seed=0)
    assert observation.shape == shape
    assert observation.dtype == np.uint8
    if num_stack:
        assert not observation[:3].any()


@pytest.mark.parametrize("algorithm", [d3rlpy.algos.DQNConfig, d3rlpy.algos.DiscreteCQLConfig])
def test_q_learning_trains_and_is_evaluated(algorithm: Any) -> None:
    dataset, env = get_atari("pong-mixed-v3", num_stack=4)
    agent = algorithm(batch_size=8, observation_scaler=SCALED).create()
    short = gymnasium.wrappers.TimeLimit(env, 20)
    history = agent.fit(
        dataset,
        n_steps=16,
        n_steps_per_epoch=8,
        evaluators={"environment": d3rlpy.metrics.EnvironmentEvaluator(short, n_trials=1)},
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
    )
    assert len(history) == 2
    assert all(np.isfinite(metrics["loss"]) and metrics["environment"] <= 0 for _, metrics in history)
    assert agent.predict(dataset.sample_transition_batch(2).observations).shape == (2,)


def test_the_decision_transformer_trains() -> None:
    dataset, _ = get_atari("pong-mixed-v3", num_stack=4)
    agent = d3rlpy.algos.DiscreteDecisionTransformerConfig(
        batch_size=4,
        context_size=6,
        num_layers=1,
        num_heads=1,
        observation_scaler=SCALED,
        max_timestep=30_000,
    ).create()
    agent.fit(
        dataset,
        n_steps=4,
        n_steps_per_epoch=4,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
    )
    assert agent.grad_step == 4


def test_a_dump_is_read_back_by_d3rlpy(asterix: list[Episode], tmp_path: Path) -> None:
    buffer, _ = get_atari("asterix-mixed-v0")
    with (tmp_path / "asterix.h5").open("w+b") as file:
        buffer.dump(file)
    with (tmp_path / "asterix.h5").open("rb") as file:
        loaded = d3rlpy.dataset.ReplayBuffer.load(file, d3rlpy.dataset.InfiniteBuffer())
    assert (loaded.episodes[0].observations == asterix[0].observations).all()
    assert loaded.transition_count == buffer.transition_count


def test_misuse_is_said() -> None:
    for name, message in (("pong", "expected <game>-<quality>-v"), ("pong-mixed-v0", "it has run_4")):
        with pytest.raises(AtariReplayError, match=message):
            get_atari(name)
    with pytest.raises(AtariReplayError, match="expected a share"):
        get_atari_transitions("pong", 0, 3)
    with pytest.raises(NotImplementedError, match="cannot be appended"):
        get_atari("pong-mixed-v3")[0].append(np.zeros(1), 0, 0.0)


def test_the_documented_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text()
    (example,) = re.findall(
        r"```python\n(.*?)```", text.partition("\n## d3rlpy\n")[2].partition("\n## ")[0], re.S
    )
    (tmp_path / "dataset").symlink_to(os.environ["ATARI_DQN_REPLAY_DATASET"])
    monkeypatch.chdir(tmp_path)
    exec(example, {})
