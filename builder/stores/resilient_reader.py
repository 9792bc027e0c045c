"""Reads a remote file as one unbroken stream: ahead of use, resumed after failures, and verified at the end.

It does not rely on how the store's client handles failures, so all stores behave alike.
"""

import contextlib
import io
import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from typing import Protocol

from ..errors import SourceError, UnreachableError
from ..network.retrying import Attempts, RequestFailedError, RetryPolicy
from .failures import source_error
from .file_version import NO_CHECKSUM, Digest, FileVersion, digest_of

FIRST_BLOCK = 1 << 13
"""The first block's bytes: enough for a header, so that looking at one costs little."""
LARGEST_BLOCK = 1 << 22
"""The largest block's bytes; blocks grow towards it."""
GROWTH = 8
BLOCKS_AHEAD = 2
"""Blocks read on a thread while the last one is used: at most 16 MiB are held for a file."""


_POLL = 0.2
"""Seconds within which a waiting thread notices that it is no longer needed."""


class Connection(Protocol):
    """A file from some offset on; any call may fail."""

    version: FileVersion
    """The version of the content, as far as it is known so far."""
    pinned: bool
    """Whether the version came with the bytes; if not, the store is asked again at the end."""

    def read(self, most: int) -> bytes:
        """Returns the next bytes, at most `most`; none at the end."""
        ...

    def close(self) -> None:
        """Close the connection."""


class ResilientReader(io.RawIOBase):
    """Reads a remote file from its first byte to its last, each once.

    Nothing is read before the first `read`, and only the first block before the second.

    Args:
        connect: opens the file from an offset.
        current_version: asks the store for the file's current version.
        where: the file's name in messages.
        policy: when to give up.
        start: the offset at which to begin; if it is not 0, there is no checksum to compare.

    Raises:
        SourceError: from `read`: the file is unavailable, changed meanwhile, or does not match the store's
            checksum. The check comes at the end of the stream, so earlier bytes are proved only by reading to
            the end.
    """

    def __init__(
        self,
        connect: Callable[[int], Connection],
        current_version: Callable[[], FileVersion],
        where: str,
        policy: RetryPolicy,
        start: int = 0,
    ) -> None:
        self._start = start
        self._connect = connect
        self._current_version = current_version
        self._where = where
        self._policy = policy
        self._stop = threading.Event()
        self._ahead: _Ahead | None = None
        self._held = memoryview(b"")

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill the buffer with the next available bytes; return 0 at the end."""
        if not self._held:
            self._held = memoryview(self._next_block())
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        self._held = self._held[count:]
        return count

    def close(self) -> None:
        """Close the connection and the thread, without waiting for either.

        Another thread may call it: a waiting `read` then ends with CancelledError.
        """
        self._stop.set()
        if self._ahead is not None:
            self._ahead.cancel()
        super().close()

    def _next_block(self) -> bytes:
        if self._ahead is None:
            self._ahead = _Ahead(self._read_blocks(), self._stop)
        try:
            return self._ahead.next(self._policy.seconds * 2)
        except queue.Empty:
            raise UnreachableError(
                f"{self._where}: given up: no answer for {self._policy.seconds * 2:.0f} s; try the same "
                f"command again later: finished checkpoints stay"
            ) from None

    def _read_blocks(self) -> Generator[bytes, None, None]:
        """Yield all blocks, however often the connection breaks."""
        attempts = Attempts(self._policy, self._stop)
        offset, most = self._start, FIRST_BLOCK
        version: FileVersion | None = None
        digest: Digest | None = None
        connection: Connection | None = None
        try:
            while not self._stop.is_set():
                try:
                    connection = connection or self._connect(offset)
                    block = connection.read(most)
                    version = self._same(version, connection.version)
                    if not block and version.size is not None and offset < version.size:
                        missing = version.size - offset
                        raise ConnectionError(f"the connection ended {missing:,} bytes too early")
                except (SourceError, FileNotFoundError):
                    raise
                except Exception as error:
                    if connection is not None:
                        connection.close()
                        connection = None
                    try:
                        attempts.failed(error)
                    except RequestFailedError as failure:
                        raise source_error(self._where, failure, f" at byte {offset:,}") from None
                    continue
                if not block:
                    self._check_end(version, digest, offset, connection.pinned)
                    return
                attempts.succeeded()
                digest = digest or (None if self._start else digest_of(version.checksum))
                if digest is not None:
                    digest.update(block)
                offset += len(block)
                most = min(LARGEST_BLOCK, most * GROWTH)
                yield block
        finally:
            if connection is not None:
                connection.close()

    def _same(self, before: FileVersion | None, now: FileVersion) -> FileVersion:
        if before is not None and not before.agrees(now):
            raise self._changed(before, now)
        return before or now

    def _changed(self, before: FileVersion, now: FileVersion) -> SourceError:
        return SourceError(
            f"{self._where}: changed while it was read (it had {_describe(before)}, now {_describe(now)}); "
            f"run the same command again when nothing else writes to the source"
        )

    def _check_end(self, version: FileVersion, digest: Digest | None, read: int, pinned: bool) -> None:
        if version.size is not None and read > version.size:
            raise SourceError(
                f"{self._where}: {read:,} bytes arrived, but the store says that it has {version.size:,}; "
                f"run the same command again, and if it is the same, copy the file again"
            )
        algorithm, expected = version.checksum or ("", "")
        if pinned if digest is None else digest.hexdigest() == expected:
            return
        now = self._current_version()
        if not version.agrees(now):
            raise self._changed(version, now)
        if digest is None or now.checksum == NO_CHECKSUM:
            return
        raise SourceError(
            f"{self._where}: arrived damaged: its {algorithm} is {digest.hexdigest()}, but the store says "
            f"{expected}; run the same command again, and if it is the same, copy the file again"
        )


class _Ahead:
    """Makes blocks on a thread of its own, a few ahead of the reader.

    It uses a daemon thread and not an executor: a hanging client must not keep the process from exiting.
    """

    def __init__(self, blocks: Generator[bytes, None, None], stop: threading.Event) -> None:
        self._queue: queue.Queue[bytes | BaseException] = queue.Queue(BLOCKS_AHEAD)
        self._stop = stop
        self._asked = 0
        self._second_wanted = threading.Event()
        self._ended: bytes | BaseException | None = None
        threading.Thread(target=self._run, args=(blocks,), name="download", daemon=True).start()

    def next(self, seconds: float) -> bytes:
        """Returns the next block, or an empty one after the last; raises what ended the blocks early."""
        self._asked += 1
        if self._asked == 2:
            self._second_wanted.set()
        item = self._wait(seconds) if self._ended is None else self._ended
        if isinstance(item, BaseException):
            self._ended = item
            raise item
        if not item:
            self._ended = item
        return item

    def _wait(self, seconds: float) -> bytes | BaseException:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._stop.is_set():
                return CancelledError()
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=_POLL)
        raise queue.Empty

    def cancel(self) -> None:
        """End the thread once `stop` is set."""
        self._second_wanted.set()

    def _run(self, blocks: Generator[bytes, None, None]) -> None:
        end: bytes | BaseException = b""
        try:
            with contextlib.closing(blocks):
                for block in blocks:
                    self._put(block)
                    self._second_wanted.wait()
        except BaseException as error:
            end = error
        self._put(end)

    def _put(self, item: bytes | BaseException) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_POLL)
                return


def _describe(version: FileVersion) -> str:
    size = "an unknown size" if version.size is None else f"{version.size:,} bytes"
    return f"{size}, version {version.tag}" if version.tag else size
