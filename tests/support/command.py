"""Runs the command as a user does."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from atari_dqn_replay.commands.main import main
from forks import forked
from waiting import PATIENCE

import atari_dqn_replay_command

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


class Fork:
    """The command in a fork of the tests' process, in a session of its own: signals strike it, not the tests.

    It starts in no time, as its imports are made already; `start` shows what depends on those.
    """

    def __init__(self, *arguments: object, cwd: Path | None = None) -> None:
        self._arguments, self._cwd = [COMMAND, *map(str, arguments)], cwd
        self._printed = [tempfile.TemporaryFile("w+") for _ in ("stdout", "stderr")]  # noqa: SIM115
        self._process = forked(self._run)

    @property
    def returncode(self) -> int | None:
        """The exit code, negative if a signal ended it, or None while it runs."""
        return self._process.exitcode

    def interrupt(self) -> None:
        """Send SIGINT to it and its workers, as a terminal does for Ctrl-C."""
        os.killpg(self._process.pid or 0, signal.SIGINT)

    def kill(self) -> None:
        """Kill it, without its workers."""
        self._process.kill()

    def end(self, timeout: float = PATIENCE) -> tuple[str, str]:
        """Wait for its end, and return what it has printed: on stdout, and on stderr."""
        self._process.join(timeout)
        assert self.returncode is not None, "it does not end"
        printed = []
        for file in self._printed:
            with file:
                file.seek(0)
                printed.append(file.read())
        return printed[0], printed[1]

    def _run(self) -> None:
        os.setsid()
        for number, file in enumerate(self._printed, start=1):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(self._cwd or Path.cwd())
        sys.argv = self._arguments
        status = atari_dqn_replay_command.main()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
