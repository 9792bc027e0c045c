"""Reads TFRecord files: consecutive records, each with one checksum of its length and one of its data.

A record is its length (8 bytes, little endian), the masked CRC-32C of those bytes, the data, and the masked
CRC-32C of the data (`tensorflow/core/lib/io/record_writer.h` and `lib/hash/crc32c.h`). The file may be
gzipped.
"""

import contextlib
import io
import struct
from collections.abc import Generator, Iterator

import google_crc32c
from isal import igzip, isal_zlib

from ...errors import SourceError
from ...format.manifest import FileRecord
from ...stores.hashing_reader import HashingReader
from ...stores.store import Store

LONGEST_RECORD = 256 << 20
"""The most bytes in a record: an episode of 27,001 frames takes 200 MB when PNG cannot compress them."""

_READ_BYTES = 1 << 20
_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_MASK = 0xA282EAD8


class RecordFile:
    """A TFRecord file, read forwards once; memory holds the current record.

    Args:
        store: the store that holds the file.
        path: the file's path in the store.
        gzipped: whether the file as a whole is gzipped.

    Raises:
        SourceError: from every method: the file is missing, cut short or damaged.
    """

    def __init__(self, store: Store, path: str, *, gzipped: bool) -> None:
        self.path = path
        self.where = store.describe(path)
        with self._reading():
            self._raw = HashingReader(store.open(path))
            self._stream = (
                igzip.IGzipFile(fileobj=self._raw, mode="rb")
                if gzipped
                else io.BufferedReader(self._raw, _READ_BYTES)
            )
        self.records = 0
        """The number of records read so far."""

    def __iter__(self) -> Generator[bytes, None, None]:
        """Yield the data of each record, checked; at the end, check the end of the file as well."""
        while (data := self._next()) is not None:
            yield data

    def finish(self) -> FileRecord:
        """Read the rest without parsing records, and return the whole file's record."""
        with self._reading():
            while self._stream.read(_READ_BYTES):
                pass
        self.close()
        return FileRecord(self.path, self._raw.size, self._raw.sha256.hexdigest())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._raw.close()

    def _next(self) -> bytes | None:
        head = self._read(_LENGTH.size)
        if not head and self._raw.size > 0:
            return None
        (length,) = _LENGTH.unpack(self._checked(head, _LENGTH.size))
        if length > LONGEST_RECORD:
            raise self._damaged(f"it claims {length:,} bytes, more than any episode has")
        data = self._checked(self._read(length), length)
        self.records += 1
        return data

    def _checked(self, data: bytes, size: int) -> bytes:
        """Returns the data after comparing it with the checksum that follows it."""
        checksum = self._read(_CHECKSUM.size)
        if len(data) < size or len(checksum) < _CHECKSUM.size:
            raise SourceError(f"{self.where}: is cut short in record {self.records}; copy it again")
        if _CHECKSUM.unpack(checksum)[0] != masked_checksum(data):
            raise self._damaged("its checksum differs")
        return data

    def _read(self, size: int) -> bytes:
        """Returns the next bytes, fewer only at the end of the file."""
        with self._reading():
            return self._stream.read(size)

    def _damaged(self, reason: str) -> SourceError:
        return SourceError(f"{self.where}: record {self.records} is damaged ({reason}); copy the file again")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn exceptions from the file system and the inflater into one error that names the file."""
        try:
            yield
        except FileNotFoundError:
            raise SourceError(f"{self.where}: no such file") from None
        except EOFError:
            raise SourceError(
                f"{self.where}: is cut short (the gzip stream has no end); copy it again"
            ) from None
        except (igzip.BadGzipFile, isal_zlib.error, OverflowError) as error:  # pyright: ignore[reportGeneralTypeIssues]
            raise SourceError(f"{self.where}: is damaged ({error}); copy it again") from None
        except OSError as error:
            reason = error.strerror or error
            raise SourceError(f"{self.where}: cannot be read ({reason}); try again") from None


def masked_checksum(data: bytes) -> int:
    """Returns a record's CRC-32C, rotated and offset as the format specifies."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF
