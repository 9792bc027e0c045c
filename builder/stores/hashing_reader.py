"""A file's bytes as they pass: how many so far, and their SHA-256."""

import hashlib
import io
from typing import BinaryIO, cast


class HashingReader(io.RawIOBase):
    """Wraps a buffered binary file that is read forwards; `size` and `sha256` tell what has passed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = cast(io.BufferedReader, file)
        self.size = 0
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill the buffer as far as one read goes."""
        data = self._file.read1(len(buffer))
        self.size += len(data)
        self.sha256.update(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file as well."""
        self._file.close()
        super().close()
