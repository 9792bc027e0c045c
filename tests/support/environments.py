"""Virtual environments for libraries that do not fit beside the project's own, made once and kept."""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

SECONDS = 540
"""In which an environment is made, or the test is skipped."""


def python_with(name: str, *installs: Sequence[str]) -> str:
    """Returns a Python that has other libraries.

    Made at the first use, in the user's cache; where the packages cannot be had, the test is skipped.

    Args:
        name: of the environment.
        installs: arguments of `pip install`, one call after another.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atari-dqn-replay-tests"
    wanted = hashlib.sha256(repr((sys.version_info[:2], installs)).encode()).hexdigest()[:12]
    folder = cache / f"{name}-{wanted}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            venv.create(folder, with_pip=True, clear=True)
            try:
                for arguments in installs:
                    command = [python, "-m", "pip", "install", "-q", *arguments]
                    subprocess.run(command, check=True, timeout=SECONDS, capture_output=True)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                pytest.skip(f"the environment for {name} cannot be made: {error}")
            (folder / "complete").touch()
        return str(python)
