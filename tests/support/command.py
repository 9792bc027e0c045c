"""Runs the command as a user does."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from atari_dqn_replay.commands.main import main

COMMAND = str(Path(sys.executable).with_name("atari-dqn-replay"))


def run(*arguments: object, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run `atari-dqn-replay` with these arguments within this process, and capture its output.

    It starts in no time. What depends on how a process begins or ends, or on its environment, is shown by
    `run_process`.
    """
    given = [str(argument) for argument in arguments]
    out, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        try:
            status = main(given)
        except SystemExit as exit:  # argparse's, of `--help` and of a usage error
            status = int(exit.code or 0)
    return CompletedProcess(given, status, out.getvalue(), errors.getvalue())


def run_process(*arguments: object, **options: Any) -> CompletedProcess[str]:
    """Run the installed `atari-dqn-replay` with these arguments to its end, and capture its output."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start the installed `atari-dqn-replay` with these arguments."""
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
