"""A source: a place that holds runs of games, in whatever form."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import SourceError
from ..format.games import Game
from .run import Run


class Source(ABC):
    """Runs of games that can be read, whatever their form.

    Constructors raise SourceError where a place holds nothing of their form.
    """

    url: str
    """With `storage_options`, what `open_source` was given: enough to open it again elsewhere."""
    storage_options: Mapping[str, Any]

    @abstractmethod
    def describe(self) -> str:
        """Returns where it is, for messages: without credentials."""

    @abstractmethod
    def games(self) -> list[Game]:
        """Returns the games that it holds, in alphabetical order."""

    @abstractmethod
    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game that it holds.

        Raises:
            SourceError: it does not hold the game.
        """

    @abstractmethod
    def open_run(self, game: Game, run: int) -> Run:
        """Open one run.

        Raises:
            SourceError: it does not hold the game, or the run holds no data.
            UnknownNameError: it does not hold the run.
        """

    @abstractmethod
    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a text that changes when a file of these runs is added, removed or replaced by another."""

    def no_such_game(self, game: Game) -> SourceError:
        """Returns what to raise for a game that the source does not hold; the message lists what it has."""
        games = ", ".join(other.name for other in self.games())
        return SourceError(f"{self.describe()}: holds no {game}; it has {games}")
