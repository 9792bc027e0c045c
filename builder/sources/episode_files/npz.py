"""Reads arrays from `.npz` files that may come from anywhere, without unpickling."""

import contextlib
import math
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO

import numpy as np

from ...errors import SourceError
from ..npy_header import NpyHeaderError, read_npy_header

_AGAIN = "copy it again"


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
        with _reading(where):
            self._stream: IO[bytes] = file.open(f"{name}.npy")
            try:
                header = read_npy_header(self._stream)
            except NpyHeaderError as error:
                found, expected = error.args
                raise SourceError(f"{where}: {name!r} holds {found}, expected {expected}; {_AGAIN}") from None
        if header.dtype == np.dtype(object):
            raise SourceError(f"{where}: {name!r} holds pickled objects, which are never loaded; {_AGAIN}")
        is_numbers = isinstance(header.dtype, np.dtype) and header.dtype.kind in "biuf"
        if not is_numbers or (header.is_fortran and len(header.shape) > 1):
            order = "Fortran" if header.is_fortran else "C"
            raise SourceError(
                f"{where}: {name!r} holds {header.dtype} values in {order} order, expected numbers in C "
                f"order; {_AGAIN}"
            )
        self.shape, self.dtype = header.shape, np.dtype(header.dtype)

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
