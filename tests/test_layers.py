"""The layers of `docs/architecture.md`, which pyproject.toml states as contracts, hold."""

import subprocess
import sys
from pathlib import Path

from paths import ROOT


def test_data_flows_one_way() -> None:
    command = [
        Path(sys.executable).with_name("lint-imports"),
        "--no-cache",
        "--config",
        ROOT / "pyproject.toml",
    ]
    # In `typings` the flat repository has the shape of the installed package.
    done = subprocess.run(command, cwd=ROOT / "typings", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout
