"""From a URL to the source that it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from .games import Game, find_game
from .mirror import Mirror
from .rl_unplugged import RLUnplugged
from .source import Source
from .store import Store
from .tfds_folder import TFDSFolder


def open_source(url: str, storage_options: Mapping[str, Any] | None = None) -> Source:
    """The source at a path or URL.

    Args:
        url: a folder, or a URL that fsspec knows (`gs://…`, `s3://…`, `hf://…`, `memory://…`).
        storage_options: passed to the file system.

    Raises:
        SourceError: there is nothing that can be read.
    """
    store = Store(url, storage_options)
    if RLUnplugged.recognises(store):
        return RLUnplugged(store)
    if TFDSFolder.recognises(store):
        return TFDSFolder(store)
    return Mirror(store)


def named_games(source: Source, names: Sequence[str]) -> list[Game]:
    """The games that a user named, each once, or for `all` those that the source holds.

    Raises:
        UnknownNameError: there is no such game.
    """
    return source.games() if list(names) == ["all"] else list(dict.fromkeys(map(find_game, names)))
