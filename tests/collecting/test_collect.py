"""Collecting: what was played is logged by the dataset's rules, whole or not at all, with its origin."""

import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from atari_dqn_replay.builder.collecting.collect import Collected, collect
from atari_dqn_replay.builder.collecting.dump_writer import DumpWriter
from atari_dqn_replay.builder.collecting.log_settings import LogSettings
from atari_dqn_replay.builder.collecting.workers import collect_many
from atari_dqn_replay.builder.errors import OutputError, UnknownNameError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.provenance import COLLECTED, FILE_NAME, Provenance
from atari_dqn_replay.builder.sources.open import open_source
from forks import killed_in_call
from logs import log_transitions
from numpy.typing import NDArray
from paths import ROOT
from waiting import PATIENCE, wait_until

PONG, BREAKOUT = find_game("Pong"), find_game("Breakout")


def read(path: Path) -> NDArray[np.generic]:
    with gzip.open(path) as file:
        return np.load(file)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- What is logged ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_log_is_what_the_ring_makes_of_the_play(tmp_path: Path) -> None:
    """`record` keeps what was played; put through the ring buffer once more, it gives the same log."""
    record = tmp_path / "played.npz"
    collected = collect(
        BREAKOUT, tmp_path / "logs", checkpoints=4, checkpoint_size=250, seed=3, record=record
    )
    with np.load(record) as played:
        again = log_transitions(tmp_path / "again", **played, capacity=250, game="Breakout")
    assert len(again) == collected.transitions
    assert again.files == (0, 1, 2, 3, 4)
    names = {path.name for path in again.folder.iterdir()}
    finals = {f"final_observation-{number}.npy.zst" for number in again.files}
    assert {path.name for path in collected.settings.folder.iterdir()} == names | finals | {FILE_NAME}
    for name in names:
        assert np.array_equal(read(collected.settings.folder / name), read(again.folder / name)), name


@pytest.mark.slow
def test_the_last_file_is_partial(tmp_path: Path) -> None:
    """The play ends with an episode in the next lap, or a few rows before that lap's end."""
    for run, game in enumerate((BREAKOUT, PONG), start=1):
        folder = collect(game, tmp_path, checkpoints=2, checkpoint_size=300, run=run).settings.folder
        cursor = int(read(folder / "add_count_ckpt.2.gz"))
        assert 75 <= cursor < 299
        assert bool(read(folder / "$store$_terminal_ckpt.2.gz")[cursor - 1]) == (game is BREAKOUT)


def test_the_time_limit_ends_an_episode(tmp_path: Path) -> None:
    record = tmp_path / "played.npz"
    collect(PONG, tmp_path, checkpoints=1, checkpoint_size=200, time_limit=40, record=record)
    with np.load(record) as played:
        assert played["terminal"].nonzero()[0][:3].tolist() == [39, 79, 119]


@pytest.mark.slow
def test_a_players_returns_grow_over_the_checkpoints(tmp_path: Path) -> None:
    """Checkpoint 0 is what `pong-mixed` shows, 9 is medium, the last full one is expert."""
    collected = collect(PONG, tmp_path, policy="player", checkpoints=12, checkpoint_size=260, time_limit=250)
    mixed, medium, expert = (np.mean(collected.returns[checkpoint]) for checkpoint in (0, 9, 11))
    assert mixed < medium < expert
    assert "checkpoint 11: " in str(collected)


# --- Chance and repetition --------------------------------------------------------------------------------


@pytest.mark.slow
def test_same_arguments_give_same_bytes_and_other_runs_and_seeds_others(tmp_path: Path) -> None:
    logs = [
        contents(
            collect(
                PONG, tmp_path / name, checkpoints=1, checkpoint_size=200, run=run, seed=seed
            ).settings.folder
        )
        for name, run, seed in (("a", 1, 0), ("b", 1, 0), ("c", 2, 0), ("d", 1, 1))
    ]
    actions = [log["$store$_action_ckpt.0.gz"] for log in logs]
    assert logs[0] == logs[1]
    assert len(set(actions)) == 3


