"""A source whose games lie in one store."""

from collections.abc import Iterable

from ..format.games import Game
from ..stores.store import Store
from .source import Source


class StoreSource(Source):
    """A source that names itself as its store does, and knows its games from the start.

    Args:
        store: the store.
        games: the games in it.
    """

    def __init__(self, store: Store, games: Iterable[Game]) -> None:
        self._store = store
        self._sorted_games = sorted(games, key=lambda game: game.name)

    def describe(self) -> str:
        """Returns the full name of the source's root."""
        return self._store.describe()

    def games(self) -> list[Game]:
        """Returns the games in the source, in alphabetical order."""
        return list(self._sorted_games)
