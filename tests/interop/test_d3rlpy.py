"""d3rlpy pins gymnasium 1.0.0, so its cases run in an environment of their own."""

import os
import subprocess
from pathlib import Path

import pytest
from environments import python_with
from paths import SUPPORT
from played_games import PlayedGame

CASES = Path(__file__).parent / "d3rlpy_cases.py"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_d3rlpy_trains_on_the_dataset(dataset: Path, pong: PlayedGame, tmp_path: Path) -> None:
    python = python_with("d3rlpy==2.8.1", "torch==2.13.0")
    environment = {
        **os.environ,
        "ATARI_DQN_REPLAY_DATASET": str(dataset),
        "GAMES": str(dataset.parent),
        "HF_ASSETS_CACHE": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(SUPPORT),
    }
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-o",
        "addopts=",
        CASES,
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1100, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
