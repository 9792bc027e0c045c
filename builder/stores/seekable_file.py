"""A file of a store that can be read from any place."""

import io
from typing import BinaryIO, cast

from .store import Store


class SeekableFile(io.RawIOBase):
    """Reads a file from wherever it is put; remote files are read in as few requests as there are jumps.

    Args:
        store: the store that holds the file.
        path: the file's path in it.
    """

    def __init__(self, store: Store, path: str) -> None:
        self._store, self._path = store, path
        self._position = 0
        self._file: BinaryIO | None = None
        self._size = store.size(path)

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; nothing is read before `read`."""
        if whence == io.SEEK_END:
            if self._size is None:
                raise OSError(f"{self._store.describe(self._path)}: the server does not tell its size")
            offset += self._size
        elif whence == io.SEEK_CUR:
            offset += self._position
        if offset != self._position:
            self._drop()
            self._position = offset
        return offset

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill the buffer as far as a single read goes."""
        if self._file is None:
            self._file = self._store.open_at(self._path, self._position)
        data = cast(io.BufferedReader, self._file).read1(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._drop()
        super().close()

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
