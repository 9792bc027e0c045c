"""What is installed: the explorer's page and code, and nothing of what builds the page."""

import subprocess
import sys
import zipfile
from pathlib import Path

from atari_dqn_replay.explorer.page_files import page_files

ROOT = Path(__file__).parents[2]


def test_a_wheel_holds_the_built_page_and_neither_its_sources_nor_their_packages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    explorer = {Path(name).relative_to("atari_dqn_replay/explorer") for name in names if "/explorer/" in name}
    assert {Path("page", name) for name in page_files()} <= explorer
    assert Path("server.py") in explorer
    assert {path.parts[0] for path in explorer if len(path.parts) > 1} == {"page"}
