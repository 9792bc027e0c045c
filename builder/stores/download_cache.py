"""Remote files that are read more than once, downloaded once."""

import io
import tempfile
import threading
from collections.abc import Mapping
from typing import BinaryIO, cast

from ..errors import SourceError
from .store import BUFFER, Store

GROUPS_KEPT = 2


class KeptFiles:
    """Files of a store; those that are not local are kept for the next time that they are read.

    What is kept are the compressed bytes, in temporary files without a name, which vanish with the process:
    those of the two last groups, since reading goes forwards, and only while somebody holds them.

    Args:
        store: where the files lie.
        groups: the group of each path, e.g. its checkpoint.
    """

    def __init__(self, store: Store, groups: Mapping[str, int]) -> None:
        self._store = store
        self._groups = groups
        self._kept: dict[int, dict[str, _SharedFile]] = {}
        self._holders = 0
        # A reader that nobody closed lets go whenever garbage is collected, in any thread.
        self._lock = threading.RLock()

    def describe(self, path: str) -> str:
        """The file's name in messages."""
        return self._store.describe(path)

    def hold(self) -> None:
        """Begin to keep files."""
        with self._lock:
            self._holders += 1

    def let_go(self) -> None:
        """Keep nothing any more, once everyone who held has let go."""
        with self._lock:
            self._holders -= 1
            while self._kept and not self._holders:
                self._drop(min(self._kept))

    def abort(self) -> None:
        """End the downloads of the only one who holds; threads that wait for one get a CancelledError."""
        with self._lock:
            if self._holders == 1:
                for files in self._kept.values():
                    for file in files.values():
                        file.abort()

    def open(self, path: str) -> BinaryIO:
        """Open a file, to be read forwards."""
        group = self._groups.get(path)
        with self._lock:
            if self._store.is_local or group is None or not self._holders:
                return self._store.open(path)
            if not self._make_room(group):
                return self._store.open(path)
            files = self._kept.setdefault(group, {})
            if path in files and files[path].failed:
                files.pop(path).remove_user()
            if path not in files:
                files[path] = _SharedFile(self._store.open(path), self._store.describe(path))
            return io.BufferedReader(_Reader(files[path]), BUFFER)

    def _make_room(self, group: int) -> bool:
        """Whether a group is to be kept: it is next to those that are, and not behind them."""
        if group in self._kept or len(self._kept) < GROUPS_KEPT:
            return True
        ahead = [other for other in self._kept if other > group]
        if len(ahead) == len(self._kept):
            return False
        if ahead:
            # Only its header was looked at.
            self._drop(max(ahead))
            return True
        between = {other for other in self._groups.values() if max(self._kept) < other < group}
        if between:
            return False
        self._drop(min(self._kept))
        return True

    def _drop(self, group: int) -> None:
        for file in self._kept.pop(group).values():
            file.remove_user()


class _SharedFile:
    """A file and the copy of what was read of it: whoever comes to the copy's end first, reads on.

    It begins with one user, the one who keeps it; when there is none left, the files are closed.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        self._file = cast(io.BufferedReader, file)
        self._where = where
        self._copy = tempfile.TemporaryFile()  # noqa: SIM115
        self._copied = 0
        self._ended = False
        self.failed = False
        self._users = 1
        self._users_lock = threading.RLock()
        self._reading = threading.Lock()

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Bytes from an offset on, as many as are there; 0 at the end."""
        with self._reading:
            if offset < self._copied:
                self._copy.seek(offset)
                return self._copy.readinto(buffer[: self._copied - offset])
            if self._ended:
                return 0
            try:
                count = self._file.readinto1(buffer)
            except BaseException:
                self.failed = True
                raise
            self._ended = not count
            self._append(buffer[:count])
            return count

    def add_user(self) -> None:
        with self._users_lock:
            self._users += 1

    def remove_user(self) -> None:
        """Waits for nothing: the thread may be the one that the download itself needs, collecting garbage."""
        with self._users_lock:
            self._users -= 1
            is_last = not self._users
        if is_last:
            self._file.close()
            self._copy.close()

    def abort(self) -> None:
        """End the download, also for a thread that waits for it."""
        self.failed = True
        self._file.raw.close()

    def _append(self, data: memoryview) -> None:
        try:
            self._copy.seek(self._copied)
            self._copy.write(data)
            self._copy.flush()
        except OSError as error:
            self.failed = True
            raise SourceError(
                f"{self._where}: no room in {tempfile.gettempdir()} to keep it between two readings "
                f"({error.strerror}); set TMPDIR to a folder on another disk"
            ) from None
        self._copied += len(data)


class _Reader(io.RawIOBase):
    """A shared file from its beginning."""

    def __init__(self, file: _SharedFile) -> None:
        self._file = file
        self._offset = 0
        file.add_user()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        count = self._file.read_into(memoryview(buffer), self._offset)
        self._offset += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.remove_user()
        super().close()
