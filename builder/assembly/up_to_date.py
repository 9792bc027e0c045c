"""Whether what was made before is still what the source's files would give."""

from collections.abc import Mapping

from ..errors import SourceError, UnreachableError
from ..format.manifest import Manifest
from ..repos.destination import Destination
from ..sources.run import Run
from .pieces import Piece


def is_usable(
    piece: Piece,
    run: Run,
    sizes: Mapping[str, int | None],
    destination: Destination,
    compression: str | None,
) -> bool:
    """Returns whether a piece, or a head, is of the source's current files, and as and where requested."""
    if compression not in (None, piece.manifest.compression):
        return False
    # Some servers report no sizes at all; a piece was made so recently that they are assumed to be the same.
    if all(size is None for size in sizes.values()):
        sizes = {**sizes, **{each.path: each.size for each in piece.manifest.sources if each.path in sizes}}
    return is_current(piece.manifest, run, sizes) and piece.uploaded_to in (None, destination.address)


def is_same_log(manifest: Manifest, run: Run) -> bool:
    """Returns whether a manifest is from this run's log, as far as the log identifies itself."""
    return manifest.log == (run.capacity(), run.provenance, run.frame_format.name)


def is_current(manifest: Manifest, run: Run, sizes: Mapping[str, int | None]) -> bool:
    """Returns whether a manifest is from the source's current files.

    Args:
        manifest: the manifest of one of the run's checkpoints.
        run: the run, as the source holds it.
        sizes: sizes of its files, from `Run.file_sizes`.
    """
    try:
        number = manifest.checkpoint
        ends = run.is_partial(number), run.is_last_complete(number)
        ends_there = _ends_where_recorded(manifest, run)
    except UnreachableError:
        raise
    except SourceError:
        return False  # the worker that makes the checkpoint again will report the file
    return (
        (manifest.earlier, manifest.later) == run.neighbours(manifest.checkpoint)
        and is_same_log(manifest, run)
        and (manifest.partial, manifest.last_complete) == ends
        and ends_there
        and all(sizes.get(record.path) == record.size for record in manifest.sources)
    )


def has_lost_neighbour(manifest: Manifest, run: Run, sizes: Mapping[str, int | None]) -> bool:
    """Returns whether a manifest is from files of which only those of a neighbour are damaged since.

    What was made with that neighbour is better than what could be made without it.
    """
    neighbours = (manifest.earlier, manifest.later)
    lost = set[str]().union(*(run.lost_files(number) for number in neighbours if number is not None))
    others = [record for record in manifest.sources if record.path not in lost]
    is_same = all(sizes.get(record.path) == record.size for record in others)
    return bool(lost and others) and is_same and is_same_log(manifest, run)


def _ends_where_recorded(manifest: Manifest, run: Run) -> bool:
    """Returns whether the last episode has all the steps in later checkpoints that it would have now.

    The neighbours alone do not show this if the episode goes on beyond the next checkpoint. Then it fills
    that checkpoint, so that for all others no file needs to be read. More steps than now are those of a file
    that is damaged since.
    """
    recorded = manifest.step_counts.continued_in_later
    if manifest.capacity is None or recorded < manifest.capacity:
        return True
    return recorded >= run.continued_in_later(manifest.checkpoint)
