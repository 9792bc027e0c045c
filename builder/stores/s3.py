"""Reads buckets on S3 and compatible stores."""

from dataclasses import replace
from typing import Any

import fsspec

from ..errors import SourceError
from .file_version import NO_CHECKSUM, FileVersion
from .store import Store


class S3Store(Store):
    """A folder in a bucket. An object's ETag is its MD5 if it was uploaded in one part and without KMS.

    If no credentials are found, requests are anonymous.

    Raises:
        SourceError: s3fs is not installed.
    """

    etag_is_md5 = True

    def _file_system(self, url: str, options: dict[str, Any]) -> tuple[Any, str]:
        try:
            file_system: Any = fsspec.get_filesystem_class("s3")
        except ImportError:
            raise SourceError("s3:// needs s3fs: pip install 'atari-dqn-replay[s3]'") from None
        if not {"anon", "key", "profile", "session", "token"} & options.keys() and not _has_credentials():
            options = {**options, "anon": True}
        return file_system(**options), file_system._strip_protocol(url)

    def _current_version(self, path: str) -> FileVersion:
        version = super()._current_version(path)
        bucket, key, _ = self.fs.split_path(self._full(path))
        head = self.fs.call_s3("head_object", Bucket=bucket, Key=key)
        encrypted = str(head.get("ServerSideEncryption", "")).startswith("aws:kms")
        if encrypted or head.get("SSECustomerAlgorithm"):
            return replace(version, checksum=NO_CHECKSUM)
        return version


def _has_credentials() -> bool:
    from botocore.session import Session

    return Session().get_credentials() is not None
