"""Reads arrays from `.npz` files that may come from anywhere, without unpickling."""

import contextlib
import math
import threading
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO

import numpy as np
from numpy.lib import format as npy

from ...errors import SourceError

_AGAIN = "copy it again"
_parsing = threading.Lock()
"""NumPy parses headers with Python's parser, which in Python 3.11 is not safe on several threads."""


@contextlib.contextmanager
def open_npz(content: BinaryIO, where: str) -> Iterator[zipfile.ZipFile]:
    """Open an `.npz` file while the block lasts.

    Raises:
        SourceError: the file is damaged.
    """
    with _reading(where):
        file = zipfile.ZipFile(content)
    with file:
        yield file


@contextlib.contextmanager
def _reading(where: str) -> Iterator[None]:
    """Turn what a damaged file raises into one error that names the file."""
    try:
        yield
    except SourceError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise SourceError(f"{where}: not an .npz file that can be read ({error}); {_AGAIN}") from None


class NpzArray:
    """An array of an `.npz` file, read forwards.

    Args:
        file: the file.
        name: the array's name.
        where: the file's name, for messages.

    Raises:
        SourceError: there is no such array, or it holds objects or is in Fortran order.
    """

    def __init__(self, file: zipfile.ZipFile, name: str, where: str) -> None:
        if f"{name}.npy" not in file.namelist():
            raise SourceError(f"{where}: has no {name!r}; {_AGAIN}")
        self._where, self._name = where, name
        with _reading(where), _parsing:
            self._stream: IO[bytes] = file.open(f"{name}.npy")
            version = npy.read_magic(self._stream)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            self.shape, fortran, self.dtype = read_header(self._stream)
        if self.dtype.kind not in "biuf" or (fortran and len(self.shape) > 1):
            found = (
                "pickled objects, which are never loaded" if self.dtype.hasobject else f"{self.dtype} values"
            )
            raise SourceError(
                f"{where}: {name!r} holds {found}, expected an array of numbers in C order; {_AGAIN}"
            )

    def read(self, rows: int) -> np.ndarray:
        """Returns the next rows."""
        shape = (rows, *self.shape[1:])
        return np.frombuffer(self._take(math.prod(shape) * self.dtype.itemsize), self.dtype).reshape(shape)

    def read_scalar(self) -> np.ndarray:
        """Returns the value of an array without axes."""
        return np.frombuffer(self._take(self.dtype.itemsize), self.dtype).reshape(())

    def close(self) -> None:
        """Check that the array ends here, which compares its checksum, and close it."""
        with _reading(self._where):
            more = self._stream.read(1)
            self._stream.close()
        if more:
            raise SourceError(f"{self._where}: {self._name!r} is longer than its header says; {_AGAIN}")

    def _take(self, size: int) -> bytes:
        with _reading(self._where):
            data = self._stream.read(size)
        if len(data) < size:
            raise SourceError(f"{self._where}: {self._name!r} ends too early; {_AGAIN}")
        return data
