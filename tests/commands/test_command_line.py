"""What users of the command rely on, whatever they ask of it."""

import contextlib
import errno
import io
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.commands import demonstration
from atari_dqn_replay.commands.main import COMMANDS, main, make_parser
from command import COMMAND, Fork, run, run_process, start
from dataset_folders import build_dataset
from datasets import load_dataset
from hub_server import HubServer, Request
from logs import write_log
from paths import THREE_LAPS
from publishing import REPO, to_hub
from waiting import PATIENCE, wait_until


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"atari-dqn-replay {command}" in done.stdout.split("examples:")[1]
    for line in _example_lines(done.stdout):
        program, named, *arguments = shlex.split(line)
        assert (program, named) == ("atari-dqn-replay", command)
        make_parser().parse_args([named, *arguments])


def _example_lines(help_text: str) -> list[str]:
    """The command lines that a `--help` shows, as a shell would read them."""
    return help_text.split("examples:")[1].replace("\\\n", " ").strip().splitlines()


@pytest.mark.slow
def test_the_demo_plays_builds_publishes_and_streams(tmp_path: Path) -> None:
    done = run_process("demo", "--out", "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for game in ("pong", "breakout", "freeway"):
        assert game in done.stdout.lower()
    returns = {line.split()[0]: [float(cell) for cell in line.split()[1:]] for line in _table(done.stdout)}
    for game, (mixed, medium, expert) in returns.items():
        assert mixed < medium < expert, game
    code = "\n".join(line.strip() for line in done.stdout.split("to use it:")[1].splitlines())
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(code, {})
    assert shown.getvalue() == "(84, 84)\n"
    steps: Any = load_dataset(str(tmp_path / "demo" / "dataset"), "pong-episodes", split="run_1")
    assert any(steps["complete"])
    again = run("demo", "--out", "demo", cwd=tmp_path)
    assert again.returncode == 0, "a second run goes on from what is there"


def _table(output: str) -> list[str]:
    lines = output.splitlines()
    (heading,) = [place for place, line in enumerate(lines) if line.startswith("game") and "mixed" in line]
    return lines[heading + 2 : heading + 5]


@pytest.mark.slow
def test_collected_logs_are_built_into_a_dataset_that_says_so(tmp_path: Path) -> None:
    logs, dataset = tmp_path / "logs", tmp_path / "dataset"
    collected = run("collect", "Seaquest", "--out", logs, "--checkpoints", 2, "--checkpoint-size", 400)
    assert collected.returncode == 0, collected.stderr
    assert run("build", "seaquest", "--source", logs, "--out", dataset).returncode == 0
    card = (dataset / "README.md").read_text()
    assert "not the original" in card.lower()


def test_inspect_tells_what_a_source_holds() -> None:
    done = run("inspect", THREE_LAPS)
    assert done.returncode == 0
    assert "Breakout" in done.stdout
    assert "0-3" in done.stdout
    assert "checkpoint 3 is the final, partial dump" in done.stdout


@pytest.mark.slow
def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("build", "breakout", "--source", THREE_LAPS, "--out", out, "--dry-run")
    assert "4 checkpoints to build" in done.stdout
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["build", "brakout", "--source", THREE_LAPS, "--out", "out"], "did you mean breakout"),
        (["build", "preview", "--source", THREE_LAPS, "--out", "out"], "preview is a config of a dataset"),
        (["build", "pong", "--source", THREE_LAPS, "--out", "out"], "holds no Pong; it has Breakout"),
        (["build", "pong", "--source", "nowhere", "--out", "out"], "nowhere"),
        (["build", "breakout", "--source", THREE_LAPS, "--out", "out", "--runs", "2-3"], "has run 1"),
        (["build", "breakout", "--source", THREE_LAPS, "--out", "out", "--checkpoints", "9"], "it has 0-3"),
        (["publish", "nowhere", "--to", "out"], "nowhere: no such folder"),
        (["collect", "pong", "--out", "out", "--checkpoints", "0"], "0"),
        (["collect", "seaquest", "--out", "out", "--policy", "player"], "player"),
        (["inspect", "."], "is empty; expected <Game>"),
    ],
)
def test_a_users_mistake_is_one_line_on_stderr(tmp_path: Path, arguments: list[Any], says: str) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_cannot_be_read_is_a_usage_error() -> None:
    for arguments in (
        [],
        ["fly"],
        ["build", "pong"],
        ["build", "pong", "--runs", "five"],
        ["build", "pong", "--source", "x", "--out", "y", "--runs", "0-99999999999"],
        ["publish", "dataset", "--to", "out", "--private"],
        ["publish", "dataset", "--to", "out", "--revision", "next"],
        ["publish", "dataset", "--to", "out", "--disk", "1GB"],
        ["publish", "pong", "--source", "logs", "--to", "out", "--workers", "2", "--disk", "-1"],
        ["publish", "pong", "--source", "logs", "--to", "out", "--disk", "0"],
        ["collect", "crafter", "--out", "played", "--workers", "-1"],
        ["collect", "pong", "--out", "logs", "--steps", "0"],
        ["collect", "crafter", "--out", "played", "--checkpoints", "0"],
        ["verify", "dataset", "--revision", "next"],
        ["verify", "dataset", "--repo-id", "user/replay"],
        ["verify"],
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert "usage:" in done.stderr


@pytest.mark.slow
def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    arguments = ["build", "breakout", "--source", str(THREE_LAPS), "--compression", "fast", "--out"]
    piped = run(*arguments, tmp_path / "piped").stderr
    # Whatever the order and the rate, which depend on how busy the machine is.
    assert re.search(r"^built breakout run 1 checkpoint \d \(4 of 4\)$", piped, re.MULTILINE)
    assert re.search(
        r"^published 4 of 4 after \d+\.\d minutes; \d+ minutes of building left$", piped, re.MULTILINE
    )
    assert "\r" not in piped
    terminal, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    subprocess.run([COMMAND, *arguments, str(tmp_path / "shown")], stderr=theirs, stdout=theirs, check=True)
    os.close(theirs)
    assert b"rows/s" in os.read(terminal, 100_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        (["inspect", str(THREE_LAPS)], 0.3),
        *((["demo"], seconds) for seconds in (0.3, 3)),
    ],
)
def test_ctrl_c_is_one_line_at_any_moment(tmp_path: Path, arguments: list[str], seconds: float) -> None:
    """As a terminal does it: workers are interrupted as well, even while they import."""
    command = [sys.executable, "-m", "atari_dqn_replay_command", *arguments]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    if process.returncode == 0:  # it was quicker than the signal
        assert arguments[0] == "inspect"
        return
    # Python ends by the signal itself, which a shell shows as 130 too, if it struck within an `exec`.
    assert process.returncode in (130, -signal.SIGINT)
    assert errors.startswith("atari-dqn-replay: stopped")
    assert len(errors.splitlines()) == 1, errors


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.8, 1.2, 1.6])
def test_ctrl_c_reaches_the_workers_too_and_is_told_once(tmp_path: Path, seconds: float) -> None:
    process = subprocess.Popen(
        [COMMAND, "publish", "all", "--source", str(THREE_LAPS), "--to", "out", "--workers", "2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in errors
    if process.returncode:  # it may have been quicker than the signal
        assert process.returncode in (130, -signal.SIGINT)
        assert errors.splitlines()[-1].startswith("atari-dqn-replay: stopped")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "question", "says"),
    [
        (["status", "pong", "--source", "logs"], "/api/", "nothing was changed"),
        (["status", "pong", "--source", "logs"], "/manifests/", "nothing was changed"),
        (["remove", "pong"], "/api/", "the same command goes on with what is left to remove"),
        (["remove", "pong", "--dry-run"], "/api/", "nothing was changed"),
        (["render"], "/api/", "the same command goes on with the cards that are left"),
        (["render"], "/manifests/", "the same command goes on with the cards that are left"),
        (["verify"], "/api/", "nothing was changed"),
        (["verify"], "/manifests/", "nothing was changed"),
        (["verify"], ".parquet", "nothing was changed"),
    ],
)
def test_ctrl_c_does_not_wait_for_a_hub_that_is_silent(
    tmp_path: Path, hub: HubServer, arguments: list[str], question: str, says: str
) -> None:
    write_log(tmp_path / "logs", (20, 30), capacity=60)
    publish(build_dataset(tmp_path / "pong"), to_hub(hub))
    asked, over = threading.Event(), threading.Event()

    def fall_silent(request: Request) -> None:
        if question in request.path:
            asked.set()
            over.wait()

    hub.fault = fall_silent
    with hub.of_this_process():
        process = Fork(*arguments, "--repo-id", REPO, cwd=tmp_path)
    try:
        wait_until(asked.is_set)
        process.interrupt()
        printed = process.end()
        assert (process.returncode, printed) == (130, ("", f"atari-dqn-replay: stopped; {says}\n"))
    finally:
        over.set()
        process.kill()


