"""Opens files for random access once every byte of them has been read and hashed."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from ..errors import SourceError
from ..format.manifest import FileRecord
from .download_cache import no_room
from .store import Store

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class WholeFile:
    """A file that has been read to its end once."""

    where: str
    """The file's full name, for messages."""
    content: BinaryIO
    """The file at its beginning; it can seek."""
    record: FileRecord


@contextlib.contextmanager
def open_whole(store: Store, path: str) -> Iterator[WholeFile]:
    """Open a file for random access while the block lasts.

    A local file is read where it lies; one that is remote or in an archive, from an unnamed temporary copy.

    Args:
        store: the store that holds the file.
        path: the file's path in the store.

    Raises:
        SourceError: the file is missing, cannot be read, or changes while the block lasts; or there is no
            room for the copy.
    """
    where = store.describe(path)
    version = store.versions([path])[path] if store.is_local else None
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(store.open(path))
            copy = None
            if not (store.is_local and file.seekable()):
                copy = cast(BinaryIO, stack.enter_context(tempfile.TemporaryFile()))
            record = _read_through(file, copy, path, where)
        except FileNotFoundError:
            raise SourceError(f"{where}: no such file; copy it again") from None
        except OSError as error:
            reason = error.strerror or error
            raise SourceError(
                f"{where}: cannot be read ({reason}); check that it is a file that you may read"
            ) from None
        content = file if copy is None else copy
        content.seek(0)
        yield WholeFile(where, content, record)
    if store.is_local and store.versions([path])[path] != version:
        raise SourceError(f"{where}: has changed while it was read; run the same command again")


def _read_through(file: BinaryIO, copy: BinaryIO | None, path: str, where: str) -> FileRecord:
    size, sha256 = 0, hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        size += len(block)
        sha256.update(block)
        if copy is not None:
            try:
                copy.write(block)
            except OSError as error:
                raise no_room(where, error) from None
    return FileRecord(path, size, sha256.hexdigest())
