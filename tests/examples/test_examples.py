"""Each script in `examples/` does what its first line says, on a dataset of real play."""

import subprocess
import sys
from pathlib import Path

import pytest
from command import run
from paths import ROOT, THREE_LAPS
from PIL import Image


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `build` makes of a real log, with the card that `load_dataset` needs."""
    folder = tmp_path_factory.mktemp("dataset")
    done = run("publish", "breakout", "--source", THREE_LAPS / "dqn", "--to", folder)
    assert done.returncode == 0, done.stderr
    return folder


def example(name: str, *arguments: object) -> str:
    """Run an example as a user runs it, and return what it printed."""
    command = [sys.executable, ROOT / "examples" / f"{name}.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_learning_curve_has_a_line_for_each_checkpoint(dataset: Path) -> None:
    lines = example("learning_curve", dataset, "breakout").splitlines()[1:]
    assert [int(line.split()[0]) for line in lines] == [0, 1, 2, 3]


@pytest.mark.slow
def test_the_best_episode_is_a_picture_that_moves(dataset: Path, tmp_path: Path) -> None:
    printed = example("watch_episode", dataset, "breakout-full", tmp_path / "best.gif")
    steps = int(printed.split(": ")[1].split()[0])
    with Image.open(tmp_path / "best.gif") as picture:
        assert picture.size == (336, 336)
        assert 1 < getattr(picture, "n_frames", 1) <= steps  # equal frames are joined


@pytest.mark.slow
def test_behaviour_cloning_learns(dataset: Path) -> None:
    pytest.importorskip("torch", reason="the example needs the extra `torch`")
    printed = example("behaviour_cloning", dataset, "breakout-full", "--updates", 3)
    assert printed.startswith("update 3: loss ")


@pytest.mark.slow
def test_the_replay_of_an_agent_of_ones_own_is_logged_for_build(tmp_path: Path) -> None:
    options = ("--steps", 260, "--checkpoint-size", 100, "--learn-after", 240)
    printed = example("log_your_agent", "Freeway", tmp_path / "logs", *options)
    assert "build Freeway --source" in printed
    assert len(list(tmp_path.glob("logs/Freeway/1/replay_logs/add_count_ckpt.*.gz"))) == 3
