"""Reads TorchRL's cache of the dataset: `<Game>/<run>/<checkpoint>/data/observation.memmap` and so on.

TorchRL's `AtariDQNExperienceReplay` unpacks the bucket's files into memory-mapped arrays: the same rows in
the same order, plain values without a header or a checksum, and after the last observation one that means
nothing (`torchrl/data/datasets/atari_dqn.py`). So a cache is a replay log in another packing.
"""

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ReplayLogError, SourceError, UnknownNameError
from ...format.frame_format import GREY84, FrameFormat
from ...format.games import Game
from ...format.manifest import FileRecord
from ...format.numbers import describe_numbers
from ...format.protocol import BLACK_FRAMES
from ...format.provenance import Provenance
from ...stores.hashing_reader import HashingReader
from ...stores.store import Store
from ..game_names import game_folders
from ..not_taken import describe_left
from ..store_source import StoreSource
from .array_file import ArrayFile, Files
from .log_files import ARRAYS, LogFiles
from .logged_run import LoggedRun
from .replay_log import ReplayLog
from .unpacking import Stream

_PATHS = {
    "observation": "data/observation.memmap",
    "action": "data/action.memmap",
    "reward": "data/next/reward.memmap",
    "terminal": "data/next/terminated.memmap",
    "add_count": "add_count.memmap",
}
"""Each array's path below the folder of its checkpoint."""
_FILLER_ROWS = {"observation": 1}
"""The rows after the last one that mean nothing."""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,3}")
_OTHER_FILES = ("processed.json", "meta.json")
"""What TorchRL notes beside the checkpoints."""


class TorchRLCache(StoreSource):
    """A source of TorchRL's cached files.

    Args:
        store: the folder that holds the games' folders, `~/.cache/torchrl/atari` by default; or one of these.
        stack_size: the number of frames in the agent's observation; None to find it out.

    Raises:
        SourceError: it holds no game's folder, or cannot be listed.
    """

    def __init__(self, store: Store, stack_size: int | None = None) -> None:
        self._stack_size = stack_size
        root, self._games = game_folders(store, lambda names: any(map(_NUMBER.fullmatch, names)))
        super().__init__(root, self._games)
        self._is_one = self._store is not store
        if not self._games:
            raise SourceError(
                f"{store.describe()}: holds no game's folder; expected files such as "
                f"Pong/1/0/{_PATHS['observation']}"
            )

    def is_here(self) -> bool:
        """Returns whether the first checkpoint holds arrays."""
        for game in self._games.values():
            for run in filter(_NUMBER.fullmatch, self._store.list(game)):
                for checkpoint in filter(_NUMBER.fullmatch, self._store.list(f"{game}/{run}")):
                    names = self._store.list(f"{game}/{run}/{checkpoint}/data")
                    return any(name.endswith(".memmap") for name in names)
        return False

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game in the source."""
        if game not in self._games:
            raise self.no_such_game(game)
        return sorted(map(int, filter(_NUMBER.fullmatch, self._store.list(self._games[game]))))

    def open_run(self, game: Game, run: int) -> LoggedRun:
        """Open one run."""
        runs = self.runs(game)
        if run not in runs:
            raise UnknownNameError(
                f"{self.describe()}: no run {run} of {game}; it has {describe_numbers(runs)}"
            )
        files = self._files(game, run)
        if not files.checkpoints:
            raise SourceError(
                f"{self._store.describe(files.folder)}: holds no checkpoint; expected folders such as "
                f"0/{_PATHS['observation']}"
            )
        log = MemmapLog(self._store, files, self._stack_size, BLACK_FRAMES.get(game.name, 0))
        return LoggedRun(game, run, log, Provenance())

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the names, sizes, and times or checksums of the runs' files."""
        found = [self._files(game, run) for run in runs]
        return self._store.fingerprint_of(
            [path for files in found for paths in files.checkpoints.values() for path in paths.values()]
        )

    def not_taken(self, games: Sequence[Game]) -> list[str]:
        """Returns a line for each folder of which something is not read."""
        taken = {*self._games.values()}
        beside = [] if self._is_one else self._store.list("")
        left = [("", name, "") for name in beside if name not in taken]
        for game in games:
            for folder in (self._games[game], *(f"{self._games[game]}/{run}" for run in self.runs(game))):
                left += [
                    (folder, name, "")
                    for name in self._store.list(folder)
                    if not _NUMBER.fullmatch(name) and name not in _OTHER_FILES
                ]
        return describe_left(self._store, left, "<Game>/<run>/<checkpoint>, as TorchRL writes them")

    def _files(self, game: Game, run: int) -> "_CachedFiles":
        folder = f"{self._games[game]}/{run}"
        numbers = sorted(map(int, filter(_NUMBER.fullmatch, self._store.list(folder))))
        return _CachedFiles(folder, {number: self._arrays(f"{folder}/{number}") for number in numbers})

    def _arrays(self, folder: str) -> dict[str, str]:
        """Returns the paths of a checkpoint's arrays that are there."""
        there: set[str] = set()
        for inner in ("", "data", "data/next"):
            try:
                names = self._store.list(f"{folder}/{inner}".rstrip("/"))
            except SourceError:
                continue
            there.update(f"{inner}/{name}".lstrip("/") for name in names)
        return {array: f"{folder}/{path}" for array, path in _PATHS.items() if path in there}


