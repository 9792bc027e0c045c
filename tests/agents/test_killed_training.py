"""A training from fixed replay that is killed again and again ends with the bits of one that was not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.agents import offline_training
from atari_dqn_replay.agents.hyperparameters import hyperparameters_of
from atari_dqn_replay.agents.offline_training import train
from atari_dqn_replay.agents.run_folder import RunFolder
from atari_dqn_replay.agents.training_batches import TrainingBatches
from atari_dqn_replay.agents.training_settings import TrainingSettings
from atari_dqn_replay.builder.format.games import find_game
from forks import killed_in_call
from learning_runs import assert_same_run, log_of
from reader_datasets import SHARDS, write_dataset

pytestmark = pytest.mark.slow

KILLS = [
    (TrainingBatches, "take", 7),
    (RunFolder, "save", 2),
    (offline_training, "evaluate", 1),
    (offline_training.RunLog, "write", 2),
]
"""Which calls a training is killed in, one after the other: each goes on from where the one before was."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two games, with the probabilities of actions."""
    games = [find_game("breakout"), find_game("freeway")]
    folder = write_dataset(tmp_path_factory.mktemp("killed") / "dataset", SHARDS[:2], games=games)
    for number, path in enumerate(sorted(folder.glob("data/**/*.parquet"))):
        table = pq.read_table(path)
        prob = np.random.default_rng(number).uniform(0.01, 1, len(table))
        pq.write_table(table.append_column("prob", pa.array(prob, pa.float32())), path)
    return folder


@pytest.mark.parametrize(
    ("agent", "config"),
    [
        ("rem", "breakout-full"),
        ("off-policy-dqn", "breakout-full"),
        ("qr-dqn", "breakout-full+freeway-full"),
    ],
)
def test_a_training_killed_again_and_again_ends_with_the_same_bits(
    agent: str, config: str, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline_training, "LOG_EVERY", 4)
    monkeypatch.setattr(offline_training, "SAVE_EVERY", 0.0)
    whole = TrainingSettings(
        agent,
        hyperparameters_of(agent, network="tiny", target_update_period=7, batch_size=4),
        str(dataset),
        config,
        "run_1",
        tmp_path / "whole",
        iterations=2,
        updates_per_iteration=10,
        evaluation_steps=20,
        time_limit=15,
        environments=1,
        device="cpu",
        cache_dir=tmp_path / "cache",
    )
    killed = replace(whole, out=tmp_path / "killed")
    train(whole)
    for owner, name, call in KILLS:
        killed_in_call(call, owner, name, lambda: train(killed))
    train(killed)
    assert_same_run(killed.out, whole.out)
    updates = [record["update"] for record in log_of(whole.out) if record["kind"] == "training"]
    assert updates == [4, 8, 10, 14, 18, 20]
