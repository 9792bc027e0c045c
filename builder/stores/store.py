"""Lists, opens and measures files below a root on any fsspec file system, and names them in messages."""

import errno
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar

import fsspec
import xxhash
from fsspec.asyn import AsyncFileSystem

from ..errors import SourceError
from ..network.at_once import at_once
from ..network.errors import describe_error, is_denied, status_of, without_credentials
from ..network.retrying import RequestFailedError, RetryPolicy
from .connections import Handle, Ranges
from .failures import source_error
from .file_version import FileVersion, file_version_of
from .resilient_reader import Connection, ResilientReader

__all__ = ["Store", "without_credentials"]

FIRST_CONTACT = 20.0
"""Seconds of patience until a store first answers: a wrong name is likelier than a bad network."""
BUFFER = 1 << 16
"""The buffer size in bytes."""
REQUESTS_AT_ONCE = 8
"""Concurrent requests for file sizes that a listing does not give."""

Result = TypeVar("Result")


class Store:
    """A folder, local or remote; paths are relative to it and never lead out of it.

    Reads of remote files are retried, resumed and checked; see `ResilientReader`.

    Args:
        url: a path or any URL that fsspec supports (`gs://…`, `s3://…`, `hf://…`, `memory://…`).
        storage_options: passed to the file system, except `patience`: the seconds without an answer after
            which a store is given up.

    Raises:
        SourceError: no file system supports the URL; from every method: the store cannot be reached, or
            refuses these credentials.
    """

    etag_is_md5 = False
    not_taken: Sequence[str] = ()
    """A line for everything that the store cannot show, known once it is open."""

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        options = dict(storage_options or {})
        self.policy = _policy(options.pop("patience", None))
        try:
            self.fs, root = self._file_system(url, options)
        except SourceError:
            raise
        except Exception as error:  # each library raises its own for a bad option
            raise SourceError(
                f"{without_credentials(url)}: not a source that can be opened ({describe_error(error)})"
            ) from None
        self.root = root.rstrip("/")
        # fsspec shares instances, and with them listings that may be stale.
        self.fs.invalidate_cache()
        self._answered = [False]
        self._versions: dict[str, FileVersion] = {}
        self._listings: dict[str, Sequence[str]] = {}

    def _file_system(self, url: str, options: dict[str, Any]) -> tuple[Any, str]:
        return fsspec.url_to_fs(url, **options)

    def below(self, folder: str) -> "Store":
        """Returns a store for a subfolder on the same file system."""
        store = object.__new__(type(self))
        store.__dict__.update(self.__dict__)
        store.root = f"{self.root}/{folder}"
        return store

    @property
    def is_local(self) -> bool:
        """Whether reading a file twice costs next to nothing."""
        protocols = self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,)
        return "file" in protocols or "memory" in protocols

    def list(self, folder: str) -> list[str]:
        """Returns the sorted names of the files and folders in a folder; a remote store is asked once.

        Raises:
            SourceError: there is no such folder, or it cannot be listed.
        """
        if self.is_local:
            return [*self._names(folder)]
        full = self._full(folder)
        if full not in self._listings:
            self._listings[full] = self._names(folder)
        return [*self._listings[full]]

    def _names(self, folder: str) -> Sequence[str]:
        try:
            entries = self._ask(lambda: self.fs.ls(self._full(folder), detail=True), folder, "listed")
        except (FileNotFoundError, NotADirectoryError):
            raise SourceError(f"{self.describe(folder)}: no such folder") from None
        names = set()
        for entry in entries:
            full = str(entry["name"]).rstrip("/")
            name = full.rpartition("/")[2]
            # Some stores list a folder's own placeholder within it.
            if is_plain_name(name) and full != self._full(folder):
                names.add(name)
                if entry.get("type") == "file":
                    path = self._full(f"{folder}/{name}" if folder else name)
                    self._versions[path] = self._version_of(entry)
        return sorted(names)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading forwards.

        Raises:
            FileNotFoundError: here or from `read`: the file does not exist.
        """
        if self.is_local:
            full = self._full(path)
            # Opening a pipe or a device could wait for ever, or never end.
            if self.fs.info(full).get("type") == "other":
                raise OSError(errno.EINVAL, "it is no regular file")
            return self.fs.open(full, "rb")
        return self.open_at(path, 0)

    def open_at(self, path: str, start: int) -> BinaryIO:
        """Open a file for reading forwards from a place in it; a store's checksum covers whole files only.

        Raises:
            FileNotFoundError: here or from `read`: the file does not exist.
        """
        if self.is_local:
            file = self.open(path)
            file.seek(start)
            return file
        reader = ResilientReader(
            lambda offset: self._connect(path, offset),
            lambda: self._ask(lambda: self._current_version(path), path),
            self.describe(path),
            self.policy,
            start,
        )
        return io.BufferedReader(reader, BUFFER)

    def parent(self) -> tuple["Store", str]:
        """Returns a store for the folder above, and the name of this one in it."""
        store = object.__new__(type(self))
        store.__dict__.update(self.__dict__)
        store.root, _, name = self.root.rpartition("/")
        return store, name

    def size(self, path: str) -> int | None:
        """Returns the size in bytes; None if the file does not exist or the store does not report it."""
        try:
            return self._version(path).size
        except OSError:
            return None

    def versions(self, paths: Sequence[str]) -> dict[str, FileVersion | None]:
        """Returns each file's version, or None if it does not exist; asks for several at once."""
        if self.is_local:
            return {path: self._version_if_there(path) for path in paths}
        return dict(zip(paths, at_once(self._version_if_there, paths, REQUESTS_AT_ONCE), strict=True))

    def fingerprint(self, folders: Iterable[str]) -> str:
        """Returns a string that changes when a file in these folders is added, removed or replaced."""
        return self.fingerprint_of([f"{folder}/{name}" for folder in folders for name in self.list(folder)])

    def fingerprint_of(self, paths: Sequence[str]) -> str:
        """Returns a string that changes when one of these files is removed or replaced."""
        lines = sorted(f"{path} {version}" for path, version in self.versions(paths).items())
        return xxhash.xxh3_64_hexdigest("\n".join(lines).encode())

    def describe(self, path: str = "") -> str:
        """Returns the full name of a file or folder for messages, without credentials."""
        return without_credentials(self.fs.unstrip_protocol(self._full(path))).removeprefix("file://")

    def _connect(self, path: str, offset: int) -> Connection:
        kind = Ranges if isinstance(self.fs, AsyncFileSystem) else Handle
        return kind(self.fs, self._full(path), self._version(path), offset)

    def _version(self, path: str) -> FileVersion:
        """Returns the version that the store first reported, which the content read must still match."""
        full = self._full(path)
        if self.is_local:
            return self._version_of(self.fs.info(full))
        if full not in self._versions:
            self._versions[full] = self._ask(lambda: self._version_of(self.fs.info(full)), path)
        return self._versions[full]

    def _version_if_there(self, path: str) -> FileVersion | None:
        try:
            return self._version(path)
        except OSError:
            return None

    def _current_version(self, path: str) -> FileVersion:
        self.fs.invalidate_cache()
        return self._version_of(self.fs.info(self._full(path)))

    def _version_of(self, info: Mapping[str, Any]) -> FileVersion:
        return file_version_of(info, etag_is_md5=self.etag_is_md5)

    def _ask(self, question: Callable[[], Result], path: str, verb: str = "read") -> Result:
        """Returns the store's answer, asking again after failures that may be temporary."""
        if self.is_local:
            return self._ask_disk(question, path, verb)
        policy = self.policy
        if not self._answered[0]:
            policy = replace(policy, seconds=min(FIRST_CONTACT, policy.seconds))

        def ask() -> Result:
            try:
                return question()
            except Exception as error:
                if status_of(error) == 404:
                    raise FileNotFoundError(path) from None
                if is_denied(error):
                    raise SourceError(f"{self.describe(path)}: {self._denied(verb, error)}") from None
                raise

        try:
            answer = policy.call(ask, FileNotFoundError, NotADirectoryError)
        except RequestFailedError as error:
            raise source_error(self.describe(path), error) from None
        except (SourceError, FileNotFoundError, NotADirectoryError):
            raise
        except Exception as error:  # each library raises its own for a bad request
            raise SourceError(f"{self.describe(path)}: cannot be {verb} ({describe_error(error)})") from None
        self._answered[0] = True
        return answer

    def _ask_disk(self, question: Callable[[], Result], path: str, verb: str) -> Result:
        try:
            return question()
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as error:
            raise SourceError(f"{self.describe(path)}: cannot be {verb} ({describe_error(error)})") from None

    def _denied(self, verb: str, error: Exception) -> str:
        """Returns the advice for a store that requires other credentials."""
        return f"cannot be {verb} ({describe_error(error)}); give credentials that may, see docs/sources.md"

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}".rstrip("/")


def is_plain_name(name: str) -> bool:
    """Returns whether a listed name is that of an entry directly in the folder, and nothing else."""
    return name not in ("", ".", "..") and not any(char in "/\\" or not char.isprintable() for char in name)


def _policy(patience: Any) -> RetryPolicy:
    if patience is None:
        return RetryPolicy()
    try:
        return RetryPolicy(seconds=float(patience))
    except (TypeError, ValueError):
        raise SourceError(f"patience={patience!r}: give a number of seconds") from None
