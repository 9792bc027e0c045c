"""What a user's own choice of runs and checkpoints means to `AtariDQNReplay`."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from atari_dqn_replay.builder.errors import UnknownNameError
from logs import write_log

from atari_dqn_replay import AtariDQNReplay


def rows(logs: Path, cache: Path, **selection: Any) -> dict[str, pa.Table]:
    """Of each split, as it streams; the same must come from the cache."""
    builder = AtariDQNReplay("pong-full", source=logs, cache_dir=str(cache), **selection)
    builder.download_and_prepare()
    prepared: Any = builder.as_dataset()
    streamed: Any = builder.as_streaming_dataset()
    found = {}
    for split, steps in streamed.items():
        found[str(split)] = pa.concat_tables(steps.with_format("arrow").iter(batch_size=100))
        kept = pa.concat_tables(prepared[split].with_format("arrow").iter(batch_size=100))
        assert kept.equals(found[str(split)])
    return found


@pytest.mark.slow
def test_a_choice_means_the_same_in_any_order_and_however_often_it_names_one(tmp_path: Path) -> None:
    for run in (1, 2):
        write_log(tmp_path / "logs", (20, 30, 70, 60), capacity=60, run=run, seed=run)
    plain = rows(tmp_path / "logs", tmp_path / "a", runs=[1, 2], checkpoints=[0, 2])
    assert list(plain) == ["run_1", "run_2"]
    for runs, checkpoints in (([2, 1], [2, 0]), ([1, 2, 1], [0, 0, 2, 2]), (range(1, 3), np.array([0, 2]))):
        again = rows(tmp_path / "logs", tmp_path / "b", runs=runs, checkpoints=checkpoints)
        assert list(again) == list(plain)
        assert all(again[split].equals(plain[split]) for split in plain)
    # One choice, one place in the cache.
    assert len(list((tmp_path / "b").rglob("dataset_info.json"))) == 1


@pytest.mark.parametrize("runs", [1, "1", ["1"], [1.0], [True], []])
def test_what_is_no_choice_of_numbers_is_refused(runs: Any) -> None:
    with pytest.raises(UnknownNameError, match=r"runs=.*: give whole numbers, e.g. runs=\[1, 2\]"):
        AtariDQNReplay("pong-full", source="logs", runs=runs)
