"""A dataset repo that was built in a folder, read and checked against its own manifests."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from ..card.front_matter import decode_readme
from ..errors import OutputError
from ..files import TEMPORARY_SUFFIX, read_small, sha256_of
from ..format.checkpoint_id import CheckpointId
from ..format.layout import CARD, DATA_FOLDERS
from ..format.manifest import FORMAT, Manifest
from ..terminal.progress import progress_bar
from .outgoing_file import OutgoingFile
from .repo_folder import find_manifests, read_manifest

_EXPECTED = f"expected a dataset as `build` writes it: {CARD} beside the folders {', '.join(DATA_FOLDERS)}"


@dataclass(frozen=True)
class BuiltCheckpoint:
    """A checkpoint with its files, all of which exist."""

    manifest: Manifest
    manifest_file: OutgoingFile
    data: tuple[OutgoingFile, ...]
    """The step shards, then the episodes table."""

    @classmethod
    def from_manifest(
        cls, content: bytes, path: str, where: str, folder: Path | None = None
    ) -> "BuiltCheckpoint":
        """Returns the checkpoint that a manifest describes, in the current format.

        Args:
            content: the manifest's bytes.
            path: the manifest's path in the repo.
            where: the repo's name, for messages.
            folder: the folder that holds the repo; None if the files are uploaded ahead.

        Raises:
            OutputError: it is not a manifest, or it belongs elsewhere.
        """
        manifest = read_manifest(content, path, where)
        if manifest.format < FORMAT:
            manifest = msgspec.structs.replace(manifest, format=FORMAT)
            content = manifest.to_json().encode()
        data = tuple(
            OutgoingFile(file.path, file.size, file.sha256, None if folder is None else folder / file.path)
            for file in manifest.files()
        )
        return cls(manifest, OutgoingFile.of_bytes(manifest.path, content), data)

    @property
    def files(self) -> tuple[OutgoingFile, ...]:
        """The data files, then the manifest."""
        return (*self.data, self.manifest_file)

    @cached_property
    def id(self) -> CheckpointId:
        """The checkpoint's identity."""
        return self.manifest.id


def read_built_folder(folder: Path) -> list[BuiltCheckpoint]:
    """Returns the checkpoints of a built folder, in order, every file checked by size and SHA-256.

    Raises:
        OutputError: the folder is not a dataset, its build has not finished, or a file is missing, damaged,
            unreadable or not named by any manifest.
    """
    try:
        return _read_built_folder(folder)
    except OSError as error:
        raise OutputError(f"{error.filename or folder}: cannot be read ({error.strerror})") from None


def _read_built_folder(folder: Path) -> list[BuiltCheckpoint]:
    if not folder.is_dir():
        raise OutputError(f"{folder}: no such folder; {_EXPECTED}")
    found = set(_files(folder))
    if not found or not (folder / CARD).is_file():
        raise OutputError(f"{folder}: {_EXPECTED}")
    decode_readme(read_small(folder / CARD), str(folder))
    paths = find_manifests(found)
    _refuse_unfinished(folder, found, paths)
    checkpoints = [
        BuiltCheckpoint.from_manifest(read_small(folder / path), path, str(folder), folder)
        for path in paths.values()
    ]
    named = {*paths.values(), *(file.path for each in checkpoints for file in each.data)}
    if stray := sorted(found - named):
        raise OutputError(
            f"{folder}: no manifest names {_some(stray)}; build those checkpoints again, or remove the files"
        )
    _check_content(folder, checkpoints)
    return sorted(checkpoints, key=lambda each: each.id)


def _files(folder: Path) -> Iterator[str]:
    """Yield the repo paths of all files under the data folders, except hidden ones."""
    for top in DATA_FOLDERS:
        for place, folders, names in os.walk(folder / top, onerror=raise_unless_missing):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if not name.startswith("."):
                    yield (Path(place) / name).relative_to(folder).as_posix()


def raise_unless_missing(error: OSError) -> None:
    """Handle a folder that `os.walk` cannot list: raise the error unless the folder is missing."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _refuse_unfinished(folder: Path, found: set[str], manifests: Collection[CheckpointId]) -> None:
    unfinished = {path for path in found if TEMPORARY_SUFFIX in path}
    for path in found - unfinished:
        if path.startswith("data/") and CheckpointId.of_file(path) not in manifests:
            unfinished.add(path.rpartition("/")[0])
    if unfinished:
        raise OutputError(
            f"{folder}: the build has not finished ({_some(sorted(unfinished))}); run `build` again"
        )


def _check_content(folder: Path, checkpoints: list[BuiltCheckpoint]) -> None:
    files = [file for each in checkpoints for file in each.data]
    for file in files:
        path = folder / file.path
        if not path.is_file():
            raise OutputError(f"{path}: missing, though a manifest names it; build this checkpoint again")
        if path.stat().st_size != file.size:
            raise OutputError(f"{path}: {path.stat().st_size} bytes instead of {file.size}; build it again")
    with progress_bar(description="checking", unit="B", total=sum(file.size for file in files)) as bar:
        for file in files:
            if sha256_of(folder / file.path) != file.sha256:
                raise OutputError(
                    f"{folder / file.path}: damaged (its SHA-256 differs); build this checkpoint again"
                )
            bar.update(file.size)


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
