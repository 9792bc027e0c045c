"""Makes downloads that another thread can end, and downloads remote files once that are read twice."""

import io
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import BinaryIO, cast
from weakref import WeakSet

from ..errors import SourceError
from .store import BUFFER, Store


class Downloads:
    """Files of a store; waits for remote files can be aborted.

    Args:
        store: the store that holds the files.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._open: WeakSet[io.RawIOBase] = WeakSet()
        self._users = 0
        self._aborted = False
        """Whether what is being opened, on another thread, is to be closed at once."""
        # An unclosed reader is released by garbage collection, at any time and in any thread.
        self._lock = threading.RLock()

    def describe(self, path: str) -> str:
        """Returns the file's name in messages."""
        return self.store.describe(path)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading forwards.

        Raises:
            CancelledError: the downloads were aborted meanwhile.
        """
        file = self.store.open(path)
        if not self.store.is_local:
            with self._lock:
                if self._aborted:
                    file.close()
                    raise CancelledError
                self._open.add(cast(io.RawIOBase, cast(io.BufferedReader, file).raw))
        return file

    def hold(self) -> None:
        """Add a user."""
        with self._lock:
            self._users += 1
            self._aborted = False

    def release(self) -> None:
        """Remove a user."""
        with self._lock:
            self._users -= 1
            self._aborted = False

    def abort(self) -> None:
        """Abort the downloads of the only user; threads that wait for one get a CancelledError.

        Further ones can be opened when the user is removed or another is added.
        """
        with self._lock:
            if self._users == 1:
                self._aborted = True
                for raw in list(self._open):
                    raw.close()


class KeptFile:
    """One file that is read to its end, and then again from its beginning.

    If it is remote, its bytes are kept as they are read, in an unnamed temporary file that vanishes with the
    process or with the last reference to this object.

    Args:
        downloads: what opens the file.
        path: the file's path in the store.
    """

    def __init__(self, downloads: Downloads, path: str) -> None:
        self._downloads = downloads
        self._path = path
        self._copy: BinaryIO | None = None
        self._is_whole = False

    def describe(self, path: str) -> str:
        """Returns the file's name in messages."""
        return self._downloads.describe(path)

    def open(self, path: str) -> BinaryIO:
        """Open the file, or its copy once the file has been read to its end."""
        assert path == self._path
        if self._is_whole:
            assert self._copy is not None
            return io.BufferedReader(_CopyReader(self._copy), BUFFER)
        file = self._downloads.open(path)
        if self._downloads.store.is_local:
            return file
        self._copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
        return io.BufferedReader(_CopyingReader(file, self._keep, self._end), BUFFER)

    def _keep(self, data: memoryview) -> None:
        assert self._copy is not None
        try:
            self._copy.write(data)
            self._copy.flush()
        except OSError as error:
            raise no_room(self.describe(self._path), error) from None

    def _end(self) -> None:
        self._is_whole = True


def no_room(where: str, error: OSError) -> SourceError:
    """Returns the error for a temporary file that cannot be written."""
    return SourceError(
        f"{where}: no room in {tempfile.gettempdir()} to keep it between two readings ({error.strerror}); "
        f"set TMPDIR to a folder on another disk"
    )


class _CopyingReader(io.RawIOBase):
    """Wraps a file and passes every byte on as it is read."""

    def __init__(self, file: BinaryIO, keep: Callable[[memoryview], None], end: Callable[[], None]) -> None:
        self._file = cast(io.BufferedReader, file)
        self._keep, self._end = keep, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        count = self._file.readinto1(buffer)
        if count:
            self._keep(memoryview(buffer)[:count])
        else:
            self._end()
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _CopyReader(io.RawIOBase):
    """Reads a file on disk from its beginning, independently of its other readers."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        count = os.preadv(self._file.fileno(), [buffer], self._offset)
        self._offset += count
        return count
