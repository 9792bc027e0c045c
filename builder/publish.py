"""Publishing: what a destination lacks of a built folder goes there, and the card tells of it."""

import posixpath
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from .built_folder import BuiltCheckpoint, RepoFile, read_built_folder, read_manifest
from .card import merge_card
from .destinations import Change, CheckpointChange, Destination, DestinationChangedError, Snapshot
from .errors import OutputError
from .files import TEMPORARY_SUFFIX
from .front_matter import decode_readme
from .layout import CARD, MANIFEST
from .manifest import Manifest, check_one_log
from .progress import progress_bar

ATTEMPTS = 10
"""How often a change is made anew because someone else changed the destination in between."""
READERS = 8
"""Manifests that are fetched at once."""


@dataclass(frozen=True)
class Publication:
    """What publishing did, or would do; its text is what the command line prints."""

    destination: str
    """A path or a URL."""
    files: Mapping[str, int]
    """Bytes of each file that went up, by its path in the repo."""
    deleted: Sequence[str]
    """Files of earlier builds of the same checkpoints."""
    unchanged: int
    """Files that were there already."""
    commit: str | None
    """On the Hub: the commit that holds the dataset."""
    dry_run: bool
    """Nothing was changed: `files` would go up and `deleted` would be deleted."""

    @property
    def bytes(self) -> int:
        """What the files that went up amount to."""
        return sum(self.files.values())

    @property
    def nothing_to_do(self) -> bool:
        """The destination held all of it already."""
        return not self.files and not self.deleted

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.dry_run:
            yield from (f"would write   {_size(size):>8}  {path}" for path, size in self.files.items())
            yield from (f"would delete            {path}" for path in self.deleted)
        if self.nothing_to_do:
            yield f"nothing to do: {self.destination} holds all {self.unchanged} files"
        else:
            verb = "would write" if self.dry_run else "wrote"
            yield (
                f"{verb} {len(self.files)} files ({_size(self.bytes)}), deleted {len(self.deleted)}, "
                f"left {self.unchanged} as they were: {self.destination}"
            )
        if self.commit and not self.dry_run:
            yield f"commit {self.commit}"


def publish(
    folder: Path, destination: Destination, *, dry_run: bool = False, license: str | None = None
) -> Publication:
    """Put a built dataset into another folder or a repo on the Hub.

    Only what is missing or different goes up, so that a publication which was interrupted goes on when it is
    run again, and one that is complete has nothing to do. What else the destination holds stays: other games,
    other checkpoints, people's own text on the card.

    Args:
        folder: a dataset as `build` writes it; every file is checked against its manifest first.
        destination: where it goes.
        dry_run: only tell what would be done.
        license: what the card is to name, as the Hub spells it (`cc-by-4.0`); None keeps what the card says.

    Raises:
        OutputError: the folder is not a whole dataset, or the destination cannot take it.
    """
    destination.check(folder)
    checkpoints = read_built_folder(folder)
    built_card = (folder / CARD).read_bytes()
    return put(checkpoints, built_card, destination, dry_run=dry_run, license=license)


def put(
    checkpoints: Sequence[BuiltCheckpoint],
    built_card: bytes | None,
    destination: Destination,
    *,
    dry_run: bool = False,
    license: str | None = None,
) -> Publication:
    """Put checkpoints into another folder or a repo on the Hub, as `publish` does.

    Args:
        checkpoints: their files' content may have been uploaded ahead.
        built_card: the card for a destination that has none yet, with what people wrote there.
        destination: where they go.
        dry_run: only tell what would be done.
        license: what the card is to name; None keeps what the card says.

    Raises:
        UploadLostError: files that were to be there already are not.
        OutputError: the destination cannot take them.
    """
    games = list(dict.fromkeys(each.game for each in checkpoints))
    published: Change | None = None
    for attempt in range(ATTEMPTS):
        snapshot = destination.snapshot(games)
        change = plan_change(checkpoints, built_card, snapshot, destination, license)
        commit = None
        try:
            if not dry_run:
                commit = snapshot.apply(change)
        except DestinationChangedError:
            # Our own commit may be what changed it, when only the answer to it was lost.
            published = published or change
            time.sleep(random.uniform(0, 0.2 * attempt))
            continue
        done = change if change.writes or change.deletions else published or change
        sizes = {file.path: file.size for file in done.writes}
        return Publication(destination.address, sizes, done.deletions, done.unchanged, commit, dry_run)
    raise OutputError(f"{destination.address}: others keep changing it; publish again when they are done")


