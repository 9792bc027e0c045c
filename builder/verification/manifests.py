"""Manifests against each other and in themselves: everything that can be checked without their files."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from ..errors import OutputError
from ..format.manifest import Manifest
from ..network.at_once import at_once
from ..repos.repo_folder import read_manifest
from ..repos.repo_reader import RepoReader, UnreadableFileError
from ..terminal.progress import progress_bar
from .report import Difference

READERS = 8
"""Number of manifests that are fetched at once."""


def read_all_manifests(repo: RepoReader, paths: Sequence[str]) -> Iterator[Manifest | Difference]:
    """Yield the manifests at these paths, and what is wrong with those that cannot be used."""
    found = at_once(lambda path: _read(repo, path), paths, READERS)
    yield from progress_bar(found, description="manifests", unit=" files", total=len(paths))


def place_of(manifest: Manifest) -> str:
    """Returns the path of the manifest in the repo."""
    return manifest.path


def redo(manifest: Manifest) -> str:
    """Returns advice on what to do about a damaged checkpoint."""
    return f"remove {manifest.id.folder} and publish this checkpoint again"


def redo_all(*manifests: Manifest) -> str:
    """Returns advice on what to do about checkpoints that do not fit together."""
    folders = ", ".join(manifest.id.folder for manifest in manifests)
    return f"remove {folders} and publish these checkpoints again from one log"


def check_manifest(manifest: Manifest) -> Iterator[Difference]:
    """Check that the counts of one checkpoint agree."""
    rows, steps = manifest.row_counts, manifest.step_counts
    kinds = rows.transitions + rows.padding + rows.stale + rows.repeated + rows.final_observations
    carried = rows.transitions - steps.continued_from_earlier + steps.continued_in_later
    in_shards = sum(shard.rows for shard in manifest.shards)
    for what, found, expected in (
        ("rows_read", rows.rows_read, kinds),
        ("steps", steps.steps, carried),
        ("rows of the shards together", in_shards, steps.steps),
        ("rows of the episodes table", manifest.episodes_table.rows, steps.episodes),
    ):
        if found != expected:
            yield Difference(
                place_of(manifest),
                f"its counts do not agree: {what}: found {found:,}, expected {expected:,}; {redo(manifest)}",
            )


def check_run(manifests: Sequence[Manifest]) -> Iterator[Difference]:
    """Check that the checkpoints of one run, in order, are from one log and fit together."""
    yield from _check_log(manifests)
    for earlier, later in pairwise(manifests):
        yield from _check_neighbours(earlier, later)
    yield from _check_carried(manifests)
    yield from _check_sources(manifests)


def _read(repo: RepoReader, path: str) -> Manifest | Difference:
    try:
        return read_manifest(repo.read(path), path, repo.address)
    except UnreadableFileError as error:
        return Difference(path, f"cannot be read ({error}); remove it and publish this checkpoint again")
    except OutputError as error:
        if not str(error).startswith(f"{repo.address}/{path}: "):
            raise
        return Difference(path, str(error).removeprefix(f"{repo.address}/{path}: "))


def _check_log(manifests: Sequence[Manifest]) -> Iterator[Difference]:
    # The log of most of them: a single stranger is reported, not all the others.
    usual = max(manifests, key=lambda each: sum(other.log == each.log for other in manifests))
    for manifest in manifests:
        found, expected = _log_facts(manifest), _log_facts(usual)
        wrong = [
            f"{name} {found.get(name)} instead of {expected.get(name)}"
            for name in dict.fromkeys([*expected, *found])
            if found.get(name) != expected.get(name)
        ]
        if wrong:
            yield Difference(
                place_of(manifest),
                f"is of another log than checkpoint {usual.checkpoint} (found {', '.join(wrong)}); publish "
                f"the run again from one log",
            )
    yield from _check_ends(manifests)


def _check_ends(manifests: Sequence[Manifest]) -> Iterator[Difference]:
    """Check which checkpoints are said to be partial, and which the last complete one."""
    by_number = {manifest.checkpoint: manifest for manifest in manifests}
    complete = [manifest.checkpoint for manifest in manifests if not manifest.partial]
    for manifest in manifests:
        later = None if manifest.later is None else by_number.get(manifest.later)
        is_last = manifest.later is None or (later is not None and later.partial)
        if manifest.partial and manifest.later is not None:
            wrong = f"is partial, but the log has checkpoint {manifest.later} after it"
        elif manifest.last_complete and (manifest.partial or manifest.checkpoint != complete[-1]):
            last = complete[-1] if complete else "-"
            wrong = f"says that it is the last complete checkpoint, but there is checkpoint {last}"
        # A store of whole episodes does not say which of them are the last.
        elif is_last and not (manifest.partial or manifest.last_complete or manifest.capacity is None):
            wrong = "does not say that it is the last complete checkpoint, and none comes after it"
        else:
            continue
        yield Difference(place_of(manifest), f"{wrong}; publish this checkpoint again")


def _log_facts(manifest: Manifest) -> dict[str, Any]:
    capacity, provenance, frames = manifest.log
    return {"capacity": capacity, "frames": frames, "origin": provenance.origin, **provenance.details}


def _check_neighbours(earlier: Manifest, later: Manifest) -> Iterator[Difference]:
    after = earlier.later is not None and earlier.later <= later.checkpoint
    before = later.earlier is not None and later.earlier >= earlier.checkpoint
    adjacent = earlier.later == later.checkpoint, later.earlier == earlier.checkpoint
    if not (after and before) or any(adjacent) != all(adjacent):
        yield Difference(
            place_of(later),
            f"does not fit checkpoint {earlier.checkpoint}: found that the log had checkpoint "
            f"{later.earlier} before it, and after checkpoint {earlier.checkpoint} checkpoint "
            f"{earlier.later}; publish both again from the log as it is now",
        )


def _check_carried(manifests: Sequence[Manifest]) -> Iterator[Difference]:
    """Check that a checkpoint's count of steps continued in later files matches their own counts."""
    by_number = {manifest.checkpoint: manifest for manifest in manifests}
    for manifest in manifests:
        if manifest.step_counts.episodes == 0 and manifest.earlier is not None:
            continue  # belongs wholly to an episode that began before it
        given, through, reached = 0, manifest, [manifest]
        is_known = True
        while through.later is not None:
            if through.later not in by_number or through.later <= through.checkpoint:
                is_known = False
                break
            through = by_number[through.later]
            given += through.step_counts.continued_from_earlier
            reached.append(through)
            if through.step_counts.episodes:
                break
        taken = manifest.step_counts.continued_in_later
        if given > taken or (is_known and given != taken):
            yield Difference(
                place_of(manifest),
                f"does not fit the checkpoints after it: found {taken:,} steps continued in later files, "
                f"expected {given:,} by their own counts; {redo_all(*reached)}",
            )


def _check_sources(manifests: Sequence[Manifest]) -> Iterator[Difference]:
    """Check that neighbours, which share files, read the same versions of them."""
    seen: dict[str, tuple[str, Manifest]] = {}
    for manifest in manifests:
        for source in manifest.sources:
            sha256, first = seen.setdefault(source.path, (source.sha256, manifest))
            if sha256 != source.sha256:
                yield Difference(
                    place_of(manifest),
                    f"was made from another {source.path} than checkpoint {first.checkpoint}: found SHA-256 "
                    f"{source.sha256}, expected {sha256}; {redo_all(first, manifest)}",
                )
