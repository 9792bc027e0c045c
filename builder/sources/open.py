"""Opens the source at a URL, whatever its form."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..format.games import Game, find_game
from ..stores.google import GoogleStore
from ..stores.http import CannotListError, HttpStore
from ..stores.s3 import S3Store
from ..stores.store import Store
from .dataset_repo.source import DatasetRepo
from .replay_logs.mirror import Mirror
from .replay_logs.unlisted_mirror import UnlistedMirror
from .rl_unplugged.source import RLUnplugged
from .rl_unplugged.tfds_folder import TFDSFolder
from .source import Source

STORES: dict[str, type[Store]] = {
    "gs": GoogleStore,
    "gcs": GoogleStore,
    "s3": S3Store,
    "s3a": S3Store,
    "http": HttpStore,
    "https": HttpStore,
}
"""The store class for each URL scheme that needs one of its own."""


def open_store(url: str, storage_options: Mapping[str, Any] | None = None) -> Store:
    """Returns the store for the folder at a path or URL; see `open_source`."""
    return STORES.get(url.partition("://")[0].lower(), Store)(url, storage_options)


def open_source(url: str, storage_options: Mapping[str, Any] | None = None) -> Source:
    """Open the source at a path or URL.

    Args:
        url: a folder, or a URL: `gs://…`, `s3://…`, `http(s)://…`, `hf://datasets/…`, `hf://buckets/…`, or
            any other URL that fsspec supports.
        storage_options: passed to the file system (credentials, endpoints), except `patience`: the seconds
            without an answer after which a store is given up.

    Raises:
        SourceError: there is nothing readable at the URL.
    """
    source = _recognise(open_store(url, storage_options))
    source.url, source.storage_options = url, dict(storage_options or {})
    return source


def _recognise(store: Store) -> Source:
    try:
        store.list("")
        if DatasetRepo.recognises(store):
            return DatasetRepo(store)
        if RLUnplugged.recognises(store):
            return RLUnplugged(store)
        if TFDSFolder.recognises(store):
            return TFDSFolder(store)
        return Mirror(store)
    except CannotListError:
        return UnlistedMirror(store)


def named_games(source: Source, names: Sequence[str]) -> list[Game]:
    """Returns the games that a user named, each once, or every game in the source for `all`.

    Raises:
        UnknownNameError: a name matches no game.
    """
    return source.games() if list(names) == ["all"] else list(dict.fromkeys(map(find_game, names)))