@pytest.mark.slow
def test_many_logs_at_once_are_the_same_as_one_by_one(tmp_path: Path) -> None:
    def logs(out: Path) -> list[LogSettings]:
        return [LogSettings(game, out, checkpoints=1, checkpoint_size=200) for game in (PONG, BREAKOUT)]

    one_by_one = collect_many(logs(tmp_path / "one"), workers=1)
    at_once = collect_many(logs(tmp_path / "many"), workers=2)
    for one, other in zip(one_by_one, at_once, strict=True):
        assert contents(one.settings.folder) == contents(other.settings.folder)


def test_a_log_that_is_there_is_not_collected_again(tmp_path: Path) -> None:
    first = collect(PONG, tmp_path, checkpoints=1, checkpoint_size=200)
    times = {path: path.stat().st_mtime_ns for path in first.settings.folder.iterdir()}
    second = collect(PONG, tmp_path, checkpoints=1, checkpoint_size=200)
    assert second.already_there
    assert "already there" in str(second)
    assert {path: path.stat().st_mtime_ns for path in first.settings.folder.iterdir()} == times


def test_a_log_with_other_settings_is_never_overwritten(tmp_path: Path) -> None:
    before = contents(collect(PONG, tmp_path, checkpoints=1, checkpoint_size=200).settings.folder)
    with pytest.raises(OutputError, match=r"other settings \(checkpoint_size, seed\): choose another"):
        collect(PONG, tmp_path, checkpoints=1, checkpoint_size=300, seed=1)
    assert contents(tmp_path / "Pong" / "1" / "replay_logs") == before


def test_somebody_elses_log_is_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "Pong" / "1" / "replay_logs"
    folder.mkdir(parents=True)
    (folder / "$store$_action_ckpt.0.gz").write_bytes(b"from a mirror of the bucket")
    with pytest.raises(OutputError, match="not collected here"):
        collect(PONG, tmp_path, checkpoints=1, checkpoint_size=200)
    assert len(contents(folder)) == 1


# --- Where it is from -------------------------------------------------------------------------------------


def test_the_log_says_that_it_was_collected_and_how(tmp_path: Path) -> None:
    folder = collect(
        PONG, tmp_path, policy="player", checkpoints=2, checkpoint_size=200, seed=5
    ).settings.folder
    record = Provenance.from_json((folder / FILE_NAME).read_text(), FILE_NAME)
    assert record.origin == COLLECTED
    assert record.details["policy"] == "hand-written player of Pong"
    assert record.details["schedule"].startswith(
        "share of random play 1 in checkpoint 0, falling evenly to 0"
    )
    assert record.details["seed"] == 5
    assert record.details["protocol"]["sticky_action_probability"] == 0.25
    assert len(record.details["rom_md5"]) == 32


# --- What can go wrong ------------------------------------------------------------------------------------

COLLECT = """
import resource, sys
from pathlib import Path
from atari_dqn_replay.builder.collecting.collect import collect
from atari_dqn_replay.builder.format.games import find_game
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
collect(find_game("Pong"), Path(sys.argv[1]), checkpoints=3, checkpoint_size=1500)
"""


def start_collecting(out: Path, largest_file: int = 0) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", COLLECT, str(out), str(largest_file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_collection_starts_again_and_gives_the_same_bytes(tmp_path: Path) -> None:
    """Until the log is whole its folder has another name; its provenance is there before its first file."""
    run = tmp_path / "killed" / "Pong" / "1"

    def collect_into(name: str) -> Collected:
        return collect(PONG, tmp_path / name, checkpoints=2, checkpoint_size=300)

    killed_in_call(2, DumpWriter, "_write", lambda: collect_into("killed"))
    assert [path.name for path in run.iterdir()] == ["replay_logs.incomplete"]
    assert (run / "replay_logs.incomplete" / FILE_NAME).exists()
    assert (run / "replay_logs.incomplete" / "add_count_ckpt.0.gz").exists()
    again, whole = collect_into("killed"), collect_into("whole")
    assert contents(again.settings.folder) == contents(whole.settings.folder)
    assert [path.name for path in run.iterdir()] == ["replay_logs"]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    process = start_collecting(tmp_path)
    wait_until((tmp_path / "Pong" / "1" / "replay_logs.incomplete" / "add_count_ckpt.0.gz").exists)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert "KeyboardInterrupt" in errors
    assert not any(tmp_path.iterdir())


