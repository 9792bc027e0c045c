"""Makes a Python with Dopamine's replay buffer, in a separate environment, since it needs TensorFlow."""

import fcntl
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import pytest

FOLDER = Path(tempfile.gettempdir()) / "atari-dqn-replay-dopamine"
"""The folder where the environment is kept for reuse."""

PATIENCE = 540
"""Seconds within which the environment must be made."""

INSTALLS = (
    ["tensorflow-cpu", "absl-py", "gin-config", "numpy<2.4"],
    ["--no-deps", "dopamine-rl==4.1.2"],  # its other dependencies (JAX, Gym, pygame) are for agents
)


def dopamine_python() -> Path:
    """Returns the interpreter, or skips the test if the packages cannot be installed."""
    FOLDER.mkdir(exist_ok=True)
    folder = FOLDER / f"python-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            venv.create(folder, with_pip=True, clear=True)
            for arguments in INSTALLS:
                command = [python, "-m", "pip", "install", "-q", *arguments]
                try:
                    subprocess.run(command, check=True, timeout=PATIENCE, capture_output=True, text=True)
                except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                    pytest.skip(f"Dopamine cannot be installed: {error}")
            (folder / "complete").touch()
    return python
