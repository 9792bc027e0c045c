"""What the tests of the faces share: games that were played here, and the dataset built of them."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from made_once import made_once
from played_games import PlayedGame, play_games, played_games

# torchvision's wheels have operators for CUDA that torch's wheels for the CPU lack; resizing needs none.
sys.modules.setdefault("torchvision._meta_registrations", ModuleType("torchvision._meta_registrations"))

GAMES = {"pong": 4, "asterix": 1}


@pytest.fixture(scope="session")
def games(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, PlayedGame]]:
    """Three checkpoints and a partial one of Pong's run 4 and of Asterix's run 1."""
    folder = made_once(tmp_path_factory, "games", lambda folder: play_games(folder, GAMES))
    return folder / "dataset", played_games(folder, GAMES)


@pytest.fixture(scope="session")
def dataset(games: tuple[Path, dict[str, PlayedGame]]) -> Path:
    """The folder of the dataset."""
    return games[0]


@pytest.fixture(scope="session")
def pong(games: tuple[Path, dict[str, PlayedGame]]) -> PlayedGame:
    """What was played of Pong."""
    return games[1]["pong"]


@pytest.fixture(scope="session")
def asterix(games: tuple[Path, dict[str, PlayedGame]]) -> PlayedGame:
    """What was played of Asterix."""
    return games[1]["asterix"]
