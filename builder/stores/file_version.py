"""Describes what a store reports about a file: its size, its version, and its checksum where there is one."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import google_crc32c

_VERSIONS = ("generation", "ETag", "etag", "VersionId", "xet_hash", "blob_id")
_TIMES = ("mtime", "LastModified", "last_modified", "Last-Modified", "updated", "modified", "created")
NO_CHECKSUM = ("none", "")
"""The marker for a checksum that turned out, on a closer look at the store, not to be one."""
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class FileVersion:
    """A version of a file; equal versions mean the same content, as far as the store reports."""

    size: int | None
    """The size in bytes."""
    tag: str | None = None
    """The store's name for this content: a generation, an ETag or a time."""
    checksum: tuple[str, str] | None = field(default=None, compare=False)
    """The algorithm (sha256, crc32c or md5) and the digest in hexadecimal."""

    def agrees(self, other: "FileVersion") -> bool:
        """Returns whether both may have the same content; fields known to only one of them are ignored."""
        pairs = ((self.size, other.size), (self.tag, other.tag))
        return all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)


def file_version_of(info: Mapping[str, Any], *, etag_is_md5: bool = False) -> FileVersion:
    """Returns the version in a file system's details of a file.

    Args:
        info: the details, as gcsfs, s3fs, huggingface_hub or another fsspec file system returns them.
        etag_is_md5: whether an ETag that looks like an MD5 is one: on S3, for objects uploaded in one part.
    """
    known = [info[key] for key in (*_VERSIONS, *_TIMES) if info.get(key)]
    size = info.get("size")
    return FileVersion(
        int(size) if size is not None else None,
        str(known[0]) if known else None,
        _checksum(info, etag_is_md5),
    )


def _checksum(info: Mapping[str, Any], etag_is_md5: bool) -> tuple[str, str] | None:
    lfs = info.get("lfs")
    sha256 = lfs.get("sha256") if isinstance(lfs, Mapping) else getattr(lfs, "sha256", None)
    if sha256:
        return "sha256", str(sha256).lower()
    etag = str(info.get("ETag") or "").strip('"')
    if etag_is_md5 and _MD5.fullmatch(etag):
        return "md5", etag
    for key, algorithm in (("crc32c", "crc32c"), ("md5Hash", "md5"), ("Content-MD5", "md5")):
        if info.get(key):
            try:
                return algorithm, base64.b64decode(str(info[key]), validate=True).hex()
            except binascii.Error:
                continue
    return None


class Digest(Protocol):
    """The interface of hashlib's objects."""

    def update(self, data: bytes, /) -> object:
        """Add the next bytes."""

    def hexdigest(self) -> str:
        """Returns the digest of all bytes so far."""
        ...


def digest_of(checksum: tuple[str, str] | None) -> Digest | None:
    """Returns an empty digest of the checksum's algorithm, to update and compare; None without a checksum."""
    if checksum is None:
        return None
    return _Crc32c() if checksum[0] == "crc32c" else hashlib.new(checksum[0], usedforsecurity=False)


class _Crc32c:
    def __init__(self) -> None:
        self._checksum = google_crc32c.Checksum()

    def update(self, data: bytes, /) -> None:
        self._checksum.update(data)

    def hexdigest(self) -> str:
        return self._checksum.digest().hex()
