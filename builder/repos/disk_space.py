"""Says what is wrong when a disk is full or a folder cannot be written."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..errors import OutputError
from ..terminal.sizes import size_text

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def require_space(folder: Path, needed: int) -> None:
    """Refuse to start what will not fit.

    Args:
        folder: where the files go; it need not exist.
        needed: the bytes that they take.

    Raises:
        OutputError: less than that is free.
    """
    if _free(folder) < needed:
        raise _full(folder, needed)


@contextlib.contextmanager
def explaining_write_errors(folder: Path, needed: int) -> Iterator[None]:
    """Word the errors of writing into a folder for the user.

    Args:
        folder: where the files go.
        needed: the bytes that they take, to say how much is missing if the disk is full.

    Raises:
        OutputError: the disk is full, or a file cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(folder, needed) from None
        raise OutputError(f"{error.filename or folder}: cannot be written ({error.strerror})") from None


def _full(folder: Path, needed: int) -> OutputError:
    sizes = [size_text(number) for number in (needed, _free(folder))]
    return OutputError(
        f"{folder}: the disk is full or a quota is reached: {sizes[0]} needed, {sizes[1]} free; "
        "free some space and publish again, what is there already is kept"
    )


def _free(folder: Path) -> int:
    """Returns the free bytes of the nearest folder that exists."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(os.fspath(existing)).free
