"""Files that appear whole or not at all."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError

TEMPORARY_SUFFIX = ".incomplete"
"""The suffix of files and folders that are being written; a rerun replaces them."""

MOST_SMALL_BYTES = 64 << 20
"""The most bytes of a record or a card, which are read whole."""


@contextlib.contextmanager
def replacing(path: Path, *, hidden: bool = False) -> Iterator[Path]:
    """Write a file or a folder under a temporary name, renamed to `path` when the block ends well.

    What an earlier, killed attempt left is removed first; on an error nothing is left behind.

    Args:
        path: what is to appear.
        hidden: let the temporary name begin with a dot, so that a dataset's globs skip it.
    """
    temporary = path.with_name("." * hidden + path.name + TEMPORARY_SUFFIX)
    remove(temporary)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except BaseException:
        remove(temporary)
        raise


@contextlib.contextmanager
def writing_alone(folder: Path, otherwise: str = "") -> Iterator[None]:
    """Lock a folder on this machine against other processes that would write into it.

    A folder that was missing, and in which nothing was written, is removed in the end, so that a command that
    finds its input missing leaves nothing behind.

    Args:
        folder: created if it is missing, with its parents.
        otherwise: what the user can do instead of waiting, to end the message with.

    Raises:
        OutputError: another process has locked it.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        # The lock ends with the process, however that ends.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise OutputError(
            f"{folder}: another atari-dqn-replay is writing there; wait until it is done {otherwise}".rstrip()
        ) from None
    finally:
        with contextlib.suppress(OSError):  # the first that is not empty ends it
            for path in missing:
                path.rmdir()
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_small(path: Path) -> bytes:
    """Returns the content of a file that is expected to be small: a record, a card.

    Raises:
        OSError: it cannot be read, is no regular file, or has more than MOST_SMALL_BYTES.
    """
    # A pipe would otherwise keep the opening waiting for a writer.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        content = file.read(MOST_SMALL_BYTES + 1)
    if len(content) > MOST_SMALL_BYTES:
        raise OSError(errno.EFBIG, f"more than the {MOST_SMALL_BYTES:,} bytes that are allowed", str(path))
    return content


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
