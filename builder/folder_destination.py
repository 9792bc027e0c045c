"""Publishing into a folder."""

import contextlib
import errno
import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from .built_folder import RepoFile
from .destinations import Change, CheckpointChange, Destination, Snapshot
from .errors import OutputError
from .files import TEMPORARY_SUFFIX, remove, replacing, sha256_of
from .games import Game
from .progress import progress_bar
from .repo_folder import DATA_FOLDERS, check_repo_folder

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class FolderDestination(Destination):
    """A folder that holds a dataset repo, or nothing yet.

    Files appear under their names only when they are whole: a checkpoint's data first, its manifest once
    the data is in place, and the card last. A publication that was killed goes on when it is run again.
    """

    folder: Path

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def check(self, source: Path) -> None:
        """Refuse the built folder itself, and a folder that holds something else.

        Raises:
            OutputError: which it is.
        """
        here, there = self.folder.resolve(), source.resolve()
        if here == there or there in here.parents or here in there.parents:
            raise OutputError(f"{self.folder}: is, holds or lies in {source}; publish to another folder")
        check_repo_folder(self.folder)

    def snapshot(self, games: Collection[Game]) -> "FolderSnapshot":
        """What the folder holds of the games."""
        tops = [self.folder / top / game.slug for top in DATA_FOLDERS for game in games]
        paths = [path.relative_to(self.folder).as_posix() for top in tops for path in top.rglob("*")]
        return FolderSnapshot(
            self.folder, frozenset(path for path in paths if (self.folder / path).is_file())
        )


@dataclass(frozen=True)
class FolderSnapshot(Snapshot):
    """What a folder held when it was read."""

    folder: Path
    found: frozenset[str]

    @property
    def paths(self) -> Collection[str]:
        """All files of the games."""
        return self.found

    def holds(self, file: RepoFile) -> bool:
        """Compares sizes first, then SHA-256."""
        path = self.folder / file.path
        return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256

    def read(self, path: str) -> bytes | None:
        """The content of a small file; None if there is none."""
        place = self.folder / path
        return place.read_bytes() if place.is_file() else None

    def apply(self, change: Change) -> None:
        """Copy the files into the folder.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        try:
            require_space(self.folder, change.bytes)
            with progress_bar(description="publishing", unit="B", total=change.bytes) as bar:
                for checkpoint in change.checkpoints:
                    self._apply(checkpoint, bar)
                if change.card:
                    self._put(change.card, bar)
        except OSError as error:
            if error.errno in _FULL:
                raise _full(self.folder, change.bytes) from None
            raise OutputError(
                f"{error.filename or self.folder}: cannot be written ({error.strerror})"
            ) from None

    def _apply(self, change: CheckpointChange, bar: "tqdm") -> None:
        leftovers = [path for path in change.deletions if path.endswith(TEMPORARY_SUFFIX)]
        for path in leftovers:
            remove(self.folder / path)
        with contextlib.ExitStack() as renames:
            for file in change.data:
                _copy(file, renames.enter_context(replacing(self.folder / file.path)))
                bar.update(file.size)
            # From here to the new manifest none vouches for the checkpoint.
            if change.manifest:
                remove(self.folder / change.manifest.path)
            for path in set(change.deletions).difference(leftovers):
                remove(self.folder / path)
        if change.manifest:
            self._put(change.manifest, bar)

    def _put(self, file: RepoFile, bar: "tqdm") -> None:
        with replacing(self.folder / file.path) as temporary:
            _copy(file, temporary)
        bar.update(file.size)


def _copy(file: RepoFile, path: Path) -> None:
    with file.open() as source, path.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)


def require_space(folder: Path, needed: int) -> None:
    """Refuse to begin what will not fit.

    Args:
        folder: where it goes; it need not exist.
        needed: bytes.

    Raises:
        OutputError: less than that is free.
    """
    if _free(folder) < needed:
        raise _full(folder, needed)


def _full(folder: Path, needed: int) -> OutputError:
    sizes = [tqdm.format_sizeof(number, "B", 1000) for number in (needed, _free(folder))]
    return OutputError(
        f"{folder}: the disk is full or a quota is reached: {sizes[0]} needed, {sizes[1]} free; "
        "free some space and publish again, what is there already is kept"
    )


def _free(folder: Path) -> int:
    """Bytes; of the nearest folder that exists."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(os.fspath(existing)).free
