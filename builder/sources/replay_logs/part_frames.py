"""Reads the frames of a dump apart from its neighbours, inflating each frame once."""

import contextlib
import tempfile
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import zstandard

from ...format.frame_format import FrameFormat
from ...stores.download_cache import no_room
from ...stores.read_ahead import read_ahead
from .cursors import FramesCursor
from .dumps import Rows
from .replay_log import ReplayLog

WAITING_BYTES = 8 << 20
"""The most bytes of waiting compressed frames kept in memory; more are spooled to a temporary file."""


class PartFrames(FramesCursor):
    """Reads the frames of a dump that begins in the middle of an episode, inflating each once.

    The dump's last row comes first in order of play. Only the rest of the episode that began earlier, the
    *head*, has to wait for it: the frames after the head are read in file order, while the head's frames
    wait, compressed. So the head is best read last. Reading it first costs no more, but reading the others
    then opens the file a second time.

    Args:
        log: the run's log.
        dump: the number of the dump.
        head: the number of rows in the head, in order of play: the dump's last row, and those at its
            beginning.
    """

    def __init__(self, log: ReplayLog, dump: int, head: int) -> None:
        super().__init__(log)
        described = log.dump(dump)
        self._dump = dump
        self._head_rows = head - 1
        """The number of head rows without the last row."""
        self._stop_row = described.played[-1].stop if len(described.played) > 1 else 0
        self._last = described.capacity - 1
        self._waiting = WaitingFrames(log.where(dump, "observation"), log.frame_format)
        self._last_frame: np.ndarray | None = None
        self._fetched = 0
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="read-head")
        self._begun: Future[object] | None = None

    def begin_head(self) -> None:
        """Begin to read the file to its end, for `head`, on a thread; nothing has been read before."""
        others = max(0, self._stop_row - self._head_rows)
        self._begun = self._executor.submit(deque, self._read(others), 0)

    def head(self) -> Iterator[np.ndarray]:
        """Yield the head's frames block by block, after reading the file to its end."""
        self._read_to_end()
        assert self._last_frame is not None
        yield self._last_frame
        yield from self._waiting

    def finish(self) -> None:
        """Check the file to its end, if any of it was read."""
        if self._blocks is not None:
            self._read_to_end()

    def close(self) -> None:
        """Close the files and stop the threads."""
        super().close()
        self._executor.shutdown()
        self._waiting.close()

    def _wait(self) -> None:
        if self._begun is not None:
            self._begun.result()

    def _read_to_end(self) -> None:
        self._wait()
        if self._last_frame is None:
            while self._next_block() is not None:
                pass
            # Other frames that have not been read yet are read again on request.
            self._blocks = self._ahead()

    def _fetch(self) -> np.ndarray | None:
        block = self._next_block()
        self._fetched += 0 if block is None else len(block)
        return block

    def _next_block(self) -> np.ndarray | None:
        if self._blocks is None:
            self._wait()
            self._blocks = self._ahead()
        return next(self._blocks, None)

    def _ahead(self) -> Generator[np.ndarray, None, None]:
        return read_ahead(self._read(self._start + self._fetched), self._abandon)

    def _read(self, start: int) -> Generator[np.ndarray, None, None]:
        first = self._head_rows + start
        if self._last_frame is not None:
            if first < self._stop_row:
                rows = Rows(self._dump, first, self._stop_row)
                yield from self._log.frames(rows, self._stop, self._downloads)
            return
        with contextlib.closing(self._log.open(self._dump, "observation", self._downloads)) as file:
            most = self._log.block_rows
            for block_start in range(0, self._head_rows, most):
                self._waiting.append(file.read(min(most, self._head_rows - block_start)))
            file.skip(start, self._stop)
            for block_start in range(first, self._stop_row, most):
                yield file.read(min(most, self._stop_row - block_start))
            file.skip(self._last - max(first, self._stop_row), self._stop)
            last_frame = file.read(1)
            self._log.finish(file)
            self._last_frame = last_frame


class WaitingFrames:
    """Holds compressed frames until they are needed: in memory, or on disk if there are many.

    Args:
        where: the name in messages of the file that they come from.
        frame_format: their format.
    """

    def __init__(self, where: str, frame_format: FrameFormat) -> None:
        self._where, self._shape = where, frame_format.shape
        self._file = tempfile.SpooledTemporaryFile(WAITING_BYTES)  # noqa: SIM115
        self._sizes: list[int] = []
        self._compressor = zstandard.ZstdCompressor(level=1)

    def append(self, frames: np.ndarray) -> None:
        """Add frames, shape (n, *frame_format.shape), uint8.

        Raises:
            SourceError: the disk is full.
        """
        data = self._compressor.compress(np.ascontiguousarray(frames).data)
        try:
            self._file.write(data)
        except OSError as error:
            raise no_room(self._where, error) from None
        self._sizes.append(len(data))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames in blocks, as they were added."""
        offset = 0
        for size in self._sizes:
            self._file.seek(offset)
            data = zstandard.ZstdDecompressor().decompress(self._file.read(size))
            offset += size
            yield np.frombuffer(data, np.uint8).reshape(-1, *self._shape)

    def close(self) -> None:
        """Free the memory and the disk space."""
        self._file.close()
