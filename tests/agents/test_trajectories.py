"""Off-policy agents see the steps that follow each transition, with the logged probabilities."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.agents.hyperparameters import hyperparameters_of
from atari_dqn_replay.agents.offline_training import train
from atari_dqn_replay.agents.training_plan import plan_training
from atari_dqn_replay.agents.training_settings import TrainingSettings
from atari_dqn_replay.agents.trajectories import Trajectories
from reader_datasets import CONFIG, Ending, read_episodes, stack_at, write_dataset

from atari_dqn_replay import AtariReplayError, EpisodeFilter, ReplayDataset

STEPS = 3
SHARDS = [
    [Ending(12), Ending(1), Ending(2, "limit"), Ending(9, "limit")],
    [Ending(1, "limit"), Ending(7), Ending(6, "log")],
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of real frames whose shards have probabilities."""
    folder = write_dataset(tmp_path_factory.mktemp("trajectories") / "dataset", SHARDS)
    for number, path in enumerate(sorted(folder.glob("data/*/*/*/*.parquet"))):
        prob = np.random.default_rng(number).uniform(0.01, 1, pq.read_metadata(path).num_rows)
        add_probabilities(path, prob)
    return folder


def add_probabilities(path: Path, prob: np.ndarray) -> None:
    table = pq.read_table(path)
    pq.write_table(table.append_column("prob", pa.array(prob, pa.float32())), path)


@pytest.fixture
def settings(dataset: Path, tmp_path: Path) -> TrainingSettings:
    return TrainingSettings(
        "off-policy-dqn",
        hyperparameters_of("off-policy-dqn", network="tiny"),
        str(dataset),
        *CONFIG,
        tmp_path / "run",
        iterations=1,
        updates_per_iteration=3,
        evaluation_steps=1,
        time_limit=10,
        environments=1,
        device="cpu",
        cache_dir=tmp_path / "cache",
    )


@pytest.mark.parametrize("chosen", [None, EpisodeFilter(top=0.5)])
def test_a_trajectory_is_the_steps_up_to_the_end_of_the_episode(
    chosen: EpisodeFilter | None, dataset: Path, tmp_path: Path
) -> None:
    data = ReplayDataset(dataset, *CONFIG, episodes=chosen, cache_dir=tmp_path)
    seen = Trajectories(data, STEPS).gather(np.arange(len(data)))
    keys = data.episodes[["checkpoint", "episode"]].tolist()
    played = {(int(e["checkpoint"][0]), int(e["episode"][0])): e for e in read_episodes(dataset)}
    place = 0
    for key in keys:
        episode = played[key]
        length = len(episode["step"])
        # What ended without the game's doing is valued by its last observation, so that its step is not used.
        last = length if episode["terminated"][-1] else max(1, length - 1)
        for step in range(length):
            for ahead in range(STEPS):
                at = step + ahead if ahead == 0 or step + ahead < last else step
                is_there = at == step + ahead
                assert seen.action[place, ahead] == episode["action"][at]
                assert seen.prob[place, ahead] == episode["prob"][at]
                assert seen.reward[place, ahead] == (episode["reward"][at] if is_there else 0)
                stack = stack_at(episode["observation"], at, 4)
                np.testing.assert_array_equal(seen.observation[place, ahead], stack)
            place += 1
    assert place == len(data)


def test_off_policy_dqn_trains_from_them(settings: TrainingSettings) -> None:
    assert [record["update"] for record in train(settings).evaluations] == [3]


def test_data_without_probabilities_are_refused(settings: TrainingSettings, tmp_path: Path) -> None:
    plain = replace(settings, dataset=str(write_dataset(tmp_path / "plain", [[Ending(9)]])))
    for learn in (plan_training, train):
        with pytest.raises(AtariReplayError, match=r"parquet: has no column 'prob', the probability of each"):
            learn(plain)
    assert not settings.out.exists()


@pytest.mark.parametrize("wrong", [0.0, 1.5, np.nan])
def test_a_probability_that_is_none_is_named(
    wrong: float, settings: TrainingSettings, tmp_path: Path
) -> None:
    folder = write_dataset(tmp_path / "wrong", [[Ending(4)]])
    (path,) = folder.glob("data/*/*/*/*.parquet")
    add_probabilities(path, np.array([0.5, 1, wrong, 0.5]))
    with pytest.raises(AtariReplayError, match=rf"episode 0: an action has the probability {wrong:g}"):
        train(replace(settings, dataset=str(folder)))
