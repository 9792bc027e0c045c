"""Reads one gzipped NumPy array of a replay log forwards, in blocks of rows."""

import contextlib
import math
import re
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import BinaryIO, Protocol

import numpy as np
from isal import igzip, isal_zlib
from numpy.lib import format as npy

from ...errors import ReplayLogError, SourceError
from ...format.manifest import FileRecord
from ...stores.hashing_reader import HashingReader

_HEADER = re.compile(
    r"\{\s*'descr':\s*'(?P<dtype>[<>|]?[A-Zb-z]\d{0,9})',\s*'fortran_order':\s*(?P<fortran>True|False),\s*"
    r"'shape':\s*\((?P<shape>(?:\d{1,18}L?(?:,\s?|(?=\))))*)\)\s*,?\s*\}\s*"
)
"""The header as NumPy writes it. NumPy's own reader is not thread-safe: it calls Python's parser, and in
Python 3.11 two threads that parse at once may get a SystemError."""

SKIP_BYTES = 1 << 20
"""Skipped rows are inflated in pieces of this many bytes."""


class Files(Protocol):
    """Opens files: a store, or a wrapper that keeps what it reads from one."""

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading forwards."""
        ...

    def describe(self, path: str) -> str:
        """Returns the file's full name, for messages."""
        ...


class ArrayFile:
    """A `.npy.gz` file, inflated as it is read; it holds no more in memory than one call returns.

    Rows come in order, each once. The gzip checksum is compared at the end of the file, so only `finish`
    proves that what was read is intact.

    Args:
        files: what opens the file.
        path: the file's path in `files`.
        dtype: the expected dtype of the rows.
        row_shape: the expected shape of one row; `()` for numbers.

    Raises:
        ReplayLogError: from every method: the file is missing, truncated, damaged, pickled, or holds a
            different array.
    """

    def __init__(self, files: Files, path: str, dtype: type[np.generic], row_shape: tuple[int, ...]) -> None:
        self.path = path
        self.where = files.describe(path)
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._row_bytes = self._dtype.itemsize * math.prod(row_shape)
        with self._reading():
            self._raw = HashingReader(files.open(path))
            self._stream = igzip.IGzipFile(fileobj=self._raw, mode="rb")
            try:
                self.rows = self._read_header()
            except BaseException:
                self.close()
                raise
        self._position = 0

    def read(self, rows: int) -> np.ndarray:
        """Returns the next rows, read-only: shape (rows, *row_shape)."""
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
        """Skip the next rows; raise CancelledError if another thread sets `stop` meanwhile."""
        step = max(1, SKIP_BYTES // self._row_bytes)
        while rows > 0:
            if stop is not None and stop.is_set():
                raise CancelledError
            self.read(min(rows, step))
            rows -= step

    def finish(self) -> FileRecord:
        """Read to the end, check that the array ends there, and return the whole file's record."""
        self.skip(self.rows - self._position)
        with self._reading():
            if self._stream.read(1):
                raise self._unexpected(
                    f"more than the {self.rows:,} rows that its header declares", "the array's end"
                )
        # Trailing zeros may remain, and a store's checksum is compared only at the very end.
        return self.record()

    def record(self) -> FileRecord:
        """Read to the end without inflating or checking the rows, and return the whole file's record."""
        with self._reading():
            while self._raw.read(SKIP_BYTES):
                pass
        self.close()
        return FileRecord(self.path, self._raw.size, self._raw.sha256.hexdigest())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._raw.close()

    def _read_header(self) -> int:
        """Returns the array's number of rows, after checking that it is the expected array."""
        magic = self._stream.read(len(npy.MAGIC_PREFIX))
        if magic != npy.MAGIC_PREFIX:
            raise self._unexpected(_describe_start(magic), "a NumPy .npy array")
        version = tuple(self._stream.read(2))
        if version != (1, 0):
            # Version 1.0 bounds the header at 64 KiB; nothing in these logs needs a newer one.
            raise self._unexpected(f"an .npy array of version {'.'.join(map(str, version))}", "version 1.0")
        length = int.from_bytes(self._stream.read(2), "little")
        text = self._stream.read(length).decode("latin1")
        header = _HEADER.fullmatch(text)
        if header is None or len(text) < length:
            raise self._unexpected(f"an .npy header that cannot be read ({text!r})", "one as NumPy writes it")
        found = header["dtype"]
        with contextlib.suppress(TypeError):
            found = np.dtype(found)
        if found == np.dtype(object):
            raise self._unexpected("pickled objects, which are never loaded", f"{self._dtype} values")
        if found != self._dtype:
            raise self._unexpected(f"{found} values", f"{self._dtype} values")
        shape = tuple(map(int, re.findall(r"\d+", header["shape"])))
        if header["fortran"] == "True" and len(shape) > 1:
            raise self._unexpected("an array in Fortran order", "C order")
        rows, *row_shape = shape or (1,)
        if tuple(row_shape) != self._row_shape:
            expected = ", ".join(["rows", *map(str, self._row_shape)])
            raise self._unexpected(f"an array of shape {shape}", f"({expected})")
        return rows

    def _unexpected(self, found: str, expected: str) -> ReplayLogError:
        shown = found if len(found) <= 200 else f"{found[:200]}…"
        return ReplayLogError(f"{self.where}: holds {shown}, expected {expected}; copy it again")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn exceptions from the file system and the inflater into one error that names the file."""
        try:
            yield
        except SourceError:
            raise
        except FileNotFoundError:
            raise ReplayLogError(
                f"{self.where}: no such file, but the checkpoint's other files are there; copy it as well"
            ) from None
        except EOFError:
            raise ReplayLogError(
                f"{self.where}: is cut short (the gzip stream has no end); copy it again"
            ) from None
        except (igzip.BadGzipFile, isal_zlib.error, OverflowError) as error:  # pyright: ignore[reportGeneralTypeIssues]
            raise ReplayLogError(f"{self.where}: is damaged ({error}); copy it again") from None
        except OSError as error:
            reason = error.strerror or error
            raise ReplayLogError(
                f"{self.where}: cannot be read ({reason}); check that it is a file that you may read"
            ) from None


def _describe_start(data: bytes) -> str:
    """Returns a description of a file that begins with these bytes and is not an array."""
    if not data:
        return "nothing"
    return "a pickle, which is never loaded" if data[:1] == b"\x80" else f"data that begins with {data!r}"


def read_number(files: Files, path: str) -> tuple[int, FileRecord]:
    """Returns the integer in a file such as `add_count_ckpt.0.gz`, and the file's record.

    Raises:
        ReplayLogError: the file is missing, damaged, or does not hold an integer.
    """
    file = ArrayFile(files, path, np.int64, ())
    if file.rows != 1:
        file.close()
        raise ReplayLogError(f"{file.where}: holds {file.rows:,} numbers, expected one; copy it again")
    number = int(file.read(1)[0])
    return number, file.finish()
