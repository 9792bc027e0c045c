"""The frames of a dump that is read apart from its neighbours, each inflated once."""

import contextlib
import tempfile
from collections.abc import Generator, Iterator

import numpy as np
import zstandard

from ...format.protocol import FRAME_SHAPE
from ...stores.download_cache import no_room
from ...stores.read_ahead import read_ahead
from .cursors import FramesCursor
from .dump_files import BLOCK_ROWS
from .dumps import Rows
from .replay_log import ReplayLog

WAITING_BYTES = 8 << 20
"""Compressed frames that wait in memory; more of them wait in a temporary file."""


class PartFrames(FramesCursor):
    """The frames of a dump that begins in the middle of an episode, inflated once.

    The dump's last row comes first in order of play. Only the rest of the episode that began earlier, the
    *head*, has to wait for it: what comes after is read as the file has it, while the head's frames wait,
    compressed. So the head is best read last. Read first, it costs no more, but to read the others then
    opens the file a second time.

    Args:
        log: the run's log.
        dump: the number of the dump.
        head: rows of the head, in order of play: the dump's last row, and those at its beginning.
    """

    def __init__(self, log: ReplayLog, dump: int, head: int) -> None:
        super().__init__(log)
        described = log.dump(dump)
        self._dump = dump
        self._head_rows = head - 1
        """Without the last row."""
        self._stop_row = described.played[-1].stop if len(described.played) > 1 else 0
        self._last = described.capacity - 1
        self._waiting = WaitingFrames(log.where(dump, "observation"))
        self._last_frame: np.ndarray | None = None
        self._fetched = 0

    def head(self) -> Iterator[np.ndarray]:
        """Yield the head's frames, block by block; reads the file to its end first."""
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
        self._waiting.close()

    def _read_to_end(self) -> None:
        if self._last_frame is None:
            while self._next_block() is not None:
                pass
            # Whatever of the others nobody has read yet is read again if somebody asks for it.
            self._blocks = self._ahead()

    def _fetch(self) -> np.ndarray | None:
        block = self._next_block()
        self._fetched += 0 if block is None else len(block)
        return block

    def _next_block(self) -> np.ndarray | None:
        if self._blocks is None:
            self._blocks = self._ahead()
        return next(self._blocks, None)

    def _ahead(self) -> Generator[np.ndarray, None, None]:
        return read_ahead(self._read(self._start + self._fetched), self._abandon)

    def _read(self, start: int) -> Generator[np.ndarray, None, None]:
        first = self._head_rows + start
        if self._last_frame is not None:
            if first < self._stop_row:
                yield from self._log.frames(Rows(self._dump, first, self._stop_row), self._stop)
            return
        with contextlib.closing(self._log.open(self._dump, "observation")) as file:
            for block_start in range(0, self._head_rows, BLOCK_ROWS):
                self._waiting.append(file.read(min(BLOCK_ROWS, self._head_rows - block_start)))
            file.skip(start, self._stop)
            for block_start in range(first, self._stop_row, BLOCK_ROWS):
                yield file.read(min(BLOCK_ROWS, self._stop_row - block_start))
            file.skip(self._last - max(first, self._stop_row), self._stop)
            last_frame = file.read(1)
            self._log.finish(file)
            self._last_frame = last_frame


class WaitingFrames:
    """Frames that wait for their turn, compressed: in memory, or on disk where they are many.

    Args:
        where: the name, in messages, of the file that they are of.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._file = tempfile.SpooledTemporaryFile(WAITING_BYTES)  # noqa: SIM115
        self._sizes: list[int] = []
        self._compressor = zstandard.ZstdCompressor(level=1)

    def append(self, frames: np.ndarray) -> None:
        """Add frames, shape (n, 84, 84), uint8.

        Raises:
            SourceError: the disk has no room for them.
        """
        data = self._compressor.compress(np.ascontiguousarray(frames).data)
        try:
            self._file.write(data)
        except OSError as error:
            raise no_room(self._where, error) from None
        self._sizes.append(len(data))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield them in blocks as they were added."""
        offset = 0
        for size in self._sizes:
            self._file.seek(offset)
            data = zstandard.ZstdDecompressor().decompress(self._file.read(size))
            offset += size
            yield np.frombuffer(data, np.uint8).reshape(-1, *FRAME_SHAPE)

    def close(self) -> None:
        """Free the memory and the disk."""
        self._file.close()
