"""Reads a stretch of play: the rows of joined dumps, in order of play and without a gap.

Two cursors move over the same rows. The numbers cursor runs ahead to the end of the current episode to find
its length and return; the frames cursor follows in blocks. So only one block of frames is held in memory,
however long an episode or a checkpoint is.
"""

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...stores.download_cache import Downloads, KeptFile
from ...stores.read_ahead import read_ahead
from .array_file import Files
from .dumps import Dump, Rows
from .replay_log import ReplayLog

NUMBERS = np.dtype(
    [("action", "<i4"), ("reward", "<f4"), ("terminal", "?"), ("dump", "<i4"), ("prob", "<f4")]
)
"""A row without its frame; `dump` is the number of the dump that holds it, `prob` 0 if the log has none."""

NUMBERS_BLOCK_ROWS = 1 << 14


class NumbersCursor:
    """Reads the numbers of a stretch's rows, as arrays of dtype NUMBERS.

    Args:
        log: the run's log.
        first: the number of the dump at which the stretch begins.
        alone: whether the stretch ends with this dump.
    """

    def __init__(self, log: ReplayLog, first: int, *, alone: bool = False) -> None:
        self._blocks = _blocks_of_numbers(log, first, alone)
        self._held = np.empty(0, NUMBERS)

    def next_dump(self) -> int | None:
        """Returns the number of the dump that holds the next row, or None at the end of the stretch."""
        row = self.peek(1)
        return int(row["dump"][0]) if len(row) else None

    def peek(self, rows: int) -> np.ndarray:
        """Returns the next rows, fewer at the end of the stretch, without consuming them."""
        while len(self._held) < rows and self._fetch():
            pass
        return self._held[:rows]

    def take(self, rows: int) -> np.ndarray:
        """Returns and consumes the next rows, fewer at the end of the stretch."""
        taken = self.peek(rows)
        self._held = self._held[len(taken) :]
        return taken

    def take_to_terminal(self) -> np.ndarray:
        """Returns and consumes the next rows through a terminal one, or to the end of the stretch."""
        return self.take(self.rows_to_terminal())

    def rows_to_terminal(self) -> int:
        """Returns the number of rows that `take_to_terminal` would return."""
        searched = 0
        while True:
            ends = np.flatnonzero(self._held["terminal"][searched:])
            if len(ends):
                return searched + int(ends[0]) + 1
            searched = len(self._held)
            if not self._fetch():
                return searched

    def _fetch(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        self._held = np.concatenate([self._held, block])
        return True


class LastRow:
    """The frame in the last row of a dump, which comes first in order of play, and the file that holds it.

    Reaching the frame inflates the whole file once; the file is then usually read again from its beginning.
    """

    def __init__(self, log: ReplayLog, dump: int) -> None:
        self._log = log
        self._dump = dump
        self._frame: np.ndarray | None = None
        self.file: Files | None = None
        """What opens the file again without a second download; None if it was not read."""

    def frame(self, downloads: Downloads, stop: threading.Event) -> np.ndarray:
        """Returns the frame, shape (1, …); setting `stop` in another thread cuts a long read short."""
        if self._frame is None:
            kept = KeptFile(downloads, self._log.files.path(self._dump, "observation"))
            with contextlib.closing(self._log.open(self._dump, "observation", kept)) as file:
                file.skip(file.rows - 1, stop)
                frame = file.read(1)
                self._log.finish(file, again=True)
            self._frame, self.file = frame, kept
        return self._frame


class FramesCursor(ABC):
    """Reads frames ahead on a thread, as uint8 arrays of shape (n, *frame_format.shape)."""

    def __init__(self, log: ReplayLog) -> None:
        self._log = log
        self._stop = threading.Event()
        self._start = 0
        """The number of rows skipped before the first was read."""
        self._blocks: Generator[np.ndarray, None, None] | None = None
        self._held = np.empty((0, *log.frame_format.shape), np.uint8)
        self._open = True
        self._downloads = Downloads(log.store)
        """Those of frames, which no other cursor's end aborts."""
        for downloads in (self._downloads, log.downloads):
            downloads.hold()

    def peek(self, rows: int) -> np.ndarray:
        """Returns the next rows, fewer at the end, without consuming them."""
        while len(self._held) < rows:
            block = self._fetch()
            if block is None:
                break
            self._held = np.concatenate([self._held, block]) if len(self._held) else block
        return self._held[:rows]

    def take(self, rows: int) -> Iterator[np.ndarray]:
        """Yield the next rows, block by block."""
        while rows > 0 and len(self.peek(1)):
            block = self._held[:rows]
            self._held = self._held[len(block) :]
            rows -= len(block)
            yield block

    def skip(self, rows: int) -> None:
        """Skip the next rows; this costs nothing before the first row is read."""
        if self._blocks is None:
            self._start += rows
        else:
            for _ in self.take(rows):
                pass

    def close(self) -> None:
        """Close the files and stop the threads."""
        self._stop.set()
        self._downloads.abort()
        if self._blocks is not None:
            self._blocks.close()
        if self._open:
            self._open = False
            self._log.downloads.release()

    @abstractmethod
    def _read(self, start: int) -> Generator[np.ndarray, None, None]:
        """Yield blocks from row `start` on; runs on a thread."""

    def _fetch(self) -> np.ndarray | None:
        if self._blocks is None:
            self._blocks = read_ahead(self._read(self._start), self._abandon)
        return next(self._blocks, None)

    def _abandon(self) -> None:
        self._stop.set()
        self._downloads.abort()
        self._log.downloads.abort()


class PlayFrames(FramesCursor):
    """Reads the frames of a stretch's rows, in order of play.

    A dump's first row in order of play is the last row of its file, so the file is inflated twice: once to
    reach that row, on a thread, while the dump before it is used; and once for the rows before it. If this
    would mean downloading the file twice, its compressed bytes are kept in between; see `KeptFile`.

    Args:
        log: the run's log.
        first: the number of the dump at which the stretch begins.
        alone: whether the stretch ends with this dump.
        last_row: the first dump's last row, if it is also used elsewhere.
    """

    def __init__(
        self, log: ReplayLog, first: int, *, alone: bool = False, last_row: LastRow | None = None
    ) -> None:
        super().__init__(log)
        self._first = first
        self._alone = alone
        self._last_row: LastRow | None = last_row

    def _read(self, start: int) -> Generator[np.ndarray, None, None]:
        dump: Dump | None = self._log.dump(self._first)
        last_row, self._last_row = self._last_row or LastRow(self._log, self._first), None
        with ThreadPoolExecutor(1, thread_name_prefix="next-dump") as executor:
            while dump is not None:
                ahead = None if self._alone else executor.submit(self._next_dump, dump.number)
                for rows in dump.played:
                    if start >= len(rows):
                        start -= len(rows)
                        continue
                    if is_last_row(rows, dump):
                        yield last_row.frame(self._downloads, self._stop)
                    else:
                        rest = Rows(rows.dump, rows.start + start, rows.stop)
                        yield from self._log.frames(rest, self._stop, last_row.file or self._downloads)
                    start = 0
                dump, last_row = ahead.result() if ahead else (None, last_row)

    def _next_dump(self, number: int) -> tuple[Dump | None, LastRow]:
        """Returns the dump that is joined to this one, and that dump's last row, already read."""
        dump = self._log.next_joined(number)
        last_row = LastRow(self._log, number if dump is None else dump.number)
        if dump is not None and dump.played:
            last_row.frame(self._downloads, self._stop)
        return dump, last_row


def is_last_row(rows: Rows, dump: Dump) -> bool:
    """Returns whether these rows are exactly the last row of the dump."""
    return (rows.start, rows.stop) == (dump.capacity - 1, dump.capacity)


def _blocks_of_numbers(log: ReplayLog, first: int, alone: bool) -> Generator[np.ndarray, None, None]:
    dump: Dump | None = log.dump(first)
    while dump is not None:
        for rows in dump.played:
            for start in range(rows.start, rows.stop, NUMBERS_BLOCK_ROWS):
                scalars = log.scalars(dump.number)[start : min(start + NUMBERS_BLOCK_ROWS, rows.stop)]
                numbers = np.empty(len(scalars), NUMBERS)
                for name in ("action", "reward", "terminal"):
                    numbers[name] = scalars[name]
                numbers["dump"] = dump.number
                numbers["prob"] = 0
                if log.files.has_probs:
                    numbers["prob"] = log.probs(dump.number)[start : start + len(scalars)]
                yield numbers
        dump = None if alone else log.next_joined(dump.number)
