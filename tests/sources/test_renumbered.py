"""Runs of several sources in one dataset: those that have the same number get others."""

from pathlib import Path

import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import SourceError, UnknownNameError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.verify import verify
from command import run
from dataset_folders import contents
from datasets_of_logs import build_from
from logs import write_log

PONG = find_game("pong")
LENGTHS = (90, 70, 110)


def tables(folder: Path) -> dict[str, bytes]:
    """The Parquet files: manifests also name the files that were read, whose paths keep the old number."""
    return {path: content for path, content in contents(folder).items() if path.endswith(".parquet")}


@pytest.mark.slow
@pytest.mark.parametrize("as_dataset", [False, True], ids=["logs", "datasets"])
def test_two_first_runs_become_runs_1_and_2(tmp_path: Path, as_dataset: bool) -> None:
    for number in (1, 2):
        write_log(tmp_path / "expected-logs", LENGTHS, capacity=100, run=number, seed=number)
        write_log(tmp_path / f"mine-{number}", LENGTHS, capacity=100, run=1, seed=number)
    out = tmp_path / "out"
    for number in (1, 2):
        mine = tmp_path / f"mine-{number}"
        mine = build_from(mine, tmp_path / f"dataset-{number}") if as_dataset else mine
        source = open_source(str(mine), {"renumber_runs": f"1:{number}"})
        assert source.runs(PONG) == [number]
        build(plan_build(source, [PONG], out, runs=[number]), out)
        verification = verify(FolderReader(out), source=source)
        assert not [each for each in verification.differences if f"run_{number}" in str(each)]
    assert tables(out) == tables(build_from(tmp_path / "expected-logs", tmp_path / "expected"))


def test_numbers_that_cannot_be(tmp_path: Path) -> None:
    for number in (1, 2):
        write_log(tmp_path, [40], capacity=30, run=number)
    with pytest.raises(SourceError, match="runs 1 and 2 of Pong would both be run 2"):
        open_source(str(tmp_path), {"renumber_runs": "1:2"}).runs(PONG)
    with pytest.raises(UnknownNameError, match="no run 1 of Pong; as renumbered it has 2, 3"):
        open_source(str(tmp_path), {"renumber_runs": "1:3"}).open_run(PONG, 1)
    for text in ("1", "1:2,1:3", "1:2,3:2", "1:0", "1:x"):
        with pytest.raises(UnknownNameError, match=r"such as 1:3,2:4|from 1 to"):
            open_source(str(tmp_path), {"renumber_runs": text})


def test_swapped_numbers(tmp_path: Path) -> None:
    for number in (1, 2):
        write_log(tmp_path, [40], capacity=30, run=number, seed=number)
    swapped = open_source(str(tmp_path), {"renumber_runs": "1:2,2:1"})
    assert swapped.runs(PONG) == [1, 2]
    assert swapped.open_run(PONG, 1).where.endswith("Pong/2/replay_logs")


@pytest.mark.slow
def test_the_command_line_takes_them(tmp_path: Path) -> None:
    write_log(tmp_path / "logs", [40], capacity=30)
    done = run("inspect", tmp_path / "logs", "--renumber-runs", "1:7")
    assert done.returncode == 0 and " 7 " in done.stdout
    done = run("inspect", tmp_path / "logs", "--renumber-runs", "1=7")
    assert done.returncode == 2 and "expected pairs of numbers such as 1:3,2:4" in done.stderr