COLLECT_MANY = """
import sys
from pathlib import Path
from atari_dqn_replay.builder.collecting.log_settings import LogSettings
from atari_dqn_replay.builder.collecting.workers import collect_many
from atari_dqn_replay.builder.format.games import find_game
if __name__ == "__main__":
    games = [find_game(name) for name in ("Pong", "Breakout", "Freeway")]
    out = Path(sys.argv[1])
    collect_many([LogSettings(game, out, checkpoints=50, checkpoint_size=500) for game in games], 2)
"""


@pytest.mark.slow
def test_ctrl_c_stops_many_collections_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """As a terminal does it: every process of the group is interrupted. What waited does not begin."""
    script = tmp_path / "many.py"
    script.write_text(COLLECT_MANY)
    command = [sys.executable, str(script), str(tmp_path / "logs")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    for game in ("Pong", "Breakout"):
        wait_until((tmp_path / "logs" / game / "1" / "replay_logs.incomplete" / "add_count_ckpt.0.gz").exists)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert b"KeyboardInterrupt" in errors
    assert not list((tmp_path / "logs").rglob("*"))


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """Nothing that nobody waits for goes on playing. A killed log is collected anew by the same command."""
    script = tmp_path / "many.py"
    script.write_text(COLLECT_MANY)
    command = [sys.executable, str(script), str(tmp_path / "logs")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    for game in ("Pong", "Breakout"):
        wait_until((tmp_path / "logs" / game / "1" / "replay_logs.incomplete" / "add_count_ckpt.0.gz").exists)
    process.kill()
    process.wait(PATIENCE)
    wait_until(lambda: not _is_group_alive(process.pid), "the end of the workers")


def _is_group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_one_clear_error(tmp_path: Path) -> None:
    """A limit on the size of a file stands in for a full disk."""
    process = start_collecting(tmp_path, largest_file=20_000)
    _, errors = process.communicate()
    assert "OutputError: cannot write the log" in errors
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checkpoints": 0}, "checkpoints 0 is too small: expected 1 or more"),
        ({"checkpoint_size": 9}, "checkpoint size 9 is too small: expected 10 or more"),
        ({"run": 0}, "run 0 is too small"),
        ({"run": 100}, "run 100 is too large: expected 99 or less"),
        ({"checkpoints": 100}, "checkpoints 100 is too large: expected 99 or less"),
        ({"checkpoint_size": 10**12}, "would need 7,056,000 GB of memory"),
        ({"checkpoint_size": 10**30}, "is too large"),
        ({"seed": -1}, "seed -1 is too small"),
        ({"out": Path("s3://bucket/logs")}, "local folder"),
    ],
)
def test_nonsense_is_refused(arguments: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=message):
        collect(**{"game": PONG, "out": tmp_path, **arguments})  # pyright: ignore[reportArgumentType]
    assert not any(tmp_path.iterdir())


def test_a_game_without_a_player_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no player for Seaquest"):
        collect(find_game("Seaquest"), tmp_path, policy="player")
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_an_episode_that_met_the_logs_own_time_limit_is_truncated(tmp_path: Path) -> None:
    """Freeway has no other end within 60 steps."""
    collect(find_game("freeway"), tmp_path, checkpoints=2, checkpoint_size=200, time_limit=60)
    reader = open_source(str(tmp_path)).open_run(find_game("freeway"), 1).reader()
    ends = [(len(episode), episode.truncated) for episode in reader.checkpoint(0).episodes()]
    reader.close()
    assert set(ends) == {(60, True)}
