"""Files that appear whole or not at all."""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

TEMPORARY_SUFFIX = ".incomplete"
"""Of files and folders that are being written; a rerun replaces them."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or a folder under a temporary name, renamed to `path` when the block ends well.

    What an earlier, killed attempt left is removed first; on an error nothing is left behind.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
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
