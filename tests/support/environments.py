"""Makes separate environments for libraries whose pins conflict with the tests' own packages."""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from atari_dqn_replay.builder.files import replacing
from paths import ROOT

FOLDER = Path(tempfile.gettempdir()) / "atari-dqn-replay-environments"
"""The folder where environments are kept for reuse."""

PATIENCE = 540
"""Seconds within which an environment must be made."""


def python_with(*requirements: str) -> Path:
    """Returns an interpreter with these requirements, as pinned, on top of the tests' packages.

    So neither torch nor anything else that is already installed is installed twice.
    """
    seen = [path for path in sys.path if path.endswith("site-packages")]
    name = hashlib.sha256("\n".join([*requirements, *seen, sys.version, str(ROOT)]).encode()).hexdigest()[:16]
    folder = FOLDER / name
    if not folder.exists():
        FOLDER.mkdir(exist_ok=True)
        with replacing(folder) as temporary:
            _make(temporary, requirements, [*seen, str(ROOT)])
    return folder / "bin" / "python"


def _make(folder: Path, requirements: tuple[str, ...], seen: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=PATIENCE)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "of_the_tests.pth").write_text("\n".join(seen) + "\n")
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        install, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False
    )
    if done.returncode:
        raise RuntimeError(f"pip could not install {', '.join(requirements)}:\n{done.stderr[-2000:]}")
