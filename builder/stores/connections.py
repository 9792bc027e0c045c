"""Connections to files on fsspec's file systems."""

import io
from typing import Any

from ..errors import SourceError
from ..network.errors import without_credentials
from .file_version import FileVersion


class Ranges:
    """A file on a file system whose calls are requests: each block takes one."""

    pinned = False

    def __init__(self, fs: Any, path: str, version: FileVersion, offset: int) -> None:
        self._fs, self._path, self._offset = fs, path, offset
        self.version = version

    def read(self, most: int) -> bytes:
        """Returns the next bytes, at most `most`."""
        size = self.version.size
        stop = self._offset + most if size is None else min(self._offset + most, size)
        if stop <= self._offset:
            return b""
        data = self._fs.cat_file(self._path, start=self._offset, end=stop)
        if len(data) > stop - self._offset:
            raise SourceError(f"{without_credentials(self._path)}: the store does not answer range requests")
        self._offset += len(data)
        return data

    def close(self) -> None:
        """Do nothing, since no resource is held."""


class Handle:
    """A file on any other file system."""

    pinned = False

    def __init__(self, fs: Any, path: str, version: FileVersion, offset: int) -> None:
        self.version = version
        # Without fsspec's cache, which would read ahead a second time.
        self._file: io.BufferedIOBase = fs.open(path, "rb", cache_type="none")
        if offset:
            self._file.seek(offset)

    def read(self, most: int) -> bytes:
        """Returns the next bytes, at most `most`."""
        return self._file.read(most)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
