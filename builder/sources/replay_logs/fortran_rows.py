"""Reads an array in Fortran order row by row, through a temporary file, with bounded memory."""

import math
import tempfile
from typing import BinaryIO, cast

import numpy as np

from ...stores.download_cache import no_room
from .unpacking import Stream

_BLOCK_BYTES = 32 << 20
"""Bytes of rows that are gathered at a time."""
_COPY_BYTES = 1 << 20


class FortranRows:
    """The rows of an array whose first index varies fastest, as a stream in C order.

    In the file, the values of one pixel in all rows lie together, so that nothing of a row is known before
    the end is near: the array waits in an unnamed temporary file as large as itself.

    Args:
        stream: the array's content.
        rows: the number of rows.
        row_shape: the shape of a row.
        itemsize: the bytes of one value.
        where: the array's name in messages.
    """

    def __init__(
        self, stream: Stream, rows: int, row_shape: tuple[int, ...], itemsize: int, where: str
    ) -> None:
        self._stream = stream
        self._rows, self._shape, self._where = rows, row_shape, where
        self._item = np.dtype(f"V{itemsize}")
        self._row_bytes = itemsize * math.prod(row_shape)
        self._file: BinaryIO | None = None
        self._next_row = 0
        self._held = b""

    def read(self, size: int, /) -> bytes:
        """Returns the next bytes in C order; after the array, those that follow it in the stream."""
        if self._file is None:
            self._file = self._copy()
        pieces, count = [], 0
        while count < size and (self._held or self._next_row < self._rows):
            self._held = self._held or self._gather(self._file)
            pieces.append(self._held[: size - count])
            self._held = self._held[size - count :]
            count += len(pieces[-1])
        return b"".join(pieces) if pieces else self._stream.read(size)

    def close(self) -> None:
        """Close the stream and free the disk space."""
        if self._file is not None:
            self._file.close()
        self._stream.close()

    def _copy(self) -> BinaryIO:
        file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
        left = self._rows * self._row_bytes
        while left and (data := self._stream.read(min(left, _COPY_BYTES))):
            try:
                file.write(data)
                file.flush()
            except OSError as error:
                raise no_room(self._where, error) from None
            left -= len(data)
        if left:
            self._rows = 0  # whoever asks for the rows that the header declares notices the lack
        return file

    def _gather(self, file: BinaryIO) -> bytes:
        stop = min(self._rows, self._next_row + max(1, _BLOCK_BYTES // self._row_bytes))
        columns = np.memmap(file, self._item, "r", shape=(*reversed(self._shape), self._rows))
        block = np.ascontiguousarray(columns[..., self._next_row : stop].T)
        self._next_row = stop
        return block.tobytes()
