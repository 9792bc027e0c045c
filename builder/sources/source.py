"""A source: any place that holds runs of games, in whatever form."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import MissingGameError
from ..format.games import Game
from .run import Run


class Source(ABC):
    """A place from which runs of games can be read, whatever their form.

    Constructors raise SourceError if a place holds nothing in their form.
    """

    url: str
    """The URL passed to `open_source`: with `storage_options`, enough to open the source again elsewhere."""
    storage_options: Mapping[str, Any]

    @property
    def is_nameless(self) -> bool:
        """Whether the source has the files of one game, and nothing in their path says which."""
        return False

    def is_here(self) -> bool:
        """Returns whether names are those of the source's form, as far as the constructor left that open.

        Raises:
            SourceError: a folder cannot be listed.
        """
        return True

    @abstractmethod
    def describe(self) -> str:
        """Returns the source's location for messages, without credentials."""

    @abstractmethod
    def games(self) -> list[Game]:
        """Returns the games in the source, in alphabetical order."""

    @abstractmethod
    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game in the source.

        Raises:
            MissingGameError: the source does not hold the game.
            SourceError: the game's folder cannot be read.
        """

    @abstractmethod
    def open_run(self, game: Game, run: int) -> Run:
        """Open one run.

        Raises:
            SourceError: the source does not hold the game, or the run holds no data.
            UnknownNameError: the source does not hold the run.
        """

    @abstractmethod
    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a string that changes when a file of these runs is added, removed or replaced."""

    def not_taken(self, games: Sequence[Game]) -> list[str]:
        """Returns a line for each folder of which something is not read: what was found, and what expected.

        Args:
            games: the games whose folders are looked into.
        """
        return []

    def no_such_game(self, game: Game) -> MissingGameError:
        """Returns the error for a game that the source does not hold; the message lists those it does."""
        games = ", ".join(other.name for other in self.games())
        return MissingGameError(f"{self.describe()}: holds no {game}; it has {games}")
