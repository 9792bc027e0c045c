"""Finds the games' folders below a source's root, wherever they lie and however they are spelled."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ...errors import SourceError, UnreachableError
from ...format.games import Game, match_game
from ...stores.archive import ARCHIVE
from ...stores.store import Store
from ..not_taken import describe_left
from .game_folder import GameFolder
from .layouts import BUCKET, LOGS_FOLDER, RUN_FOLDER, Layout
from .log_files import inside

_DEEPEST = 4
"""Levels of folders that are searched for games."""
_MOST_FOLDERS = 100
"""Folders that are listed in search of games."""
_FILE = re.compile(r"^\.|\.[A-Za-z][A-Za-z0-9]{0,4}$")
"""Names that are hidden, or a file's: these are not listed in search of games."""
_USUAL = "dqn"
"""The folder of the games in the bucket."""


@dataclass(frozen=True)
class GameFolders:
    """What a source's root holds."""

    store: Store
    """The folder that paths are relative to."""
    games: Mapping[Game, GameFolder]
    nameless: GameFolder | None = None
    """A folder with the files of one game that nothing names."""
    not_taken: Sequence[str] = ()
    """A line for each folder of which something was not taken."""


def find_game_folders(store: Store, layouts: Sequence[Layout]) -> GameFolders:
    """Returns the games' folders at or below a root.

    Args:
        store: the root.
        layouts: the layouts to look for.

    Raises:
        SourceError: there are none, or the root cannot be listed.
    """
    names = store.list("")
    if _USUAL in names and any(map(_game_of, _list(store, _USUAL))):
        names = [_USUAL]  # the root may hold other things beside the bucket's folder
    here = _of_level(store, [("", names)], layouts)
    if here is not None:
        return here
    inner = _inner_folder(store, layouts)
    if inner is not None:
        return inner
    level = [("", names)]
    for _ in range(_DEEPEST):
        level = list(_next_level(store, level))
        found = _of_level(store, level, layouts)
        if found is not None:
            return found
    shown = describe_left(store, [("", name, "") for name in store.list("")], _expected(layouts))
    raise SourceError(f"{''.join(shown) or f'{store.describe()}: is empty; expected {_expected(layouts)}'}")


def _expected(layouts: Sequence[Layout]) -> str:
    example = layouts[0].example if layouts[0] is not BUCKET else f"<run>/{LOGS_FOLDER}"
    return (
        f"<Game>/{example}, such as Pong/1/{LOGS_FOLDER}, at any depth, or the files of one game; "
        f"docs/sources.md lists all layouts"
    )


def _of_level(
    store: Store, level: Sequence[tuple[str, Sequence[str]]], layouts: Sequence[Layout]
) -> GameFolders | None:
    """Returns the games in these folders, each given by its path and its entries; None if there are none."""
    found: dict[Game, list[tuple[str, str]]] = {}
    left: list[tuple[str, str, str]] = []
    for folder, names in level:
        for name in names:
            game = _game_of(name)
            if game is None:
                left.append((folder, name, ""))
            else:
                found.setdefault(game, []).append((folder, name))
    if not found:
        return None
    parents = {folder for places in found.values() for folder, _ in places}
    root = parents.pop() if len(parents) == 1 else ""
    base = store.below(root) if root else store
    games = {}
    for game, places in found.items():
        places.sort(key=lambda place, game=game: (place[1] != game.name, place[1] != game.slug, place))
        games[game] = GameFolder(base, inside(*places[0]).removeprefix(root).lstrip("/"), layouts=layouts)
        left += [
            (
                folder,
                name,
                f"{store.describe(inside(folder, name))}: found another folder of {game}; "
                f"taken is {store.describe(inside(*places[0]))}",
            )
            for folder, name in places[1:]
        ]
    return GameFolders(base, games, not_taken=describe_left(store, left, "folders named after games"))


def _inner_folder(store: Store, layouts: Sequence[Layout]) -> GameFolders | None:
    """Returns the root as a game's folder, a run's, or the one with the files; None if it is none."""
    game, above = _place_of(store.describe())
    folder = GameFolder(store, "", above, layouts)
    try:
        if not any(folder.files(run).checkpoints for run in folder.runs()):
            return None
    except UnreachableError:
        raise
    except SourceError:
        return None
    return GameFolders(store, {}, folder) if game is None else GameFolders(store, {game: folder})


def _place_of(root: str) -> tuple[Game | None, str]:
    """Returns the game and what lies between its folder and the root, as far as its path tells."""
    parts = [_without_ending(part) for part in root.rstrip("/").split("/")]
    for depth in (1, 2, 3):
        game = _game_of(parts[-depth]) if depth <= len(parts) else None
        if game is not None:
            return game, "/".join(parts[len(parts) - depth + 1 :])
    inner = parts[-2:] if parts[-1] == LOGS_FOLDER else parts[-1:]
    return None, "/".join(inner) if RUN_FOLDER.fullmatch(inner[0]) else ""


def _game_of(name: str) -> Game | None:
    return match_game(unquote(name))


def _without_ending(name: str) -> str:
    archive = ARCHIVE.fullmatch(name)
    return archive["stem"] if archive else name


def _next_level(
    store: Store, level: Sequence[tuple[str, Sequence[str]]]
) -> Iterator[tuple[str, Sequence[str]]]:
    paths = [inside(folder, name) for folder, names in level for name in names if not _FILE.search(name)]
    for path in sorted(paths, key=lambda path: path != _USUAL)[:_MOST_FOLDERS]:
        names = _list(store, path)
        if names:
            yield path, names


def _list(store: Store, folder: str) -> Sequence[str]:
    """Returns the names in a folder; none if it is a file, or cannot be listed."""
    try:
        return store.list(folder)
    except UnreachableError:
        raise
    except SourceError:
        return []
