"""Finds the folders that are named after games, in a root or as the root itself."""

import re
from collections.abc import Callable, Iterable, Mapping

from ..format.games import Game, match_game
from ..stores.store import Store


def game_folders(store: Store, is_inside: Callable[[Iterable[str]], bool]) -> tuple[Store, dict[Game, str]]:
    """Returns the games' folders in a root, and the store that they are relative to.

    Args:
        store: the root.
        is_inside: whether names are of what a game's folder holds. Then the root is itself one, if it is
            named after a game, and the store is that of the folder above it.

    Raises:
        SourceError: the root cannot be listed.
    """
    names = store.list("")
    container, own_name = store.parent()
    game = match_game(own_name)
    if game is not None and is_inside(names):
        return container, {game: own_name}
    found: dict[Game, str] = {}
    for name in names:
        if (game := match_game(name)) is not None:
            found.setdefault(game, name)
    return store, found


def first_folder_holds(store: Store, folders: Mapping[Game, str], name: re.Pattern[str]) -> bool:
    """Returns whether the first of the games' folders holds a name of this pattern.

    Raises:
        SourceError: it cannot be listed.
    """
    return any(name.fullmatch(each) for folder in [*folders.values()][:1] for each in store.list(folder))
