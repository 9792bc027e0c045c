"""Files that appear whole or not at all."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError

TEMPORARY_SUFFIX = ".incomplete"
"""Of files and folders that are being written; a rerun replaces them."""


@contextlib.contextmanager
def replacing(path: Path, *, hidden: bool = False) -> Iterator[Path]:
    """Write a file or a folder under a temporary name, renamed to `path` when the block ends well.

    What an earlier, killed attempt left is removed first; on an error nothing is left behind.

    Args:
        path: what is to appear.
        hidden: let the temporary name begin with a dot, so that a dataset's globs pass over it.
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
    """Keep other processes that ask for the same from writing into a folder, on this machine.

    Args:
        folder: made if it is not there.
        otherwise: what one can do instead of waiting.

    Raises:
        OutputError: another one is at it.
    """
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
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
