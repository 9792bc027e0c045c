"""Opens the source at a URL, whatever its form."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import CannotListError, SourceError, UnknownNameError
from ..format.games import Game, find_game
from ..stores.archive import ARCHIVE, UNREADABLE, ArchiveStore, split_chain
from ..stores.google import GoogleStore
from ..stores.s3 import S3Store
from ..stores.store import Store
from .dataset_repo.source import DatasetRepo
from .episode_files.episodes_pt import EpisodesPt
from .episode_files.jowa import JOWAEpisodes, is_episodes_file
from .episode_files.lram import LRAMEpisodes
from .episode_files.played import PlayedEpisodes
from .renumbered import RenumberedSource, parse_run_numbers
from .replay_logs.layouts import LAYOUTS
from .replay_logs.mirror import Mirror
from .replay_logs.padding import MOST_PADDING
from .replay_logs.torchrl_cache import TorchRLCache
from .replay_logs.unlisted_mirror import UnlistedMirror
from .rl_unplugged.source import RLUnplugged
from .rl_unplugged.tfds_folder import TFDSFolder
from .source import Source


def open_store(url: str, storage_options: Mapping[str, Any] | None = None) -> Store:
    """Returns the store for the folder or archive at a path or URL; see `open_source`."""
    chain = split_chain(url)
    if chain is not None:
        folder, archive = chain
        store = _open_archive(_open_plain(archive, storage_options))
        return store.below(folder) if folder else store
    store = _open_plain(url, storage_options)
    name = store.root.rpartition("/")[2]
    if UNREADABLE.fullmatch(name):
        raise SourceError(
            f"{store.describe()}: an archive in which files can't be reached one by one; unpack it, or pack "
            f"it as .tar, .tar.gz or .zip"
        )
    is_folder = store.is_local and store.fs.isdir(store.root)
    return _open_archive(store) if ARCHIVE.fullmatch(name) and not is_folder else store


def _open_plain(url: str, storage_options: Mapping[str, Any] | None) -> Store:
    return _store_class(url.partition("://")[0].lower())(url, storage_options)


def _store_class(scheme: str) -> type[Store]:
    match scheme:
        case "gs" | "gcs":
            return GoogleStore
        case "s3" | "s3a":
            return S3Store
        case "http" | "https":
            # aiohttp takes a third of a second to import, which copies on disk can do without.
            from ..stores.http import HttpStore

            return HttpStore
    return Store


def _open_archive(store: Store) -> Store:
    container, name = store.parent()
    if not ARCHIVE.fullmatch(name):
        raise SourceError(f"{store.describe()}: no archive that can be read; expected .tar, .tar.gz or .zip")
    return ArchiveStore(container, name)


@dataclass(frozen=True)
class Form:
    """A form in which people have the data."""

    name: str
    """The name for `--layout`."""
    open: Callable[..., Source]
    """Opens it; raises SourceError if there is nothing in this form after all."""
    is_log: bool = False
    """Whether it holds dumps with padding, so that `open` also takes the stack_size."""

    def recognises(self, store: Store) -> bool:
        """Returns whether a store's root holds data in this form, judging by names alone."""
        try:
            return self.open(store).is_here()
        except SourceError:
            return False


FORMS = (
    Form("dataset", DatasetRepo),
    Form("rl-unplugged", RLUnplugged),
    Form("tfds", TFDSFolder),
    Form("torchrl", TorchRLCache, is_log=True),
    Form("lram", LRAMEpisodes),
    Form("jowa", JOWAEpisodes),
    Form("played", PlayedEpisodes),
    Form("episodes-pt", EpisodesPt),
)
"""Forms other than replay logs, whose layouts are in `replay_logs/layouts.py`."""


def layout_names() -> list[str]:
    """Returns the names for `--layout`."""
    return [*(layout.name for layout in LAYOUTS), *(form.name for form in FORMS)]


def open_source(url: str, storage_options: Mapping[str, Any] | None = None) -> Source:
    """Open the source at a path or URL.

    Args:
        url: a folder, an archive (`.tar`, `.tar.gz`, `.zip`), or a URL of either: `gs://…`, `s3://…`,
            `http(s)://…`, `hf://datasets/…`, `hf://buckets/…`, or any other URL that fsspec supports.
        storage_options: passed to the file system (credentials, endpoints), except `patience`: the seconds
            without an answer after which a store is given up; `layout`: the name of the only layout to look
            for, see `layout_names`; `renumber_runs`: other numbers for runs, see `parse_run_numbers`; and
            `stack_size`: that of the agent that wrote replay logs, from which the padding before each episode
            follows, if it should not be found out.

    Raises:
        SourceError: there is nothing readable at the URL.
        UnknownNameError: there is no such layout.
    """
    options = dict(storage_options or {})
    layout = options.pop("layout", None)
    if layout is not None and layout not in layout_names():
        raise UnknownNameError(f"unknown layout {layout!r}: expected one of {', '.join(layout_names())}")
    stack_size = _stack_size(options.pop("stack_size", None))
    renumbered = options.pop("renumber_runs", None)
    numbers = None if renumbered is None else parse_run_numbers(str(renumbered))
    source = _open_form(open_store(url, options), layout, stack_size)
    source = source if numbers is None else RenumberedSource(source, numbers)
    source.url, source.storage_options = url, dict(storage_options or {})
    return source


def _stack_size(given: Any) -> int | None:
    if given is None or (isinstance(given, int) and 1 <= given <= MOST_PADDING):
        return given
    raise SourceError(f"stack_size={given!r}: give a number from 1 to {MOST_PADDING}, 4 in the original")


def _open_form(store: Store, layout: str | None, stack_size: int | None) -> Source:
    container, name = store.parent()
    if layout in (None, "jowa") and is_episodes_file(name):
        _refuse_stack_size(stack_size, store)
        return JOWAEpisodes(container, name)
    try:
        places = [store, *_only_folder(store)]
        for form in FORMS:
            if layout in (None, form.name):
                for place in places:
                    if form.recognises(place):
                        return _open_as(form, place, stack_size)
                if layout is not None:
                    return _open_as(form, store, stack_size)
        return Mirror(store, [each for each in LAYOUTS if layout in (None, each.name)], stack_size)
    except CannotListError:
        return UnlistedMirror(store, stack_size)


def _open_as(form: Form, store: Store, stack_size: int | None) -> Source:
    if form.is_log:
        return form.open(store, stack_size)
    _refuse_stack_size(stack_size, store)
    return form.open(store)


def _refuse_stack_size(stack_size: int | None, store: Store) -> None:
    if stack_size is not None:
        raise SourceError(
            f"{store.describe()}: holds whole episodes, not replay logs with padding, to which stack_size "
            f"belongs; leave it out"
        )


def _only_folder(store: Store) -> Iterator[Store]:
    """Yields the only entry of a folder, as archives have: the folder that was packed."""
    names = store.list("")
    if len(names) == 1:
        below = store.below(names[0])
        with contextlib.suppress(SourceError):
            below.list("")
            yield below


def named_games(source: Source, names: Sequence[str]) -> list[Game]:
    """Returns the games that a user named, each once, or every game in the source for `all`.

    Raises:
        UnknownNameError: a name matches no game.
        SourceError: the source is of one game, which only the user knows.
    """
    games = source.games() if list(names) == ["all"] else list(dict.fromkeys(map(find_game, names)))
    if len(games) > 1 and source.is_nameless:
        raise SourceError(
            f"{source.describe()}: holds the files of one game, whose name is not in their path; name that "
            f"one instead of {', '.join(map(str, games))}"
        )
    return games
