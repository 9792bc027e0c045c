"""The files of a run's dumps, opened and read: whole small arrays, frames in blocks, and checksums."""

import contextlib
import threading
from collections.abc import Generator

import numpy as np

from ...errors import ReplayLogError
from ...format.manifest import FileRecord
from ...stores.download_cache import Downloads
from ...stores.store import Store
from .array_file import ArrayFile, Files
from .dumps import Rows
from .log_files import ARRAYS, LOG_ARRAYS, SCALARS, LogFiles

BLOCK_ROWS = 512
"""Frames that are held at a time: 3.6 MB."""

SCALARS_BLOCK_ROWS = 1 << 16
"""Numbers that are read at a time, so that no memory is taken on the word of a header."""

SCALARS_HELD = 2
"""Dumps whose numbers are held, 9 bytes a row: reading goes forwards, and each file is read once."""


class DumpFiles:
    """The files of one run's dumps.

    Args:
        store: where they lie.
        files: which of its files.
    """

    arrays: tuple[str, ...] = LOG_ARRAYS
    """What a checkpoint must have."""

    def __init__(self, store: Store, files: LogFiles) -> None:
        self.store = store
        self.files = files
        self.downloads = Downloads(store)
        self._capacities: dict[int, int] = {}
        """Rows of the checkpoints' observations, where these were looked at."""
        self._scalars: dict[int, np.ndarray] = {}
        self._terminal_ends: dict[int, bool] = {}
        """Of each dump, whether its last row but one ended an episode."""
        self._records: dict[str, FileRecord] = {}
        self._lock = threading.RLock()

    def where(self, number: int, array: str) -> str:
        """Returns an array's full name, for messages."""
        return self.store.describe(self.files.path(number, array))

    def open(self, number: int, array: str, files: Files | None = None) -> ArrayFile:
        """Open an array of a checkpoint, at its first row.

        Args:
            number: of the checkpoint.
            array: which of ARRAYS.
            files: opens the file in place of the log's store.

        Raises:
            ReplayLogError: it is missing, damaged, another array, or of another length than the observations.
        """
        dtype, shape = ARRAYS[array]
        file = ArrayFile(files or self.downloads, self.files.path(number, array), dtype, shape)
        capacity = self._capacities.get(number, file.rows)
        if file.rows != capacity:
            file.close()
            raise ReplayLogError(
                f"{file.where}: holds {file.rows:,} rows, but the checkpoint's observations are "
                f"{capacity:,}; copy the checkpoint's files again"
            )
        return file

    def scalars(self, number: int) -> np.ndarray:
        """Returns a dump's rows without their frames, in the order of the files: shape (C,), dtype SCALARS.

        The files are checked to their ends.

        Raises:
            ReplayLogError: a file is missing or damaged.
        """
        with self._lock:
            if number not in self._scalars:
                scalars = self._read_scalars(number)
                while len(self._scalars) >= SCALARS_HELD:
                    del self._scalars[next(iter(self._scalars))]
                self._scalars[number] = scalars
                self._terminal_ends[number] = bool(scalars["terminal"][-2])
            return self._scalars[number]

    def frames(
        self, rows: Rows, stop: threading.Event | None = None, files: Files | None = None
    ) -> Generator[np.ndarray, None, None]:
        """Yield the frames of some rows, in blocks of shape (n, 84, 84).

        A file that was not read before is checked to its end, before the last block is yielded.

        Args:
            rows: which.
            stop: set by another thread, ends a long way to the first row with CancelledError.
            files: opens the file in place of the log's store.
        """
        with contextlib.closing(self.open(rows.dump, "observation", files)) as file:
            file.skip(rows.start, stop)
            for start in range(rows.start, rows.stop, BLOCK_ROWS):
                block = file.read(min(BLOCK_ROWS, rows.stop - start))
                if start + len(block) == rows.stop:
                    self.finish(file)
                yield block

    def records(self, number: int) -> list[FileRecord]:
        """Returns what the checkpoint's files are; what was not read yet is read without inflating it."""
        for array in ARRAYS:
            path = self.files.path(number, array)
            if path not in self._records:
                with contextlib.closing(self.open(number, array)) as file:
                    self._records[path] = file.record()
        return [self._records[self.files.path(number, array)] for array in self.arrays]

    def finish(self, file: ArrayFile, *, again: bool = False) -> None:
        """Check a file to its end, and note what it was; only once, or `again`."""
        if again or file.path not in self._records:
            self._records[file.path] = file.finish()

    def _read_scalars(self, number: int) -> np.ndarray:
        assert SCALARS.names is not None
        with contextlib.ExitStack() as stack:
            files = {
                array: stack.enter_context(contextlib.closing(self.open(number, array)))
                for array in SCALARS.names
            }
            rows = min(file.rows for file in files.values())
            blocks = []
            for start in range(0, rows, SCALARS_BLOCK_ROWS):
                blocks.append(np.empty(min(SCALARS_BLOCK_ROWS, rows - start), SCALARS))
                for array, file in files.items():
                    blocks[-1][array] = file.read(len(blocks[-1]))
            for file in files.values():
                self.finish(file)
        return np.concatenate(blocks)

    def unchecked_frames(self, rows: Rows) -> Generator[np.ndarray, None, None]:
        """Yield frames of a file that need not be checked to its end: it is when it is read as play."""
        with contextlib.closing(self.open(rows.dump, "observation")) as file:
            file.skip(rows.start)
            for start in range(rows.start, rows.stop, BLOCK_ROWS):
                yield file.read(min(BLOCK_ROWS, rows.stop - start))
