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


class ArrayWriter:
    """A `.npy.gz` of a known number of rows; the same rows give the same bytes on one machine.

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
        npy.write_array_header_1_0(
            self, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        )

    def write(self, data: Any) -> None:
        """Write some bytes, or the next rows as a contiguous array."""
        self._file.write(self._packer.compress(data))

    def finish(self) -> None:
        """Write what is held, and close the file."""
        self._file.write(self._packer.flush())
        self._file.close()

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()
