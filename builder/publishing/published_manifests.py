"""The manifests that a destination holds, each read once per process."""

from collections.abc import Collection

from ..format.checkpoint_id import CheckpointId
from ..format.manifest import Manifest
from ..network.at_once import at_once
from ..repos.built_folder import BuiltCheckpoint
from ..repos.destination import Destination, Snapshot
from ..repos.repo_folder import find_manifests, read_manifest

READERS = 8
"""Number of manifests that are fetched at once."""


def published_manifests(
    snapshot: Snapshot, destination: Destination, *, without: Collection[CheckpointId] = ()
) -> list[Manifest]:
    """Returns the manifests of the snapshot's games in order, except those of the checkpoints `without`.

    A manifest that was left when somebody deleted the steps is left out.

    Raises:
        OutputError: one cannot be read, or lies in another checkpoint's place.
    """
    found = find_manifests(snapshot.paths)
    paths = [path for checkpoint, path in sorted(found.items()) if checkpoint not in without]
    known = destination.known_manifests
    keys = {path: (path, snapshot.blob_id(path)) for path in paths}
    unknown = [path for path in paths if keys[path] not in known]
    for path, content in zip(unknown, at_once(snapshot.read, unknown, READERS), strict=True):
        known[keys[path]] = read_manifest(content or b"", path, destination.address)
    manifests = [known[keys[path]] for path in paths]
    return [each for each in manifests if any(shard.path in snapshot.paths for shard in each.shards)]


def remember(checkpoint: BuiltCheckpoint, destination: Destination) -> None:
    """Remember a checkpoint's manifest, so that the destination need not be asked for it."""
    file = checkpoint.manifest_file
    destination.known_manifests[file.path, file.blob_id()] = checkpoint.manifest
