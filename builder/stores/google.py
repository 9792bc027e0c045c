"""Reads buckets of Google Cloud Storage, finding credentials automatically."""

import logging
import os
from pathlib import Path
from typing import Any

import fsspec

from ..errors import SourceError
from ..network.errors import describe_error, is_denied, without_credentials
from .store import Store

PUBLIC_BUCKET = "atari-replay-datasets"
"""The original's bucket; public access ended in 2025 (d4rl-atari #19, pytorch/rl #3113)."""

_RPC_SETTING = "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"


class GoogleStore(Store):
    """A folder in a bucket.

    Without a `token`, gcsfs uses the machine's default credentials, or none if there are none; if those are
    refused, the bucket is tried anonymously, which is enough for a public one.
    """

    def _file_system(self, url: str, options: dict[str, Any]) -> tuple[Any, str]:
        # gcsfs also logs what it raises, with the traceback.
        logging.getLogger("gcsfs").addHandler(logging.NullHandler())
        token = options.get("token")
        if isinstance(token, str) and token.endswith(".json") and not Path(token).exists():
            raise SourceError(f"{token}: no such file, given as the token for {without_credentials(url)}")
        file_system = _file_system_class()
        root = file_system._strip_protocol(url)
        fs = file_system(**options)
        if not token and fs.credentials.credentials is not None and _is_refused(fs, root):
            anonymous = file_system(**{**options, "token": "anon"})
            if not _is_refused(anonymous, root):
                return anonymous, root
        return fs, root

    def _denied(self, verb: str, error: Exception) -> str:
        if self.root.partition("/")[0] != PUBLIC_BUCKET:
            return (
                f"cannot be {verb} ({describe_error(error)}); give credentials that may, e.g. "
                f"--storage-option token=service-account.json, see docs/sources.md"
            )
        return (
            f"the original bucket is closed to the public since 2025 (it answers {describe_error(error)}); "
            f"use another copy of it, RL Unplugged's, or play anew with `collect`: see docs/sources.md, "
            f"'The public bucket is closed'"
        )


def _file_system_class() -> Any:
    """Returns gcsfs's plain file system class.

    The extended one first asks for the bucket's layout by gRPC, which takes a minute where only HTTP gets
    through; only zonal buckets need it. Users who need it set an environment variable.
    """
    if os.environ.get(_RPC_SETTING, "").lower() in ("true", "1"):
        return fsspec.get_filesystem_class("gs")
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem


def _is_refused(fs: Any, root: str) -> bool:
    """Returns whether these credentials are refused a listing of the folder."""
    try:
        fs.ls(root)
    except Exception as error:
        expired = any(base.__name__ == "GoogleAuthError" for base in type(error).mro())
        return expired or is_denied(error)
    return False
