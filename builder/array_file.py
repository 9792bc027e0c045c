"""One gzipped NumPy array of a replay log, read forwards in blocks of rows."""

import contextlib
import hashlib
import io
import math
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import BinaryIO

import numpy as np
from isal import igzip, isal_zlib
from numpy.lib import format as npy

from .errors import ReplayLogError
from .manifest import FileRecord
from .sources import Source

SKIP_BYTES = 1 << 20
"""Rows that are skipped are inflated in pieces of this size."""


class ArrayFile:
    """A `.npy.gz`, inflated as it is read: memory is what one call returns.

    Rows come in order, each once. The gzip checksum is checked when the end is reached, so what was
    read is proved only by `finish`.

    Args:
        source: where the file lies.
        path: its path there.
        dtype: what the rows must be.
        row_shape: shape of one row, `()` for numbers.

    Raises:
        ReplayLogError: from every method: the file is missing, truncated, damaged, pickled, or another array.
    """

    def __init__(
        self, source: Source, path: str, dtype: type[np.generic], row_shape: tuple[int, ...]
    ) -> None:
        self.path = path
        self.where = source.describe(path)
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._row_bytes = self._dtype.itemsize * math.prod(row_shape)
        with self._reading():
            self._raw = _HashingReader(source.open(path))
            self._stream = igzip.IGzipFile(fileobj=self._raw, mode="rb")
            shape = self._read_header()
        if shape == () == row_shape:
            shape = (1,)
        if len(shape) != 1 + len(row_shape) or shape[1:] != row_shape:
            self.close()
            expected = ", ".join(["rows", *map(str, row_shape)])
            raise ReplayLogError(f"{self.where}: holds an array of shape {shape}, expected ({expected})")
        self.rows: int = shape[0]
        self._position = 0

    def read(self, rows: int) -> np.ndarray:
        """The next rows, read-only: shape (rows, *row_shape)."""
        with self._reading():
            data = self._stream.read(rows * self._row_bytes)
        if len(data) < rows * self._row_bytes:
            found = self._position + len(data) // self._row_bytes
            raise ReplayLogError(
                f"{self.where}: ends after {found:,} of the {self.rows:,} rows that its header declares; "
                f"copy it again"
            )
        self._position += rows
        return np.frombuffer(data, self._dtype).reshape(rows, *self._row_shape)

    def skip(self, rows: int, stop: threading.Event | None = None) -> None:
        """Pass over the next rows, unless another thread sets `stop`: then raise CancelledError."""
        step = max(1, SKIP_BYTES // self._row_bytes)
        while rows > 0:
            if stop is not None and stop.is_set():
                raise CancelledError
            self.read(min(rows, step))
            rows -= step

    def finish(self) -> FileRecord:
        """Read to the end, check that it is where it should be, and say what the whole file was."""
        self.skip(self.rows - self._position)
        with self._reading():
            surplus = self._stream.read(1)
        if surplus:
            raise ReplayLogError(
                f"{self.where}: holds more than the {self.rows:,} rows that its header declares"
            )
        self.close()
        return FileRecord(self.path, self._raw.size, self._raw.sha256.hexdigest())

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()
        self._raw.close()

    def _read_header(self) -> tuple[int, ...]:
        magic = self._stream.peek(2)[:8]
        if not magic.startswith(npy.MAGIC_PREFIX):
            pickled = magic[:1] == b"\x80"
            found = "a pickle, which is never loaded" if pickled else f"data that begins with {magic!r}"
            raise ReplayLogError(f"{self.where}: holds {found}; expected a gzipped NumPy .npy array")
        try:
            # Version 1.0 bounds the header at 64 KiB; nothing that these logs hold needs a newer one.
            if npy.read_magic(self._stream) != (1, 0):
                raise ValueError("its version is not 1.0")
            shape, fortran_order, dtype = npy.read_array_header_1_0(self._stream)
        except ValueError as error:
            raise ReplayLogError(
                f"{self.where}: its .npy header cannot be read ({error}); copy it again"
            ) from None
        if dtype.hasobject:
            raise ReplayLogError(
                f"{self.where}: holds pickled objects, which are never loaded; expected {self._dtype}"
            )
        if dtype != self._dtype:
            raise ReplayLogError(f"{self.where}: holds {dtype} values, expected {self._dtype}")
        if fortran_order and len(shape) > 1:
            raise ReplayLogError(f"{self.where}: is stored in Fortran order, expected C order")
        return shape

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what the file system and the inflater raise into one error that names the file."""
        try:
            yield
        except ReplayLogError:
            raise
        except FileNotFoundError:
            raise ReplayLogError(
                f"{self.where}: no such file; the checkpoint's other files need it"
            ) from None
        except EOFError:
            raise ReplayLogError(
                f"{self.where}: is cut short (the gzip stream has no end); copy it again"
            ) from None
        except (igzip.BadGzipFile, isal_zlib.error) as error:  # pyright: ignore[reportGeneralTypeIssues]
            raise ReplayLogError(f"{self.where}: is damaged ({error}); copy it again") from None
        except OSError as error:
            raise ReplayLogError(f"{self.where}: cannot be read ({error})") from None


class _HashingReader(io.RawIOBase):
    """The compressed file as it passes: its size so far and its SHA-256."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        self.size += len(data)
        self.sha256.update(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def read_number(source: Source, path: str) -> tuple[int, FileRecord]:
    """The whole number that a file such as `add_count_ckpt.0.gz` holds, and the file's record.

    Raises:
        ReplayLogError: the file is missing, damaged, or something else.
    """
    file = ArrayFile(source, path, np.int64, ())
    if file.rows != 1:
        file.close()
        raise ReplayLogError(f"{file.where}: holds {file.rows:,} numbers, expected one")
    number = int(file.read(1)[0])
    return number, file.finish()
