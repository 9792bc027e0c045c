"""A stretch of play: the rows of joined dumps, in order of play and without a gap, read forwards.

Two cursors go over the same rows. The one of the numbers runs ahead to the end of the episode in hand,
which tells its length and return; the one of the frames follows in blocks. So no frames are held but a
block's, however long an episode or a checkpoint is.
"""

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...format.protocol import FRAME_SHAPE
from ...stores.read_ahead import read_ahead
from .replay_log import SCALARS, Dump, ReplayLog, Rows

NUMBERS = np.dtype([("action", "<i4"), ("reward", "<f4"), ("terminal", "?"), ("dump", "<i4")])
"""A row without its frame; `dump` is the number of the dump that holds it."""

NUMBERS_BLOCK_ROWS = 1 << 14


class NumbersCursor:
    """The numbers of a stretch's rows, as arrays of dtype NUMBERS.

    Args:
        log: the run's log.
        first: number of the dump with which the stretch begins.
        alone: the stretch ends with this dump.
    """

    def __init__(self, log: ReplayLog, first: int, *, alone: bool = False) -> None:
        self._blocks = _blocks_of_numbers(log, first, alone)
        self._held = np.empty(0, NUMBERS)

    def next_dump(self) -> int | None:
        """The dump that holds the next row; None at the end of the stretch."""
        row = self.peek(1)
        return int(row["dump"][0]) if len(row) else None

    def peek(self, rows: int) -> np.ndarray:
        """The next rows, fewer at the end of the stretch; they stay to be taken."""
        while len(self._held) < rows and self._fetch():
            pass
        return self._held[:rows]

    def take(self, rows: int) -> np.ndarray:
        """The next rows, fewer at the end of the stretch."""
        taken = self.peek(rows)
        self._held = self._held[len(taken) :]
        return taken

    def take_to_terminal(self) -> np.ndarray:
        """The next rows up to and with a terminal one, or up to the end of the stretch."""
        searched = 0
        while True:
            ends = np.flatnonzero(self._held["terminal"][searched:])
            if len(ends):
                return self.take(searched + int(ends[0]) + 1)
            searched = len(self._held)
            if not self._fetch():
                return self.take(searched)

    def close(self) -> None:
        """Let go of the files."""
        self._blocks.close()

    def _fetch(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        self._held = np.concatenate([self._held, block])
        return True


class FirstFrame:
    """The frame that comes first in a dump, read on a thread while another dump is used.

    It is the last of its file, which has to be inflated for it from end to end. While it is read, somebody
    must hold the log's files.
    """

    def __init__(self, log: ReplayLog, dump: int) -> None:
        self.dump = dump
        self._log = log
        self._stop = threading.Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="first-frame")
        self._frame = self._executor.submit(self._read)

    def take(self) -> np.ndarray | None:
        """Shape (1, 84, 84); None where the dump begins otherwise."""
        return self._frame.result()

    def close(self) -> None:
        """Let go of files and threads."""
        self._stop.set()
        if not self._frame.done():
            self._log.kept.abort()
        self._executor.shutdown()

    def _read(self) -> np.ndarray | None:
        played = self._log.dump(self.dump).played
        if not played or len(played[0]) > 1:
            return None
        return next(self._log.blocks(played[0], ("observation",), stop=self._stop))["observation"]


class FramesCursor:
    """The frames of a stretch's rows, as arrays of shape (n, 84, 84), uint8.

    Args:
        log: the run's log.
        first: number of the dump with which the stretch begins.
        alone: the stretch ends with this dump.
        first_frame: of this dump, if somebody reads it already; closed with the cursor.
    """

    def __init__(
        self, log: ReplayLog, first: int, *, alone: bool = False, first_frame: FirstFrame | None = None
    ) -> None:
        self._log = log
        self._first = first
        self._alone = alone
        self._first_frame = first_frame
        self._start = 0
        self._stop = threading.Event()
        self._blocks: Generator[np.ndarray, None, None] | None = None
        self._held = np.empty((0, *FRAME_SHAPE), np.uint8)
        self._open = True
        log.kept.hold()

    def peek(self, rows: int) -> np.ndarray:
        """The next rows, fewer at the end of the stretch; they stay to be taken."""
        while len(self._held) < rows:
            block = self._fetch()
            if block is None:
                break
            self._held = np.concatenate([self._held, block]) if len(self._held) else block
        return self._held[:rows]

    def take(self, rows: int) -> Iterator[np.ndarray]:
        """The next rows, block by block."""
        while rows > 0 and len(self.peek(1)):
            block = self._held[:rows]
            self._held = self._held[len(block) :]
            rows -= len(block)
            yield block

    def skip(self, rows: int) -> None:
        """Pass over the next rows; before the first is read, this costs nothing."""
        if self._blocks is None:
            self._start += rows
        else:
            for _ in self.take(rows):
                pass

    def close(self) -> None:
        """Let go of files and threads."""
        self._stop.set()
        if self._first_frame is not None:
            self._first_frame.close()
        if self._blocks is not None:
            self._blocks.close()
        if self._open:
            self._open = False
            self._log.kept.let_go()

    def _abandon(self) -> None:
        self._stop.set()
        self._log.kept.abort()

    def _fetch(self) -> np.ndarray | None:
        if self._blocks is None:
            lead = self._first_frame.take() if self._first_frame else None
            blocks = _blocks_of_frames(self._log, self._first, lead, self._alone, self._start, self._stop)
            self._blocks = read_ahead(blocks, self._abandon)
        return next(self._blocks, None)


def _blocks_of_numbers(log: ReplayLog, first: int, alone: bool) -> Generator[np.ndarray, None, None]:
    dump: Dump | None = log.dump(first)
    while dump is not None:
        for rows in dump.played:
            for block in log.blocks(rows, SCALARS, NUMBERS_BLOCK_ROWS):
                numbers = np.empty(len(block["action"]), NUMBERS)
                for name, column in block.items():
                    numbers[name] = column
                numbers["dump"] = dump.number
                yield numbers
        dump = None if alone else log.next_joined(dump.number)


def _blocks_of_frames(
    log: ReplayLog,
    first: int,
    lead: np.ndarray | None,
    alone: bool,
    start: int,
    stop: threading.Event,
) -> Generator[np.ndarray, None, None]:
    """Frames from the stretch's row `start` on.

    A dump's first row in order of play is the last of its file, so the file is inflated twice: once to
    reach that row, on a thread, while the dump before is used; and once for the rows before it. Where it
    would have to be downloaded twice, its compressed bytes are kept in between; see `KeptFiles`.
    """
    dump: Dump | None = log.dump(first)
    with ThreadPoolExecutor(1, thread_name_prefix="next-dump") as executor:
        while dump is not None:
            ahead = None if alone else executor.submit(_next_dump, log, dump.number, stop)
            for place, rows in enumerate(dump.played):
                if start >= len(rows):
                    start -= len(rows)
                elif place == 0 and lead is not None:
                    yield lead
                else:
                    rest = Rows(rows.dump, rows.start + start, rows.stop)
                    start = 0
                    for block in log.blocks(rest, ("observation",), stop=stop):
                        yield block["observation"]
            dump, lead = ahead.result() if ahead else (None, None)


def _next_dump(log: ReplayLog, number: int, stop: threading.Event) -> tuple[Dump | None, np.ndarray | None]:
    """The dump that is joined to this one, and the frame that comes first in it."""
    dump = log.next_joined(number)
    if dump is None or not dump.played:
        return dump, None
    blocks = log.blocks(dump.played[0], ("observation",), stop=stop)
    return dump, next(blocks)["observation"]