def plan_change(
    checkpoints: Sequence[BuiltCheckpoint],
    built_card: bytes | None,
    snapshot: Snapshot,
    destination: Destination,
    license: str | None,
) -> Change:
    """What brings the destination, as the snapshot shows it, up to date with the checkpoints.

    Where it has no card yet, it gets that of the built folder, with what people wrote there.

    Raises:
        OutputError: a manifest at the destination, or its card, cannot be read.
    """
    there: dict[str, list[str]] = defaultdict(list)
    for path in snapshot.paths:
        there[posixpath.dirname(path)].append(path)
    progress = progress_bar(checkpoints, description="comparing", unit=" checkpoints")
    changes = [_checkpoint_change(each, snapshot, there[each.folder]) for each in progress]
    manifests = [each.manifest for each in checkpoints] + _other_manifests(checkpoints, snapshot, destination)
    manifests.sort(key=lambda manifest: (manifest.find_game().slug, manifest.run, manifest.checkpoint))
    check_one_log(manifests, destination.address)
    present = snapshot.read(CARD)
    card = _card(built_card if present is None else present, manifests, destination, license)
    writes = sum(len(each.writes) for each in changes)
    games = ", ".join(dict.fromkeys(each.game.slug for each in checkpoints))
    return Change(
        summary=f"Publish {games}: {sum(bool(each.writes) for each in changes)} checkpoints",
        checkpoints=tuple(each for each in changes if each.writes or each.deletions),
        card=None if card == present else RepoFile.of_bytes(CARD, card),
        unchanged=sum(len(each.data) + 1 for each in checkpoints) - writes + (card == present),
    )


def _card(
    present: bytes | None, manifests: Sequence[Manifest], destination: Destination, license: str | None
) -> bytes:
    text = None if present is None else decode_readme(present, destination.address)
    return merge_card(text, manifests, license=license, repo_id=destination.name_on_hub).encode()


def _checkpoint_change(
    checkpoint: BuiltCheckpoint, snapshot: Snapshot, present: Sequence[str]
) -> CheckpointChange:
    named = {checkpoint.manifest_file.path, *(file.path for file in checkpoint.data)}
    return CheckpointChange(
        data=tuple(file for file in checkpoint.data if not snapshot.holds(file)),
        deletions=tuple(sorted(set(present) - named)),
        manifest=None if snapshot.holds(checkpoint.manifest_file) else checkpoint.manifest_file,
    )


def _other_manifests(
    checkpoints: Sequence[BuiltCheckpoint], snapshot: Snapshot, destination: Destination
) -> list[Manifest]:
    """Manifests of the same games' other checkpoints at the destination: the card tells of them as well."""
    replaced = {each.manifest_file.path for each in checkpoints}
    paths = sorted(
        path
        for path in snapshot.paths
        if path.endswith(f"/{MANIFEST}") and path not in replaced and TEMPORARY_SUFFIX not in path
    )
    with ThreadPoolExecutor(READERS) as readers:
        contents = readers.map(snapshot.read, paths)
        return [
            read_manifest(content or b"", path, destination.address)
            for path, content in zip(paths, contents, strict=True)
        ]


def _size(size: int) -> str:
    return tqdm.format_sizeof(size, "B", 1000)
