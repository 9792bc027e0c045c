"""Publishes into a folder."""

import contextlib
import os
import shutil
import stat
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ..errors import OutputError
from ..files import TEMPORARY_SUFFIX, remove, replacing, sha256_of, writing_alone
from ..format.games import ALL_GAMES, Game
from ..format.layout import CARD, GAME_FOLDERS
from ..terminal.progress import progress_bar
from .built_folder import raise_unless_missing
from .destination import (
    Change,
    CheckpointChange,
    Destination,
    DestinationChangedError,
    Snapshot,
    UploadLostError,
)
from .disk_space import explaining_write_errors, require_space
from .outgoing_file import OutgoingFile
from .repo_folder import check_repo_folder, manifests_first, read_repo_file

UPLOADS = f".uploads{TEMPORARY_SUFFIX}"
"""The folder of files that were uploaded ahead, each under its SHA-256."""

_Marks = Mapping[str, tuple[int, int, int]]
"""Inode, size and change time of each file, by its path in the repo: they show whether it was replaced."""


@dataclass(frozen=True)
class FolderDestination(Destination):
    """A folder that holds a dataset repo, or nothing yet.

    Files appear under their names only when they are complete: a checkpoint's data first, its manifest once
    the data is in place, and the card last. While a checkpoint is replaced, the card does not mention it. A
    publication that was killed continues when it is run again.
    """

    folder: Path

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def check(self, source: Path | None = None) -> None:
        """Reject the built folder itself, and a folder that holds something else.

        Raises:
            OutputError: the folder is one of these.
        """
        if source is not None:
            here, there = self.folder.resolve(), source.resolve()
            if here == there or there in here.parents or here in there.parents:
                raise OutputError(f"{self.folder}: is, holds or lies in {source}; publish to another folder")
        check_repo_folder(self.folder)

    def upload(self, files: Sequence[OutgoingFile]) -> None:
        """Copy the files to where a change finds them by their SHA-256.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        with explaining_write_errors(self.folder, sum(file.size for file in files)):
            for file in files:
                place = uploaded(self.folder, file)
                if not _has_size(place, file.size):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    _upload(file, place)

    @contextlib.contextmanager
    def uploading_alone(self) -> Iterator[None]:
        """Lock the folder of uploads: the publication that ends first would discard those of all.

        Raises:
            OutputError: another publication has locked it, or the folder cannot be written.
        """
        with contextlib.ExitStack() as lock:
            with explaining_write_errors(self.folder, 0):
                lock.enter_context(writing_alone(self.folder / UPLOADS))
            yield

    def discard_uploads(self) -> None:
        """Remove uploads that no change has named."""
        with explaining_write_errors(self.folder, 0):
            remove(self.folder / UPLOADS)

    def games(self) -> list[Game]:
        """Returns the games that have files here; a removal that was killed may have left empty folders."""
        return [game for game in ALL_GAMES if next(_files(self.folder, [game]), None) is not None]

    def snapshot(self, games: Collection[Game]) -> "FolderSnapshot":
        """Returns what the folder holds of the games.

        Raises:
            OutputError: a folder in it cannot be listed.
        """
        try:
            return FolderSnapshot(self.folder, tuple(games), _marks(self.folder, games))
        except OSError as error:
            raise OutputError(f"{error.filename or self.folder}: cannot be read ({error.strerror})") from None


@dataclass(frozen=True)
class FolderSnapshot(Snapshot):
    """What a folder held when it was read."""

    folder: Path
    games: tuple[Game, ...]
    marks: _Marks
    """The marks of the games' files and the card."""

    @property
    def paths(self) -> Collection[str]:
        """All files of the games."""
        return self.marks.keys() - {CARD}

    def size(self, path: str) -> int | None:
        """Returns the size of a file in bytes; None if it is not there."""
        return self.marks[path][1] if path in self.marks else None

    def holds(self, file: OutgoingFile) -> bool:
        """Returns whether a file is there with the same content: compares sizes first, then SHA-256."""
        path = self.folder / file.path
        return _has_size(path, file.size) and sha256_of(path) == file.sha256

    def blob_id(self, path: str) -> str:
        """Returns Git's name for a small file's content."""
        return OutgoingFile.of_bytes(path, self.read(path) or b"").blob_id()

    def read(self, path: str) -> bytes | None:
        """Returns the content of a small file; None if there is none.

        Raises:
            OutputError: it cannot be read.
        """
        place = self.folder / path
        return read_repo_file(place) if place.exists() else None

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Returns the bytes of a file from `start` up to `end`, which lies in it.

        Raises:
            OutputError: they cannot be read.
        """
        try:
            with (self.folder / path).open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        except OSError as error:
            raise OutputError(f"{self.folder / path}: cannot be read ({error.strerror})") from None

    def apply(self, change: Change) -> None:
        """Put the files into the folder.

        Raises:
            DestinationChangedError: someone else has changed the folder since it was read.
            UploadLostError: files that were uploaded ahead are gone.
            OutputError: the disk is full, the folder cannot be written, or another process writes there.
        """
        if not change.writes and not change.deletions:
            return
        uploads = [file for file in change.writes if file.content is None]
        needed = change.bytes - sum(file.size for file in uploads)
        with explaining_write_errors(self.folder, needed), writing_alone(self.folder):
            if _marks(self.folder, self.games) != self.marks:
                raise DestinationChangedError
            if lost := [
                file.path for file in uploads if not _has_size(uploaded(self.folder, file), file.size)
            ]:
                raise UploadLostError(str(self.folder), lost)
            require_space(self.folder, needed)
            with progress_bar(description="publishing", unit="B", total=change.bytes) as bar:
                if change.interim_card:
                    self._put(change.interim_card, bar)
                for checkpoint in change.checkpoints:
                    self._apply(checkpoint, bar)
                for page in change.pages:
                    self._put(page, bar)
                if change.card and change.card != change.interim_card:
                    self._put(change.card, bar)
                for path in change.page_deletions:
                    self._delete(path)
            for file in uploads:
                remove(uploaded(self.folder, file))

    def _apply(self, change: CheckpointChange, bar: "tqdm") -> None:
        leftovers = [path for path in change.deletions if path.endswith(TEMPORARY_SUFFIX)]
        for path in leftovers:
            self._delete(path)
        with contextlib.ExitStack() as renames:
            for file in change.data:
                self._write(file, renames.enter_context(replacing(self.folder / file.path)))
                bar.update(file.size)
            # From here to the new manifest, none vouches for the checkpoint.
            if change.manifest:
                remove(self.folder / change.manifest.path)
            for path in manifests_first(set(change.deletions).difference(leftovers)):
                self._delete(path)
        if change.manifest:
            self._put(change.manifest, bar)

    def _delete(self, path: str) -> None:
        """Delete a file, and the folders that are empty then."""
        remove(self.folder / path)
        for parent in (self.folder / path).relative_to(self.folder).parents[:-1]:
            try:
                (self.folder / parent).rmdir()
            except OSError:
                break

    def _put(self, file: OutgoingFile, bar: "tqdm") -> None:
        with replacing(self.folder / file.path) as temporary:
            self._write(file, temporary)
        bar.update(file.size)

    def _write(self, file: OutgoingFile, path: Path) -> None:
        if file.content is None:
            _link(uploaded(self.folder, file), path)
        else:
            _copy(file, path)


def uploaded(folder: Path, file: OutgoingFile) -> Path:
    """Returns the path of a file that was uploaded ahead."""
    return folder / UPLOADS / file.sha256


def _marks(folder: Path, games: Collection[Game]) -> _Marks:
    """Returns the marks of the card and the games' files; skips what disappears meanwhile."""
    marks = {}
    for path in (folder / CARD, *_files(folder, games)):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                mark = (status.st_ino, status.st_size, status.st_mtime_ns)
                marks[path.relative_to(folder).as_posix()] = mark
    return marks


def _files(folder: Path, games: Collection[Game]) -> Iterator[Path]:
    for top in (folder / top / game.slug for top in GAME_FOLDERS for game in games):
        for place, _, names in os.walk(top, onerror=raise_unless_missing):
            yield from (Path(place) / name for name in names)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _upload(file: OutgoingFile, place: Path) -> None:
    """Copy a file under a name of its own until it is complete: another process may be uploading the same."""
    whole = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
    try:
        _copy(file, whole)
        whole.replace(place)
    except BaseException:
        remove(whole)
        raise


def _copy(file: OutgoingFile, path: Path) -> None:
    with file.open() as source, path.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)


def _link(place: Path, path: Path) -> None:
    """Add a second name, so that the first one still exists if the process is killed in between."""
    try:
        path.hardlink_to(place)
    except OSError:  # a file system without links
        shutil.copyfile(place, path)
