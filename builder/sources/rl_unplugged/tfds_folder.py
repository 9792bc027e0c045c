"""Reads RL Unplugged's Atari episodes as TensorFlow Datasets prepares them.

`<root>/rlu_atari_checkpoints_ordered/<Game>_run_<r>/<version>` holds a split for each checkpoint, in files
such as `rlu_atari_checkpoints_ordered-checkpoint_07.tfrecord-00000-of-00016`, in order of play and not
compressed. `dataset_info.json` gives the number of records in each file; without it a file cut short between
two records would pass for a whole one.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from ...errors import SourceError, UnknownNameError
from ...format.games import GAMES, Game
from ...stores.store import Store
from ..store_source import StoreSource
from .record_order import FilePerCheckpoint
from .recorded_episode import TFDS_1_0, TFDS_1_1
from .recorded_run import RecordedRun
from .source import PROVENANCE, first_record

DATASET = "rlu_atari_checkpoints_ordered"
INFO = "dataset_info.json"
FORMS = {"1.0.0": TFDS_1_0, "1.1.0": TFDS_1_1}

_FILE = re.compile(
    rf"{DATASET}-checkpoint_(?P<checkpoint>[0-9]{{2,4}})\.tfrecord-(?P<shard>[0-9]{{5}})-of-(?P<shards>[0-9]{{5}})"
)
_RUN = re.compile(r"(?P<game>[A-Za-z]+)_run_(?P<run>[1-9][0-9]?)")


class TFDSFolder(StoreSource):
    """A data folder of TensorFlow Datasets, as a source.

    Args:
        store: the data folder, or the dataset's folder in it.

    Raises:
        SourceError: the folder cannot be listed.
    """

    def __init__(self, store: Store) -> None:
        names = store.list("")
        root = store.below(DATASET) if DATASET in names else store
        names = root.list("") if DATASET in names else names
        by_name = {game.name: game for game in GAMES}
        matches = [match for match in map(_RUN.fullmatch, names) if match and match["game"] in by_name]
        self._folders = {(by_name[match["game"]], int(match["run"])): match[0] for match in matches}
        super().__init__(root, {game for game, _ in self._folders})

    def is_here(self) -> bool:
        """Returns whether a folder is named after a game and a run."""
        return bool(self._folders)

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game in the source."""
        runs = sorted(run for other, run in self._folders if other == game)
        if not runs:
            raise self.no_such_game(game)
        return runs

    def open_run(self, game: Game, run: int) -> RecordedRun:
        """Open one run, in the newest version available."""
        folder, version = self._version(game, run)
        form = FORMS[version]
        found = self._files(folder)
        lengths = self._lengths(folder)
        files = {
            checkpoint: [
                (f"{folder}/{name}", lengths.get(f"checkpoint_{checkpoint:02d}", {}).get(shard))
                for shard, name in enumerate(names)
            ]
            for checkpoint, names in found.items()
        }
        _, bytes_per_row = first_record(self._store, files[min(files)][0][0], form)
        order = FilePerCheckpoint(self._store, form, files, bytes_per_row)
        sizes = {path: self._store.size(path) for path in order.paths()}
        there = set(self._store.list(folder))
        missing = [path.rpartition("/")[2] for path in sizes if path.rpartition("/")[2] not in there]
        return RecordedRun(
            game,
            run,
            self._store.describe(folder),
            form=form,
            order=order,
            sizes=sizes,
            provenance=PROVENANCE,
            remarks=[f"{name} is missing" for name in missing],
        )

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the names, sizes, and times or checksums of the runs' files."""
        return self._store.fingerprint([self._version(game, run)[0] for run in runs])

    def _version(self, game: Game, run: int) -> tuple[str, str]:
        """Returns a run's folder and its version."""
        if run not in self.runs(game):
            runs = ", ".join(map(str, self.runs(game)))
            raise UnknownNameError(f"{self.describe()}: no run {run} of {game}; it has {runs}")
        folder = self._folders[game, run]
        found = self._store.list(folder)
        known = [version for version in FORMS if version in found]
        if not known:
            raise SourceError(
                f"{self._store.describe(folder)}: holds {', '.join(found) or 'nothing'}, expected one of the "
                f"versions {', '.join(FORMS)}"
            )
        return f"{folder}/{known[-1]}", known[-1]

    def _files(self, folder: str) -> dict[int, list[str]]:
        """Returns the names of each checkpoint's files, missing ones included."""
        found: dict[int, list[str]] = {}
        for name in self._store.list(folder):
            match = _FILE.fullmatch(name)
            if match:
                stem, _, shards = name.rpartition("-of-")
                names = [f"{stem[:-5]}{shard:05d}-of-{shards}" for shard in range(int(shards))]
                if found.setdefault(int(match["checkpoint"]), names) != names or name not in names:
                    where = self._store.describe(f"{folder}/{name}")
                    raise SourceError(f"{where}: does not belong to the files beside it")
        if not found:
            expected = f"{DATASET}-checkpoint_00.tfrecord-00000-of-00016"
            raise SourceError(f"{self._store.describe(folder)}: holds no files such as {expected}")
        return found

    def _lengths(self, folder: str) -> dict[str, dict[int, int]]:
        """Returns the number of records in each file of each split."""
        path = f"{folder}/{INFO}"
        try:
            with self._store.open(path) as file:
                record: Any = json.loads(file.read(1 << 24))
            return {
                str(split["name"]): {shard: int(length) for shard, length in enumerate(split["shardLengths"])}
                for split in record["splits"]
            }
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise SourceError(
                f"{self._store.describe(path)}: does not say how many records there are ({error!r}); copy it"
            ) from None
