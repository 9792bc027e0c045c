"""`atari-dqn-replay inspect SOURCE`, as a user runs it."""

import os
import shutil
import subprocess
import termios
from pathlib import Path

import pytest
from command import COMMAND, run
from paths import SKIPPED_LAP, THREE_LAPS
from web_server import running_web

LOGS = "dqn/Breakout/1/replay_logs"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the log, to be damaged."""
    return Path(shutil.copytree(THREE_LAPS, tmp_path / "source"))


def cells(table: str, game: str = "Breakout") -> list[str]:
    (line,) = (line for line in table.splitlines() if line.startswith(game))
    return [cell for cell in line.split("  ") if cell]


def test_the_table_says_what_there_is() -> None:
    table = run("inspect", THREE_LAPS).stdout
    assert [each.strip() for each in cells(table)] == [
        *("Breakout", "1", "0-3", "3,000", "0.9", "unrecorded"),
        "checkpoint 3 is the final, partial dump",
    ]


@pytest.mark.slow
def test_every_place_gives_the_same_table() -> None:
    expected = run("inspect", THREE_LAPS).stdout
    with running_web(THREE_LAPS) as server:
        assert run("inspect", server.url).stdout == expected
    with running_web(THREE_LAPS, listing=False) as server:
        assert run("inspect", server.url, "--games", "breakout").stdout == expected
        unnamed = run("inspect", server.url)
    assert unnamed.returncode == 1
    assert "--games" in unnamed.stderr


@pytest.mark.slow
def test_missing_files_missing_checkpoints_and_holes_are_named(source: Path) -> None:
    logs = source / LOGS
    (logs / "$store$_reward_ckpt.1.gz").unlink()
    assert "checkpoint 1 lacks reward" in run("inspect", source).stdout
    for path in logs.glob("*_ckpt.1.gz"):
        path.unlink()
    assert "no checkpoint 1" in run("inspect", source).stdout
    assert "was never dumped" in run("inspect", SKIPPED_LAP).stdout


def test_one_damaged_run_does_not_hide_the_others(source: Path) -> None:
    shutil.copytree(source / "dqn" / "Breakout", source / "dqn" / "Pong")
    (source / "dqn" / "Pong" / "1" / "replay_logs" / "add_count_ckpt.2.gz").write_bytes(b"no gzip")
    table = run("inspect", source).stdout
    assert "add_count_ckpt.2.gz: holds data that begins with b'no gzi'" in cells(table, "Pong")[-1]
    assert cells(table)[-1] == "checkpoint 3 is the final, partial dump"


@pytest.mark.slow
def test_only_the_games_that_were_named(source: Path) -> None:
    shutil.copytree(source / "dqn" / "Breakout", source / "dqn" / "Pong")
    table = run("inspect", source, "--games", "PongNoFrameskip-v4").stdout
    assert "Pong" in table
    assert "Breakout" not in table
    assert "holds no Seaquest" in run("inspect", source, "--games", "seaquest").stderr


def test_an_option_that_cannot_be_read_is_refused() -> None:
    done = run("inspect", THREE_LAPS, "--storage-option", "anon")
    assert done.returncode == 2
    assert "KEY=VALUE" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "unit"),
    [(["inspect"], "runs"), (["build", "breakout", "--out", "out", "--source"], "rows")],
)
def test_a_terminal_sees_rate_and_time_left(arguments: list[str], unit: str, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    done = subprocess.run(
        [COMMAND, *arguments, str(THREE_LAPS)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.stdout
    assert f"{unit}/s" in shown
    assert "<" in shown  # tqdm: elapsed<left
