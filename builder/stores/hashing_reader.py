"""Counts and hashes a file's bytes as they are read."""

import hashlib
import io
from typing import BinaryIO, cast


class HashingReader(io.RawIOBase):
    """Wraps a buffered binary file that is read forwards; `size` and `sha256` cover the bytes read so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = cast(io.BufferedReader, file)
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._ahead = b""

    def peek(self, count: int) -> bytes:
        """Returns the next `count` bytes, fewer at the end, without consuming them."""
        while len(self._ahead) < count and (data := self._read(count - len(self._ahead))):
            self._ahead += data
        return self._ahead[:count]

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill the buffer as far as a single read goes."""
        data = self._ahead[: len(buffer)] or self._read(len(buffer))
        self._ahead = self._ahead[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

    def _read(self, count: int) -> bytes:
        data = self._file.read1(count)
        self.size += len(data)
        self.sha256.update(data)
        return data

    def close(self) -> None:
        """Close this reader and the file."""
        self._file.close()
        super().close()
