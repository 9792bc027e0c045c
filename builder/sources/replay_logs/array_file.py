"""Reads one NumPy array of a replay log forwards, in blocks of rows, however it is packed and stored."""

import contextlib
import math
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import BinaryIO, Protocol

import numpy as np

from ...errors import ReplayLogError, SourceError
from ...format.frame_format import GREY84, FrameFormat
from ...format.manifest import FileRecord
from ...stores.hashing_reader import HashingReader
from ..npy_header import NpyHeaderError, read_npy_header
from .fortran_rows import FortranRows
from .unpacking import DAMAGE, DamagedError, Stream, unpack

SKIP_BYTES = 1 << 20
"""Skipped rows are inflated in pieces of this many bytes."""

_CONVERTIBLE = {
    np.dtype(np.uint8): "iu",
    np.dtype(np.int32): "iu",
    np.dtype(np.int64): "iu",
    np.dtype(np.float32): "fiub",
}
"""The kinds of dtypes that are converted to each dtype where every value stays the same."""
FLAGS = "iubf"
"""The kinds of dtypes that flags are converted from."""


_ANOTHER = "it is whole but of another form, so leave it out or use another copy"


class Files(Protocol):
    """Opens files: a store, or a wrapper that keeps what it reads from one."""

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading forwards."""
        ...

    def describe(self, path: str) -> str:
        """Returns the file's full name, for messages."""
        ...


class ArrayFile:
    """A file with an array, unpacked as it is read; it holds no more in memory than one call returns.

    Rows come in order, each once. Checksums are compared at the end of the file, so only `finish` proves
    that what was read is intact. An array of another dtype is converted as long as every value stays exactly
    the same; axes of length 1 are dropped.

    Args:
        files: what opens the file.
        path: the file's path in `files`.
        dtype: the dtype of the rows that are returned.
        row_shape: the expected shape of one row; `()` for numbers; None for frames of any format.
        member: the array's name, if the file may hold several.
        kinds: the kinds of dtypes that may be converted; None for those that suit the dtype.

    Raises:
        ReplayLogError: from every method: the file is missing, truncated, damaged, pickled, or holds a
            different array, or a value that cannot be converted.
    """

    def __init__(
        self,
        files: Files,
        path: str,
        dtype: type[np.generic],
        row_shape: tuple[int, ...] | None,
        member: str = "",
        kinds: str | None = None,
    ) -> None:
        self.path = path
        self.where = files.describe(path)
        self._dtype = np.dtype(dtype)
        self.row_shape: tuple[int, ...] = () if row_shape is None else row_shape
        """The shape of one row."""
        self._is_any_frame = row_shape is None
        self._kinds = _CONVERTIBLE[self._dtype] if kinds is None else kinds
        self.conversions: list[str] = []
        """What is done to the array as it is stored, in words; empty if it is as in the bucket."""
        self._position = 0
        self._stream: Stream | None = None
        with self._reading():
            self._raw = HashingReader(files.open(path))
            try:
                self._stream = self._unpack(self._raw, member)
                self.rows = self._read_header(self._stream)
            except BaseException:
                self.close()
                raise

    def read(self, rows: int) -> np.ndarray:
        """Returns the next rows, read-only: shape (rows, *row_shape)."""
        assert self._stream is not None
        with self._reading():
            data = self._stream.read(rows * self._row_bytes)
        if len(data) < rows * self._row_bytes:
            found = self._position + len(data) // self._row_bytes
            raise ReplayLogError(
                f"{self.where}: ends after {found:,} of the {self.rows:,} rows that its header declares; "
                f"copy it again"
            )
        block = np.frombuffer(data, self._found).reshape(rows, *self.row_shape)
        if self._found != self._dtype:
            block = self._convert(block)
        self._position += rows
        return block

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
        assert self._stream is not None
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
        if self._stream is not None:
            self._stream.close()
        self._raw.close()

    def _unpack(self, raw: HashingReader, member: str) -> Stream:
        """Returns the bytes of the array."""
        return unpack(raw, member)

    def _read_header(self, stream: Stream) -> int:
        """Returns the array's number of rows, after checking that it can be read as the expected array."""
        try:
            header = read_npy_header(stream)
        except NpyHeaderError as error:
            raise self._unexpected(*error.args) from None
        found = header.dtype
        if found == np.dtype(object):
            raise self._unexpected(
                "pickled objects, which are never loaded", f"{self._dtype} values", _ANOTHER
            )
        if isinstance(found, str) or (found != self._dtype and found.kind not in self._kinds):
            raise self._unexpected(f"{found} values", f"{self._dtype} values", _ANOTHER)
        if found != self._dtype:
            self.conversions.append(f"{found} values read as {self._dtype}")
        rows, *row_shape = header.shape or (1,)
        if self._is_any_frame:
            self.row_shape = _frame_shape(row_shape)
        if tuple(length for length in row_shape if length != 1) != self.row_shape:
            expected = ", ".join(["rows", *map(str, self.row_shape)])
            raise self._unexpected(f"an array of shape {header.shape}", f"({expected})", _ANOTHER)
        if tuple(row_shape) != self.row_shape:
            shape = ", ".join(["rows", *map(str, row_shape)])
            self.conversions.append(f"shape ({shape}) read without its axes of length 1")
        self._found = found
        self._row_bytes = found.itemsize * math.prod(self.row_shape)
        if header.is_fortran and self.row_shape:
            self.conversions.append("Fortran order read in C order")
            self._stream = FortranRows(stream, rows, self.row_shape, found.itemsize, self.where)
        return rows

    def _convert(self, block: np.ndarray) -> np.ndarray:
        """Returns the same values in the expected dtype."""
        with np.errstate(over="ignore", invalid="ignore"):
            converted = block.astype(self._dtype)
        same = (converted.astype(block.dtype) == block) | ((block != block) & (converted != converted))
        # An unsigned value may come back from a negative number.
        if block.dtype.kind in "iuf":
            same &= np.less(block, 0) == np.less(converted, 0)
        if not same.all():
            at = np.argwhere(~same)[0]
            raise ReplayLogError(
                f"{self.where}: holds {block[tuple(at)]} in row {self._position + int(at[0]):,}, which is no "
                f"{self._dtype}; expected values that stay the same as {self._dtype}; use another copy"
            )
        converted.setflags(write=False)
        return converted

    def _unexpected(self, found: str, expected: str, advice: str = "copy it again") -> ReplayLogError:
        shown = found if len(found) <= 200 else f"{found[:200]}…"
        return ReplayLogError(f"{self.where}: holds {shown}, expected {expected}; {advice}")

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
                f"{self.where}: is cut short (the compressed stream has no end); copy it again"
            ) from None
        except (*DAMAGE, DamagedError) as error:  # pyright: ignore[reportGeneralTypeIssues]
            raise ReplayLogError(f"{self.where}: is damaged ({error}); copy it again") from None
        except OSError as error:
            reason = error.strerror or error
            raise ReplayLogError(
                f"{self.where}: cannot be read ({reason}); check that it is a file that you may read"
            ) from None


def _frame_shape(row_shape: Sequence[int]) -> tuple[int, ...]:
    """Returns the shape of frames, without axes of length 1; (84, 84) if no frame has this shape."""
    try:
        return FrameFormat.of_shape([length for length in row_shape if length != 1]).shape
    except ValueError:
        return GREY84.shape


def read_number(files: Files, path: str) -> tuple[int, FileRecord]:
    """Returns the integer in a file such as `add_count_ckpt.0.gz`, and the file's record.

    Raises:
        ReplayLogError: the file is missing, damaged, or does not hold an integer.
    """
    file = ArrayFile(files, path, np.int64, ())
    if file.rows != 1:
        file.close()
        raise ReplayLogError(f"{file.where}: holds {file.rows:,} numbers, expected one; {_ANOTHER}")
    number = int(file.read(1)[0])
    return number, file.finish()
