"""Keeps frame stores: written once for each shard, used by all processes, bounded in size."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from ..builder.files import TEMPORARY_SUFFIX
from ..builder.terminal.progress import progress_bar
from .errors import DatasetError
from .frame_store import SUFFIX, FrameStore, write_store
from .step_shards import ArrowShard, ParquetShard, StepShard

THREADS = min(4, os.cpu_count() or 1)
"""The number of threads that write a store; each holds about 50 MB."""
_NAME = "[0-9a-f]" * 32 + SUFFIX
"""A glob of the stores' names: what `_fingerprint` returns, and the suffix."""
_STAMPS = ("size", "mtime", "etag", "ETag", "blob_id", "generation", "updated", "LastModified")
"""The details of a file, in any file system, that change with its content."""


class StoreCache:
    """A folder of frame stores. Only the process that holds its lock writes.

    Args:
        folder: the folder of the stores; None is `atari-dqn-replay` among the Hugging Face assets, which
            HF_HOME and HF_ASSETS_CACHE locate.
        limit: the bytes of all stores. Beyond it, the least recently opened stores are removed, but never
            those of the dataset being opened.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, limit: int) -> None:
        self._folder = _default_folder() if folder is None else Path(folder).expanduser()
        self._limit = limit

    def open(self, shards: list[StepShard]) -> list[FrameStore]:
        """Returns the stores of some shards, writing those that do not exist yet.

        Raises:
            DatasetError: a shard cannot be read, or the folder cannot be written.
        """
        paths = [self._folder / f"{_fingerprint(shard)}{SUFFIX}" for shard in shards]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            missing = sum(shard.rows for shard, path in zip(shards, paths, strict=True) if not path.exists())
            with progress_bar(total=missing, description="prepare frames", unit=" steps") as bar:
                for shard, path in zip(shards, paths, strict=True):
                    if _open(path) is None:
                        self._write(shard, path, paths, bar.update)
            stores = [FrameStore(path) for path in paths]
        except OSError as error:
            raise DatasetError(
                f"{self._folder}: frames cannot be kept there ({error}); give another cache_dir"
            ) from None
        for shard, store in zip(shards, stores, strict=True):
            if shard.rows != store.rows:
                raise DatasetError(
                    f"{store.path}: has {store.rows:,} steps, expected {shard.rows:,}, as {shard.name}"
                )
        return stores

    def _write(
        self, shard: StepShard, path: Path, in_use: list[Path], progress: Callable[[int], object]
    ) -> None:
        """Write a store, unless another process has written it meanwhile."""
        from huggingface_hub.utils import WeakFileLock  # imported late: it loads an HTTP library

        with WeakFileLock(self._folder / ".lock"):
            if _open(path) is None:
                write_store(shard, path, THREADS, progress)
                self._trim(in_use)

    def _trim(self, in_use: list[Path]) -> None:
        """Remove the leftovers of killed writers, and the oldest stores beyond the limit.

        Files that others keep in the folder stay.
        """
        for leftover in self._folder.glob(f"*{SUFFIX}{TEMPORARY_SUFFIX}"):
            # It is only a matter of space, and what cannot be removed may not be ours.
            with contextlib.suppress(OSError):
                leftover.unlink()
        stores = {path: path.stat() for path in self._folder.glob(_NAME) if path.is_file()}
        total = sum(stat.st_size for stat in stores.values())
        for path in sorted(stores.keys() - set(in_use), key=lambda path: stores[path].st_mtime):
            if total <= self._limit:
                break
            path.unlink(missing_ok=True)
            total -= stores[path].st_size


def _default_folder() -> Path:
    from huggingface_hub import cached_assets_path  # imported late: it loads an HTTP library

    try:
        return cached_assets_path("atari-dqn-replay", "frames")
    except OSError as error:
        raise DatasetError(
            f"frames cannot be kept in the Hugging Face cache ({error}); give a cache_dir"
        ) from None


def _fingerprint(shard: StepShard) -> str:
    """Returns a string that changes when the shard does."""
    identity, stamps = "", {}
    if isinstance(shard, ArrowShard):
        identity = shard.fingerprint
    if isinstance(shard, ParquetShard):
        info = shard._fs.info(shard._path)
        stamps = {name: str(info[name]) for name in _STAMPS if name in info}
    text = json.dumps([shard.name, shard.rows, identity, stamps], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _open(path: Path) -> FrameStore | None:
    """Returns a store if it exists and is intact; it then counts as used now."""
    if not path.exists():
        return None
    # File systems' own access times are too coarse, or turned off.
    with contextlib.suppress(OSError):  # a folder prepared for many users may be read-only
        path.touch()
    try:
        return FrameStore(path)
    except DatasetError:
        return None
