"""One gzipped NumPy array of a replay log, written in blocks of rows."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.lib import format as npy

_GZIP = 16 + zlib.MAX_WBITS
"""zlib's word for a gzip stream; its header bears no name and no time of day."""

COMPRESSIONS = ("fast", "small")
"""`fast` is some ten times as fast, and takes 1.6 to 1.8 times the bytes (`python benchmarks/export.py`)."""

_FAST_LEVEL, _SMALL_LEVEL = 2, 6
"""Of isal and of zlib."""


_CHUNK = 1 << 20
"""Bytes that are compressed at a time: what comes out depends on it."""


class ArrayWriter:
    """A `.npy.gz` of known length; the same rows give the same bytes, however they are cut in blocks.

    Args:
        path: the file, which is made.
        dtype: of the array.
        shape: of the array.
        compression: one of COMPRESSIONS.

    Raises:
        OSError: from every method: the file cannot be written.
    """

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...], compression: str) -> None:
        self._packer: Any = (
            isal_zlib.compressobj(_FAST_LEVEL, wbits=_GZIP)
            if compression == "fast"
            else zlib.compressobj(_SMALL_LEVEL, wbits=_GZIP)
        )
        self._file = path.open("wb")
        self._held = bytearray()
        npy.write_array_header_1_0(
            self, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        )

    def write(self, data: Any) -> None:
        """Write some bytes, or the next rows as a contiguous array."""
        if not len(data):
            return
        view = memoryview(data).cast("B")
        start = min(len(view), _CHUNK - len(self._held))
        self._held += view[:start]
        if len(self._held) == _CHUNK:
            self._pack(self._held)
            self._held.clear()
            while len(view) - start >= _CHUNK:
                self._pack(view[start : start + _CHUNK])
                start += _CHUNK
            self._held += view[start:]

    def finish(self) -> None:
        """Write what is held, and close the file."""
        self._pack(self._held)
        self._file.write(self._packer.flush())
        self._file.close()

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()

    def _pack(self, data: bytearray | memoryview) -> None:
        self._file.write(self._packer.compress(data))
