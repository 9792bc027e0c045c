"""Reads the files in an archive as if it were a folder: `.tar`, `.tar.gz` and `.zip`, local or remote.

Nothing is unpacked to disk. Each file has a reader of its own, so that several can be read at once.
"""

import contextlib
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import SourceError
from .file_version import FileVersion
from .gzip_seeking import SeekingGzip, SeekPoint
from .member_readers import InflatingReader, PartReader
from .seekable_file import SeekableFile
from .store import BUFFER, Store, is_plain_name

ARCHIVE = re.compile(r"(?P<stem>[^/]+)\.(?P<kind>tar|tar\.gz|tgz|zip)", re.IGNORECASE)
"""Names of archives that can be read."""
UNREADABLE = re.compile(r"[^/]+\.(tar\.(xz|zst|bz2)|tbz2?|txz|7z|rar)", re.IGNORECASE)
"""Names of archives in which no file can be reached without unpacking those before it."""
_MOST_MEMBERS = 1_000_000


@dataclass(frozen=True)
class _Member:
    """Where a file lies in the archive."""

    offset: int
    """Where its bytes begin; in a zip, its header."""
    size: int
    packed: int
    """The bytes that it takes in the archive."""
    crc: int | None = None
    """The checksum of its content, in a zip."""
    is_deflated: bool = False


class ArchiveStore(Store):
    """A folder in an archive.

    Args:
        container: the store of the folder that holds the archive.
        name: the archive's name in it.

    Raises:
        SourceError: the archive is missing, cut short or damaged.
    """

    def __init__(self, container: Store, name: str) -> None:
        self._container, self._name = container, name
        self.policy, self.root = container.policy, ""
        self._versions, self._listings, self._answered = {}, {}, [True]
        self._points: list[SeekPoint] = []
        match = ARCHIVE.fullmatch(name)
        assert match is not None
        self._kind = match["kind"].lower()
        self._version_of_archive = self._read_version()
        self._left_out: list[str] = []
        self._members = self._index()
        self.not_taken = tuple(self._left_out)
        self._folders: dict[str, set[str]] = {"": set()}
        for path in self._members:
            while path:
                folder, _, last = path.rpartition("/")
                self._folders.setdefault(folder, set()).add(last)
                path = folder

    @property
    def is_local(self) -> bool:
        """Whether reading a file twice costs next to nothing."""
        return self._container.is_local

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading forwards.

        Raises:
            FileNotFoundError: the file does not exist.
        """
        member = self._member(path)
        if self._kind == "zip":
            return io.BufferedReader(self._open_zipped(member), BUFFER)
        whole = SeekingGzip(self._open_archive(), self._points) if self._points else self._open_archive()
        return io.BufferedReader(PartReader(whole, member.offset, member.size), BUFFER)

    def describe(self, path: str = "") -> str:
        """Returns the full name of a file or folder for messages, without credentials."""
        return "/".join(filter(None, (self._container.describe(self._name), self._full(path))))

    def _names(self, folder: str) -> Sequence[str]:
        full = self._full(folder)
        if full not in self._folders:
            raise SourceError(f"{self.describe(folder)}: no such folder")
        return sorted(self._folders[full])

    def _version(self, path: str) -> FileVersion:
        member = self._member(path)
        return FileVersion(member.size, f"{self._version_of_archive.tag} {member.offset}")

    def _member(self, path: str) -> _Member:
        full = self._full(path)
        if full in self._folders:
            raise IsADirectoryError(21, "Is a directory", full)
        if full not in self._members:
            raise FileNotFoundError(2, "No such file", full)
        return self._members[full]

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}".strip("/")

    def _read_version(self) -> FileVersion:
        version = self._container.versions([self._name])[self._name]
        if version is None:
            raise SourceError(f"{self._container.describe(self._name)}: no such file")
        return version

    def _open_archive(self) -> io.RawIOBase:
        return SeekableFile(self._container, self._name)

    def _open_zipped(self, member: _Member) -> io.RawIOBase:
        raw = self._open_archive()
        raw.seek(member.offset)
        header = io.BufferedReader(raw, 64).read(30)
        begin = member.offset + 30 + int.from_bytes(header[26:28], "little")
        begin += int.from_bytes(header[28:30], "little")
        part = PartReader(raw, begin, member.packed)
        return InflatingReader(part, member.size, member.crc, is_deflated=member.is_deflated)

    def _index(self) -> dict[str, _Member]:
        """Returns the regular files of the archive whose names lie in it."""
        where = self.describe()
        index: dict[str, _Member] = {}
        try:
            with contextlib.closing(self._open_archive()) as raw:
                for name, member in (self._zip_members if self._kind == "zip" else self._tar_members)(raw):
                    path = _inner_path(name)
                    if path is None or member is None:
                        what = "is not a regular file" if path else "leads out of the archive"
                        self._left_out.append(f"{where}: found {name!r}, which {what}; expected plain files")
                    else:
                        index[path] = member  # as in tar, the last of a name counts
                    if len(index) > _MOST_MEMBERS:
                        raise SourceError(f"{where}: has more than {_MOST_MEMBERS:,} files; unpack it")
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise SourceError(
                f"{where}: is cut short or damaged ({error or 'it has no end'}), {len(index):,} files into "
                f"it; copy it again"
            ) from None
        return index

    def _zip_members(self, raw: io.RawIOBase) -> Iterator[tuple[str, _Member | None]]:
        with zipfile.ZipFile(io.BufferedReader(raw, BUFFER)) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                is_readable = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
                member = _Member(
                    info.header_offset,
                    info.file_size,
                    info.compress_size,
                    info.CRC,
                    info.compress_type == zipfile.ZIP_DEFLATED,
                )
                yield info.filename, member if is_readable and not info.flag_bits & 1 else None

    def _tar_members(self, raw: io.RawIOBase) -> Iterator[tuple[str, _Member | None]]:
        if self._kind != "tar":
            raw = SeekingGzip(raw, self._points, is_first=True)
        file = io.BufferedReader(raw, BUFFER)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (info := archive.next()) is not None:
                archive.members = []  # pyright: ignore[reportAttributeAccessIssue] # it would keep them all
                if not info.isdir():
                    is_plain = info.isreg() and not info.issparse()
                    yield info.name, _Member(info.offset_data, info.size, info.size) if is_plain else None
            # tarfile takes whatever it cannot read for the end.
            file.seek(archive.offset)  # pyright: ignore[reportAttributeAccessIssue]
            if file.read(512) != bytes(512):
                raise EOFError


def _inner_path(name: str) -> str | None:
    """Returns a member's path in the archive; None if it would lead elsewhere."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or not parts or not all(map(is_plain_name, parts)):
        return None
    return "/".join(parts)


def split_chain(url: str) -> tuple[str, str] | None:
    """Returns the inner folder and the archive's URL of fsspec's chaining: `zip://dqn::s3://bucket/logs.zip`."""
    outer, chained, inner = url.partition("::")
    scheme, _, folder = outer.partition("://")
    return (folder.strip("/"), inner) if chained and scheme in ("zip", "tar") else None