@pytest.mark.slow
def test_whoever_hangs_up_early_hears_no_complaint() -> None:
    process = start("inspect", THREE_LAPS)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 0


@pytest.mark.slow
def test_a_terminal_that_knows_ascii_only_gets_the_table(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    arguments = ["build", "breakout", "--source", THREE_LAPS, "--compression", "fast", "--out", tmp_path]
    done = run_process(*arguments, env=environment)
    assert done.returncode == 0, done.stderr
    assert "4 checkpoints built" in done.stdout
    assert run_process("inspect", "--help", env=environment).returncode == 0


def test_an_error_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(*_arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "out/README.md")

    monkeypatch.setattr(demonstration, "run_demo", denied)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == "atari-dqn-replay: error: out/README.md: Permission denied\n"


@pytest.mark.slow
def test_ctrl_c_says_what_the_same_command_will_do(tmp_path: Path) -> None:
    process = Fork("collect", "pong", "--out", tmp_path / "logs")
    wait_until((tmp_path / "logs" / "Pong" / "1").exists)
    process.interrupt()
    _, errors = process.end()
    assert "the same command starts a log from the beginning" in errors
    assert not (tmp_path / "logs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["verify", "render"])
def test_who_wants_no_network_is_told_at_once(command: str, hub: HubServer) -> None:
    environment = {**hub.environment(), "HF_HUB_OFFLINE": "1"}
    done = run_process(command, "--repo-id", REPO, env=environment, timeout=PATIENCE / 2)
    assert (done.returncode, done.stdout) == (1, "")
    assert "HF_HUB_OFFLINE" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_verifying_imports_no_torch(tmp_path: Path) -> None:
    """`datasets` does, where it is installed: it takes a second in which Ctrl-C is an abort."""
    build_dataset(tmp_path / "pong")
    code = "import sys, atari_dqn_replay_command as command; "
    code += "command.main(); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "verify", str(tmp_path / "pong")], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr


@pytest.mark.slow
def test_a_build_goes_into_one_folder(tmp_path: Path) -> None:
    done = run("build", "breakout", "--source", THREE_LAPS, "--out", tmp_path / "x-{game}")
    assert done.returncode == 1
    assert "one folder is built" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_ctrl_c_while_python_ends_does_not_undo_success() -> None:
    code = "import atexit, os, sys, atari_dqn_replay_command as command; "
    code += f"atexit.register(os.kill, os.getpid(), {signal.SIGINT:d}); sys.exit(command.main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", str(THREE_LAPS)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_home_that_the_shell_left_alone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").symlink_to(THREE_LAPS)
    monkeypatch.setenv("HOME", str(tmp_path))
    arguments = ["build", "breakout", "--source=~/mirror", "--out=~/dataset", "--compression=fast"]
    assert run(*arguments, cwd=tmp_path).returncode == 0
    done = run("publish", "~/dataset", "--to=~/copy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy" / "README.md").exists()
    assert not (tmp_path / "~").exists()
