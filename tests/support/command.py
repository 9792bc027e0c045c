"""Runs the installed command as a user does."""

import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("atari-dqn-replay"))


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `atari-dqn-replay` with these arguments to its end, and capture its output."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start `atari-dqn-replay` with these arguments."""
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