@dataclass(frozen=True)
class _CachedFiles(LogFiles):
    """The files of one run in the cache."""

    def path(self, number: int, array: str) -> str:
        """Returns the path of an array, whether or not the file exists."""
        return f"{self.folder}/{number}/{_PATHS[array]}"


class MemmapFile(ArrayFile):
    """A memory-mapped array as a file of rows.

    Args:
        files: what opens the file.
        path: the file's path in `files`.
        dtype: the dtype of the rows.
        row_shape: the shape of one row; `()` for numbers.
        rows: the number of rows that mean something.
    """

    def __init__(
        self, files: Files, path: str, dtype: type[np.generic], row_shape: tuple[int, ...], rows: int
    ) -> None:
        self._meant = rows
        super().__init__(files, path, dtype, row_shape)

    def finish(self) -> FileRecord:
        """Read to the end, and return the whole file's record."""
        self.skip(self.rows - self._position)
        return self.record()

    def _unpack(self, raw: HashingReader, member: str) -> Stream:
        return io.BufferedReader(raw, 1 << 20)

    def _read_header(self, stream: Stream) -> int:
        self._found = self._dtype
        self._row_bytes = self._dtype.itemsize * math.prod(self.row_shape)
        return self._meant


class MemmapLog(ReplayLog):
    """A replay log in TorchRL's cache, whose frames are 84×84 grey."""

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the frames."""
        return GREY84

    def _open_array(self, number: int, array: str, files: Files) -> MemmapFile:
        dtype, shape = ARRAYS[array]
        path = self.files.path(number, array)
        row_bytes = np.dtype(dtype).itemsize * math.prod(shape)
        rows = self._rows(path, row_bytes) - _FILLER_ROWS.get(array, 0)
        return MemmapFile(files, path, dtype, shape, rows)

    def _read_number(self, path: str) -> tuple[int, FileRecord]:
        if self._rows(path, np.dtype(np.int64).itemsize) != 1:
            raise ReplayLogError(f"{self.store.describe(path)}: holds more than one number; copy it again")
        file = MemmapFile(self.downloads, path, np.int64, (), 1)
        number = int(file.read(1)[0])
        return number, file.finish()

    def _rows(self, path: str, row_bytes: int) -> int:
        """Returns the number of rows in a file, from its size."""
        where, size = self.store.describe(path), self.store.size(path)
        if size is None:
            raise ReplayLogError(
                f"{where}: no such file, or its size is unknown; copy the checkpoint's folder again"
            )
        rows, rest = divmod(size, row_bytes)
        if rest or not rows:
            raise ReplayLogError(
                f"{where}: holds {size:,} bytes, expected a multiple of {row_bytes:,}, the bytes of a row; "
                f"copy it again"
            )
        return rows
