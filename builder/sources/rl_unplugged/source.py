"""Reads RL Unplugged's Atari episodes: `<root>/<Game>/run_<r>-<shard>-of-<shards>`, as TFRecords.

`atari_episodes_ordered` has one shard per checkpoint, numbered from 0 like the bucket's files; there are 50,
or 49 for Carnival, Gravitar and StarGunner. `atari_episodes_v2` has 100 shards in no order. A run's first and
last shards show which of the two it is: ordered shards each begin with their own checkpoint.
"""

import re
from collections.abc import Iterable

from isal import isal_zlib

from ...errors import SourceError, UnknownNameError
from ...format.games import GAMES, Game
from ...format.numbers import describe_numbers
from ...format.provenance import RL_UNPLUGGED as ORIGIN
from ...format.provenance import Provenance
from ...stores.store import Store
from ..game_names import first_folder_holds
from ..store_source import StoreSource
from .record_order import FilePerCheckpoint, RecordOrder, StrewnRecords
from .recorded_episode import RL_UNPLUGGED, RecordForm
from .recorded_run import RecordedRun
from .tf_example import Example
from .tfrecord import RecordFile

FOLDERS = ("atari_episodes_ordered", "atari_episodes_v2", "atari")
"""The bucket's folders, in order of preference."""

PROVENANCE = Provenance(
    ORIGIN,
    {
        "unclipped_reward": "what the files call unclipped rewards; TensorFlow Datasets' source notes that "
        "in the published files these are clipped as well"
    },
)

_SHARD = re.compile(r"run_(?P<run>[1-9][0-9]?)-(?P<shard>[0-9]{5})-of-(?P<shards>[0-9]{5})")
_strewn: dict[tuple[str, ...], StrewnRecords] = {}
"""Indexes by shards and fingerprint: a run is opened several times, and indexing reads all of it."""


class RLUnplugged(StoreSource):
    """A source of RL Unplugged's Atari episodes, or a copy of them.

    Args:
        store: the folder that holds the games' folders, or its parent.
    """

    def __init__(self, store: Store) -> None:
        names = store.list("")
        below = next((name for name in FOLDERS if name in names), None)
        root = store if below is None else store.below(below)
        names = names if below is None else root.list("")
        self._games = {game: name for game in GAMES for name in names if name in (game.name, game.slug)}
        super().__init__(root, self._games)

    def is_here(self) -> bool:
        """Returns whether the first game's folder holds a shard."""
        return first_folder_holds(self._store, self._games, _SHARD)

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game in the source."""
        return sorted(self._shards(game))

    def open_run(self, game: Game, run: int) -> RecordedRun:
        """Open one run; if its shards are in no order, read all of them to locate the episodes."""
        found = self._shards(game)
        if run not in found:
            runs = ", ".join(map(str, sorted(found))) or "none"
            raise UnknownNameError(f"{self.describe()}: no run {run} of {game}; it has {runs}")
        shards, declared = found[run]
        missing = describe_numbers(sorted({*range(declared)} - {*shards}))
        order = self._order(game, shards, missing)
        where = self._store.describe(f"{self._games[game]}/run_{run}")
        remarks = [] if missing == "none" else [f"shards missing of {declared}: {missing}"]
        return RecordedRun(
            game,
            run,
            where,
            form=RL_UNPLUGGED,
            order=order,
            sizes={path: self._store.size(path) for path in order.paths()},
            provenance=PROVENANCE,
            remarks=remarks,
        )

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the names, sizes, and times or checksums of the game's files."""
        return self._store.fingerprint([self._game_folder(game)])

    def _order(self, game: Game, shards: dict[int, str], missing: str) -> RecordOrder:
        first, bytes_per_row = first_record(self._store, shards[min(shards)], RL_UNPLUGGED)
        last, _ = first_record(self._store, shards[max(shards)], RL_UNPLUGGED)
        if all(
            example is None or RL_UNPLUGGED.key(example).checkpoint == shard
            for shard, example in ((min(shards), first), (max(shards), last))
        ):
            files = {shard: [(path, None)] for shard, path in shards.items()}
            return FilePerCheckpoint(self._store, RL_UNPLUGGED, files, bytes_per_row)
        if missing != "none":
            raise SourceError(
                f"{self._store.describe(shards[min(shards)])}: its episodes are not in order, and without "
                f"the missing shards ({missing}) every checkpoint would lack some; copy these as well"
            )
        paths = [path for _, path in sorted(shards.items())]
        stamp = self._store.fingerprint([self._game_folder(game)])
        key = (self._store.describe(), stamp, *paths)
        if key not in _strewn:
            _strewn[key] = StrewnRecords(self._store, RL_UNPLUGGED, paths)
        return _strewn[key]

    def _shards(self, game: Game) -> dict[int, tuple[dict[int, str], int]]:
        """Returns each run's shard paths by number, and the number of shards that it should have."""
        folder = self._game_folder(game)
        found: dict[int, tuple[dict[int, str], int]] = {}
        for name in self._store.list(folder):
            match = _SHARD.fullmatch(name)
            if match:
                run, shard, declared = int(match["run"]), int(match["shard"]), int(match["shards"])
                shards, of = found.setdefault(run, ({}, declared))
                if of != declared or shard >= declared:
                    where = self._store.describe(f"{folder}/{name}")
                    raise SourceError(f"{where}: does not belong to the {of} shards beside it")
                shards[shard] = f"{folder}/{name}"
        return found

    def _game_folder(self, game: Game) -> str:
        if game not in self._games:
            raise self.no_such_game(game)
        return self._games[game]


def first_record(store: Store, path: str, form: RecordForm) -> tuple[Example | None, float]:
    """Returns a file's first record, or None, and the approximate number of file bytes per observation.

    Raises:
        SourceError: the file is missing, damaged or has a different form.
    """
    file = RecordFile(store, path, gzipped=form.gzipped)
    try:
        data = next(iter(file), None)
    finally:
        file.close()
    if data is None:
        return None, 1.0
    example = Example(data, f"{file.where}, record 0")
    form.key(example)  # raises an error that describes the file, if its form differs
    size = len(isal_zlib.compress(data, 1)) if form.gzipped else len(data)
    return example, size / max(1, form.entries(example))
