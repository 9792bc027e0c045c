"""Where datasets are, as users name it: a folder or a repo, for all games or for each."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import OutputError
from ..format.games import ALL_GAMES, Game
from .destination import Destination
from .folder_destination import FolderDestination
from .folder_reader import FolderReader
from .hub_destination import MAIN, HubDestination
from .hub_reader import HubReader
from .repo_reader import NoDatasetError, RepoReader

GAME = "{game}"
"""Stands for the game's own name in a place."""


@dataclass(frozen=True)
class Place:
    """Where a dataset is or goes, as its user names it."""

    folder: str | None = None
    repo_id: str | None = None
    """`user/name`; either this or the folder is set, and either may contain `{game}`."""
    revision: str = MAIN
    private: bool = False

    def __str__(self) -> str:
        return self.folder or self.repo_id or ""

    @property
    def for_each_game(self) -> bool:
        """Whether each game has a place of its own."""
        return GAME in str(self)

    def absolute(self) -> "Place":
        """Returns the same place for a process that works in another folder."""
        return self if self.folder is None else replace(self, folder=str(Path(self.folder).absolute()))

    def of(self, game: Game) -> "Place":
        """Returns the place of one game."""
        name = str(self).replace(GAME, game.slug)
        return replace(self, repo_id=name) if self.folder is None else replace(self, folder=name)

    def destinations(self, games: Iterable[Game]) -> dict[Game, Destination]:
        """Returns where each of the games goes."""
        if self.for_each_game:
            return {game: self.destination(game) for game in games}
        games = list(games)
        return dict.fromkeys(games, self.destination(games[0])) if games else {}

    def destination(self, game: Game) -> Destination:
        """Returns where a game goes."""
        return self.of(game).single()

    def single(self) -> Destination:
        """Returns the one destination of all games.

        Raises:
            OutputError: each game has its own.
        """
        if self.for_each_game:
            raise OutputError(f"{self}: {GAME} stands for games only with --source; name a single place")
        if self.folder is not None:
            return FolderDestination(Path(self.folder))
        return HubDestination(str(self), revision=self.revision, private=self.private)

    def reader(self) -> RepoReader:
        """Returns a reader of the one place."""
        if self.folder is not None:
            return FolderReader(Path(self.folder))
        return HubReader(str(self), self.revision)

    def find_games(self) -> list[Game]:
        """Returns the games, of all that there are, whose own places exist.

        Raises:
            OutputError: there is none, or the Hub does not answer.
        """
        found, missing = [], []
        for game in ALL_GAMES:
            # One after another: sixty small requests, and the first failure is reported.
            try:
                self.of(game).reader().require_answer()
                found.append(game)
            except NoDatasetError as error:
                missing.append(error)
        if not found:
            raise OutputError(f"{self}: there is no such place for any game ({missing[0]})")
        return found

    def default_work(self) -> str:
        """Returns the default work folder: in the folder that is published to, or else in the cache."""
        if self.folder is not None and not self.for_each_game:
            return str(Path(self.folder) / ".work.incomplete")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return self.work_below(str(cache / "atari-dqn-replay"))

    def work_below(self, folder: str) -> str:
        """Returns a work folder for this publication alone, below a folder that may hold anything."""
        name = f"{os.environ.get('HF_ENDPOINT', '')} {self} {self.revision}"
        return f"{folder.rstrip('/')}/.atari-work-{hashlib.sha256(name.encode()).hexdigest()[:16]}.incomplete"
