"""Files below a root, on any fsspec file system: listed, opened, measured, and named in messages."""

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

import fsspec
import xxhash

from .errors import SourceError


class Store:
    """A folder, local or not; paths are relative to it and never lead out of it.

    Args:
        url: a path or any URL that fsspec knows (`gs://…`, `s3://…`, `hf://…`, `memory://…`).
        storage_options: passed to the file system.

    Raises:
        SourceError: no file system knows such a URL.
    """

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        try:
            self.fs, root = fsspec.url_to_fs(url, **dict(storage_options or {}))
        except (ValueError, ImportError) as error:
            raise SourceError(
                f"{without_credentials(url)}: not a source that can be opened ({error})"
            ) from None
        self.root = root.rstrip("/")

    def below(self, folder: str) -> "Store":
        """The same file system from a folder on."""
        store = object.__new__(Store)
        store.fs, store.root = self.fs, f"{self.root}/{folder}"
        return store

    @property
    def is_local(self) -> bool:
        """Whether reading a file twice costs next to nothing."""
        protocols = self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,)
        return "file" in protocols

    def list(self, folder: str) -> list[str]:
        """Names of the files and folders in a folder, sorted.

        Raises:
            SourceError: there is no such folder, or it cannot be listed.
        """
        try:
            entries = self.fs.ls(self._full(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            raise SourceError(f"{self.describe(folder)}: no such folder") from None
        except OSError as error:
            raise SourceError(f"{self.describe(folder)}: cannot be listed ({error})") from None
        return sorted(name for name in (entry.rstrip("/").rpartition("/")[2] for entry in entries) if name)

    def open(self, path: str) -> BinaryIO:
        """Open a file, to be read forwards."""
        return self.fs.open(self._full(path), "rb")

    def size(self, path: str) -> int | None:
        """Bytes; None if the file is not there or the store does not say."""
        try:
            return self.fs.info(self._full(path)).get("size")
        except OSError:
            return None

    def fingerprint(self, folders: Iterable[str]) -> str:
        """Changes when a file in these folders is added, removed or replaced by another."""
        entries = [entry for folder in folders for entry in self.fs.ls(self._full(folder), detail=True)]
        known = ("name", "size", "mtime", "ETag", "etag", "md5Hash", "crc32c", "LastModified")
        stamps = sorted(str([entry.get(key) for key in known]) for entry in entries)
        return xxhash.xxh3_64_hexdigest("\n".join(stamps).encode())

    def describe(self, path: str = "") -> str:
        """The full name of a file or folder, for messages: without credentials."""
        return without_credentials(self.fs.unstrip_protocol(self._full(path))).removeprefix("file://")

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}".rstrip("/")


def without_credentials(url: str) -> str:
    """The URL as it may be shown: no user, password or query, where signatures travel."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
