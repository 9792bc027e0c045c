"""Reads a dataset repo that this project built or published: `data/<game>/run_<n>/checkpoint_<nn>/…`."""

import contextlib
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256

from ...errors import AtariReplayError, OutputError, SourceError, UnknownNameError, UnreachableError
from ...files import MOST_SMALL_BYTES
from ...format.checkpoint_id import CheckpointId
from ...format.games import ALL_GAMES, Game
from ...format.layout import split_name
from ...format.manifest import Manifest, check_one_log
from ...format.numbers import describe_numbers
from ...network.at_once import at_once
from ...stores.store import Store
from ..game_names import first_folder_holds
from ..not_taken import describe_left
from ..store_source import StoreSource
from .run import RepoRun

READERS = 8
"""Manifests that are read at once."""

_DATA = "data"
_RUN = re.compile(r"run_([0-9]{1,4})")
_CHECKPOINT = re.compile(r"checkpoint_([0-9]{2,4})")


class DatasetRepo(StoreSource):
    """A dataset repo in a folder, on the Hub or in any other store; all of it, or a part.

    Args:
        store: the repo's root.

    Raises:
        SourceError: it holds no dataset, or cannot be listed.
    """

    def __init__(self, store: Store) -> None:
        slugs = store.list(_DATA) if _DATA in store.list("") else []
        self._games = [game for game in ALL_GAMES if game.slug in slugs]
        super().__init__(store, self._games)
        if not self._games:
            raise SourceError(
                f"{store.describe()}: holds no dataset; expected {_DATA}/<game>/run_<n>/checkpoint_<nn>, as "
                f"`build` and `publish` write it"
            )

    def is_here(self) -> bool:
        """Returns whether the first game's folder holds a run's."""
        folders = {game: f"{_DATA}/{game.slug}" for game in self._games}
        return first_folder_holds(self._store, folders, _RUN)

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game in the repo."""
        if game not in self._games:
            raise self.no_such_game(game)
        names = self._store.list(f"{_DATA}/{game.slug}")
        return sorted(int(match[1]) for name in names if (match := _RUN.fullmatch(name)))

    def open_run(self, game: Game, run: int) -> RepoRun:
        """Open one run, after reading its manifests."""
        runs = self.runs(game)
        if run not in runs:
            raise UnknownNameError(
                f"{self.describe()}: no run {run} of {game}; it has {describe_numbers(runs)}"
            )
        where = self._store.describe(f"{_DATA}/{game.slug}/{split_name(run)}")
        manifests = self._manifests(game, run)
        if not manifests:
            raise SourceError(f"{where}: holds no checkpoint; expected folders such as checkpoint_00")
        try:
            check_one_log((each for each in manifests.values() if isinstance(each, Manifest)), where)
        except OutputError as error:
            raise SourceError(str(error)) from None
        return RepoRun(self._store, game, run, where, manifests)

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the manifests of these runs."""
        texts = [
            manifest.to_json() if isinstance(manifest, Manifest) else str(manifest)
            for run in runs
            for manifest in self._manifests(game, run).values()
        ]
        return sha256("".join(texts).encode()).hexdigest()

    def not_taken(self, games: Sequence[Game]) -> list[str]:
        """Returns a line for each folder of which something is not read."""
        slugs = {game.slug for game in self._games}
        left = [(_DATA, name, "") for name in self._store.list(_DATA) if name not in slugs]
        for game in games:
            folder = f"{_DATA}/{game.slug}"
            for name in self._store.list(folder):
                if _RUN.fullmatch(name):
                    inside = self._store.list(f"{folder}/{name}")
                    left += [
                        (f"{folder}/{name}", each, "") for each in inside if not _CHECKPOINT.fullmatch(each)
                    ]
                else:
                    left.append((folder, name, ""))
        return describe_left(self._store, left, "data/<game>/run_<n>/checkpoint_<nn>")

    def _manifests(self, game: Game, run: int) -> dict[int, Manifest | SourceError]:
        names = self._store.list(f"{_DATA}/{game.slug}/{split_name(run)}")
        numbers = sorted(int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name)))
        ids = [CheckpointId(game, run, number) for number in numbers]
        return dict(zip(numbers, at_once(self._manifest, ids, READERS), strict=True))

    def _manifest(self, checkpoint: CheckpointId) -> Manifest | SourceError:
        """Returns a checkpoint's manifest, or why it cannot be read: the others may well be readable."""
        where = self._store.describe(checkpoint.manifest)
        try:
            path, content = self._read_manifest(checkpoint)
            where = self._store.describe(path)
            if len(content) > MOST_SMALL_BYTES:
                return SourceError(f"{where}: more than {MOST_SMALL_BYTES:,} bytes, expected a manifest")
            manifest = Manifest.from_json(content, where)
            if path != manifest.path or not manifest.is_of(checkpoint):
                return SourceError(
                    f"{where}: names files that are not {checkpoint}'s; remove it and publish it again"
                )
            return manifest
        except UnreachableError:
            raise
        except FileNotFoundError:
            return SourceError(
                f"{where}: no such file; copy the folder manifests as well, or finish the build"
            )
        except OSError as error:
            return SourceError(f"{where}: cannot be read ({error.strerror or error}); copy it again")
        except AtariReplayError as error:
            return error if isinstance(error, SourceError) else SourceError(str(error))

    def _read_manifest(self, checkpoint: CheckpointId) -> tuple[str, bytes]:
        """Returns where the manifest lies, and its content."""
        for path in checkpoint.manifests:
            with contextlib.suppress(FileNotFoundError), self._store.open(path) as file:
                return path, file.read(MOST_SMALL_BYTES + 1)
        raise FileNotFoundError(checkpoint.manifest)
