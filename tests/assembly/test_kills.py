"""A publication that is killed at a random instant goes on, and readers never see a broken dataset.

A few kills of the many that `python tests/support/kills.py` can do.
"""

import subprocess
import sys

import pytest
from paths import SUPPORT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("to", ["folder", "hub"])
def test_killed_at_random_instants(to: str) -> None:
    command = [sys.executable, str(SUPPORT / "kills.py"), "--to", to, "--kills", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kills, every one mended" in done.stdout
