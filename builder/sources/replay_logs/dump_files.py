"""Opens and reads the files of a run's dumps: whole small arrays, frames in blocks, and checksums."""

import contextlib
import threading
from collections.abc import Generator

import numpy as np

from ...errors import ReplayLogError, SourceError
from ...format.frame_format import GREY84, FrameFormat
from ...format.manifest import FileRecord
from ...stores.download_cache import Downloads
from ...stores.store import Store
from ..frame_blocks import frames_in_block
from .array_file import FLAGS, ArrayFile, Files
from .dumps import Rows
from .log_files import ARRAYS, FINAL, LOG_ARRAYS, PROB, SCALARS, LogFiles

SCALARS_BLOCK_ROWS = 1 << 16
"""Numbers read at a time, so that a header's claim alone never allocates memory."""

SCALARS_HELD = 2
"""Dumps whose numbers are held, 9 bytes per row: reading goes forwards, and each file is read once."""


class DumpFiles:
    """The files of one run's dumps.

    Args:
        store: the store that holds them.
        files: the files of the store that belong to the run.
    """

    def __init__(self, store: Store, files: LogFiles) -> None:
        self.store = store
        self.files = files
        self.downloads = Downloads(store)
        self._capacities: dict[int, int] = {}
        """The number of observation rows of each checkpoint examined so far."""
        self._scalars: dict[int, np.ndarray] = {}
        self._probs: dict[int, np.ndarray] = {}
        self._terminal_ends: dict[int, bool] = {}
        """For each dump, whether its second-to-last row ended an episode."""
        self._records: dict[str, FileRecord] = {}
        self._conversions: dict[int, dict[str, str]] = {}
        """For each checkpoint opened so far, which arrays are stored in another way than in the bucket."""
        self._frame_format: FrameFormat | None = None
        self._lock = threading.RLock()

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the first checkpoint whose observations open; the others must have the same."""
        with self._lock:
            for number in sorted(self.files.checkpoints):
                if self._frame_format is None:
                    with contextlib.suppress(SourceError):
                        self._detect_format(number, self.downloads).close()
            self._frame_format = self._frame_format or GREY84
            return self._frame_format

    @property
    def block_rows(self) -> int:
        """The number of frames held at a time."""
        return frames_in_block(self.frame_format)

    def conversions(self, number: int) -> tuple[str, ...]:
        """Returns a line for each array of an opened checkpoint that is converted when it is read."""
        found = self._conversions.get(number, {})
        return tuple(f"{array}: {found[array]}" for array in ARRAYS if array in found)

    def where(self, number: int, array: str) -> str:
        """Returns an array's full name, for messages."""
        return self.store.describe(self.files.path(number, array))

    def open(self, number: int, array: str, files: Files | None = None) -> ArrayFile:
        """Open an array of a checkpoint, at its first row.

        Args:
            number: the checkpoint's number.
            array: the array's name, one of ARRAYS.
            files: what opens the file instead of the log's store.

        Raises:
            ReplayLogError: the file is missing or damaged, or holds a different array or row count.
        """
        file = self._open_array(number, array, files or self.downloads)
        if file.conversions:
            self._conversions.setdefault(number, {})[array] = ", ".join(file.conversions)
        capacity = self._capacities.get(number, file.rows)
        if file.rows != capacity:
            file.close()
            raise ReplayLogError(
                f"{file.where}: holds {file.rows:,} rows, but the checkpoint's observations are "
                f"{capacity:,}; copy the checkpoint's files again"
            )
        return file

    def scalars(self, number: int) -> np.ndarray:
        """Returns a dump's rows without their frames, in file order: shape (C,), dtype SCALARS.

        The files are checked through to their ends.

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

    def probs(self, number: int) -> np.ndarray:
        """Returns the probabilities of a dump's actions in file order, (C,) float32; the run has them.

        Raises:
            ReplayLogError: the file is missing or damaged.
        """
        with self._lock:
            if number not in self._probs:
                with contextlib.closing(self.open(number, PROB)) as file:
                    rows = range(0, file.rows, SCALARS_BLOCK_ROWS)
                    blocks = [file.read(min(SCALARS_BLOCK_ROWS, file.rows - start)) for start in rows]
                    self.finish(file)
                while len(self._probs) >= SCALARS_HELD:
                    del self._probs[next(iter(self._probs))]
                self._probs[number] = np.concatenate(blocks)
            return self._probs[number]

    def first_scalars(self, number: int, rows: int) -> np.ndarray:
        """Returns the first rows without their frames, fewer if there are fewer; the files are not checked.

        Raises:
            ReplayLogError: a file is missing, or damaged before these rows end.
        """
        with self._lock:
            held = self._scalars.get(number)
            return self._read_scalars(number, rows) if held is None else held[:rows]

    def _read_finals(self, path: str, ends: int) -> np.ndarray:
        """Returns the frames in a file of final observations, checked through to its end.

        Raises:
            ReplayLogError: the file is damaged, or its frames are not as many as the ends of episodes.
        """
        with contextlib.closing(self._open_finals(path)) as file:
            if file.rows != ends:  # before reading: a small file may hold any number of equal frames
                raise ReplayLogError(
                    f"{file.where}: holds {file.rows:,} frames, but {ends:,} episodes "
                    f"end in this checkpoint; copy the checkpoint's files again, or leave this one out"
                )
            frames = np.empty((ends, *file.row_shape), np.uint8)
            for start in range(0, ends, self.block_rows):
                block = frames[start : start + self.block_rows]
                block[...] = file.read(len(block))
            self.finish(file)
            return frames

    def _open_finals(self, path: str) -> ArrayFile:
        return ArrayFile(self.downloads, path, np.uint8, self.frame_format.shape)

    def frames(
        self, rows: Rows, stop: threading.Event | None = None, files: Files | None = None
    ) -> Generator[np.ndarray, None, None]:
        """Yield the frames of some rows, in blocks of shape (n, *frame_format.shape).

        A file that was not read before is checked through to its end before the last block is yielded.

        Args:
            rows: the rows whose frames to read.
            stop: if another thread sets it, skipping to the first row ends with CancelledError.
            files: what opens the file instead of the log's store.
        """
        with contextlib.closing(self.open(rows.dump, "observation", files)) as file:
            file.skip(rows.start, stop)
            for start in range(rows.start, rows.stop, self.block_rows):
                block = file.read(min(self.block_rows, rows.stop - start))
                if start + len(block) == rows.stop:
                    self.finish(file)
                yield block

    def records(self, number: int) -> list[FileRecord]:
        """Returns the records of the checkpoint's files; unread files are read without inflating them."""
        for array in (*ARRAYS, *([PROB] if self.files.has_probs else [])):
            path = self.files.path(number, array)
            if path not in self._records:
                with contextlib.closing(self.open(number, array)) as file:
                    self._records[path] = file.record()
        there = self.files.checkpoints[number]
        if FINAL in there and there[FINAL] not in self._records:
            with contextlib.closing(self._open_finals(there[FINAL])) as file:
                self._records[file.path] = file.record()
        paths = dict.fromkeys(there[array] for array in LOG_ARRAYS if array in there)
        return [self._records[path] for path in paths if path in self._records]

    def finish(self, file: ArrayFile, *, again: bool = False) -> None:
        """Check a file to its end and keep its record; only once, unless `again` is set."""
        if again or file.path not in self._records:
            self._records[file.path] = file.finish()

    def _open_array(self, number: int, array: str, files: Files) -> ArrayFile:
        dtype, shape = (np.float32, ()) if array == PROB else ARRAYS[array]
        if array == "observation":
            with self._lock:
                if self._frame_format is None and number == min(self.files.checkpoints):
                    return self._detect_format(number, files)
            shape = self.frame_format.shape
        kinds = FLAGS if array == "terminal" else None
        return ArrayFile(files, self.files.path(number, array), dtype, shape, array, kinds)

    def _detect_format(self, number: int, files: Files) -> ArrayFile:
        """Open a checkpoint's observations, whatever their format, which is that of the log."""
        file = ArrayFile(files, self.files.path(number, "observation"), np.uint8, None, "observation")
        self._frame_format = FrameFormat.of_shape(file.row_shape)
        return file

    def _read_scalars(self, number: int, most: int | None = None) -> np.ndarray:
        assert SCALARS.names is not None
        with contextlib.ExitStack() as stack:
            files = {
                array: stack.enter_context(contextlib.closing(self.open(number, array)))
                for array in SCALARS.names
            }
            rows = min(file.rows for file in files.values())
            rows = rows if most is None else min(rows, most)
            blocks = [np.empty(0, SCALARS)]
            for start in range(0, rows, SCALARS_BLOCK_ROWS):
                blocks.append(np.empty(min(SCALARS_BLOCK_ROWS, rows - start), SCALARS))
                for array, file in files.items():
                    blocks[-1][array] = file.read(len(blocks[-1]))
            for file in files.values() if most is None else ():
                self.finish(file)
        return np.concatenate(blocks)

    def unchecked_frames(self, rows: Rows) -> Generator[np.ndarray, None, None]:
        """Yield frames without checking the file to its end: that happens when it is read as play."""
        with contextlib.closing(self.open(rows.dump, "observation")) as file:
            file.skip(rows.start)
            for start in range(rows.start, rows.stop, self.block_rows):
                yield file.read(min(self.block_rows, rows.stop - start))
