"""A dataset against the source that it was made from, which is read again."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from ..errors import AtariReplayError, SourceError, UnknownNameError
from ..format.checkpoint_id import CheckpointId
from ..format.features import episodes_features, steps_features
from ..format.games import Game
from ..format.manifest import Manifest
from ..format.numbers import describe_numbers
from ..repos.repo_reader import RepoReader, UnreadableFileError
from ..shards.steps import Digests, EpisodeRows, episode_columns
from ..sources.run import Checkpoint, Run, RunReader
from ..sources.source import Source
from .content import DAMAGE, read_episodes_table
from .episodes import differing_columns
from .manifests import place_of, redo
from .report import Difference

OTHERWISE = "or verify it against the source that it was made from"


class SourceCheck:
    """Compares a repo's checkpoints with a source.

    Args:
        source: the source to read.
        repo: the repo that holds the checkpoints.
        progress: called with the number of steps read since the last call.
    """

    def __init__(
        self, source: Source, repo: RepoReader, progress: Callable[[int], object] = lambda steps: None
    ) -> None:
        self._source, self._repo, self._progress = source, repo, progress

    def differences(self, manifests: Sequence[Manifest], *, read: bool) -> Iterator[Difference]:
        """Yield how a run differs from the source.

        Args:
            manifests: the manifests of its checkpoints, in order; at least one.
            read: compare every row; otherwise only what the source reports without being read.
        """
        game, number = manifests[0].find_game(), manifests[0].run
        folder = manifests[0].id.folder.rpartition("/")[0]
        try:
            run = self._source.open_run(game, number)
            facts = [_check_facts(run, manifest) for manifest in manifests]
        except AtariReplayError as error:
            yield Difference(folder, f"cannot be compared with the source ({error})")
            return
        for of_one in facts:
            yield from of_one
        if read:
            there = [manifest for manifest in manifests if manifest.checkpoint in run.checkpoints]
            yield from self._check_rows(run, there)

    def unpublished(self, games: Sequence[Game], manifests: Sequence[Manifest]) -> Iterator[str]:
        """Yield what the source has of these games and the repo lacks."""
        published = {manifest.id for manifest in manifests}
        for game in games:
            # A game or run that cannot be read has been reported where it is published.
            with contextlib.suppress(AtariReplayError):
                for number in self._source.runs(game):
                    checkpoints = self._source.open_run(game, number).checkpoints
                    left = [each for each in checkpoints if CheckpointId(game, number, each) not in published]
                    if left:
                        yield f"not published yet: {game} run {number}, checkpoints {describe_numbers(left)}"

    def _check_rows(self, run: Run, manifests: Sequence[Manifest]) -> Iterator[Difference]:
        reader: RunReader | None = None
        try:
            for place, manifest in enumerate(manifests):
                if reader is None:
                    reader = run.reader()
                    reader.expect([each.checkpoint for each in manifests[place:]])
                try:
                    yield from self._check_checkpoint(reader.checkpoint(manifest.checkpoint), manifest)
                except (SourceError, UnknownNameError) as error:
                    yield Difference(place_of(manifest), f"cannot be compared with the source ({error})")
                    reader.close()
                    reader = None
        finally:
            if reader is not None:
                reader.close()

    def _check_checkpoint(self, checkpoint: Checkpoint, manifest: Manifest) -> Iterator[Difference]:
        rows = EpisodeRows(manifest.id)
        found = [(shard.rows, shard.digests) for shard in manifest.shards]
        yield from _compare_shards(manifest, found, self._read(checkpoint, rows))
        yield from _compare_counts(manifest, checkpoint)
        yield from _compare_sources(manifest, checkpoint)
        expected = rows.table(episodes_features(manifest.id.game, manifest.episode_columns).arrow_schema)
        path = manifest.episodes_table.path
        # A table that cannot be read has already been reported.
        with contextlib.suppress(UnreadableFileError, *DAMAGE), self._repo.fetch(path) as place:
            table = read_episodes_table(place, manifest)
            if wrong := differing_columns(table, expected):
                yield _differs(manifest, f"{', '.join(wrong)} differ from the source", path)

    def _read(self, checkpoint: Checkpoint, rows: EpisodeRows) -> list[tuple[int, dict[str, str]]]:
        """Returns the rows and digests of each shard, as they would be written."""
        names = steps_features(checkpoint.run.game, checkpoint.run.optional_columns)
        digests, counts = [Digests(names)], [0]
        for episode in checkpoint.episodes():
            if rows.add(episode) == len(digests):
                digests.append(Digests(names))
                counts.append(0)
            for columns in episode_columns(episode):
                digests[-1].update(columns)
                counts[-1] += len(columns["step"])
                self._progress(len(columns["step"]))
        return [(count, each.hexdigests()) for count, each in zip(counts, digests, strict=True)]


def unseen_games(source: Source, games: Collection[Game]) -> Iterator[str]:
    """Yield what else the source has, besides these games."""
    # A server without a listing cannot be asked.
    with contextlib.suppress(SourceError):
        others = [game.name for game in source.games() if game not in games]
        if others:
            more = f" and {len(others) - 5} more" if len(others) > 5 else ""
            yield f"not looked at: the source's games {', '.join(others[:5])}{more}"


def _check_facts(run: Run, manifest: Manifest) -> list[Difference]:
    """Returns differences in what a run reports without being read."""
    number = manifest.checkpoint
    if number not in run.checkpoints:
        has = describe_numbers(run.checkpoints)
        lacks = f"the source has no checkpoint {number} of this run, but {has}"
        files = f"{manifest.id.folder}, {manifest.episodes_table.path} and {manifest.path}"
        return [Difference(place_of(manifest), f"{lacks}; remove {files} and render the card, {OTHERWISE}")]
    differences = [
        _differs(manifest, f"found {name} {found}, but the source has {expected}")
        for name, found, expected in (
            ("capacity", manifest.capacity, run.capacity()),
            ("frames", manifest.frames, run.frame_format.name),
            ("provenance", manifest.provenance, run.provenance),
            ("neighbours", (manifest.earlier, manifest.later), run.neighbours(number)),
            ("partial", manifest.partial, run.is_partial(number)),
            ("last_complete", manifest.last_complete, run.is_last_complete(number)),
        )
        if found != expected
    ]
    sizes: Mapping[str, int | None] = run.file_sizes()
    for record in manifest.sources:
        made_from = f"was made from {record.path}"
        if record.path not in sizes:
            differences.append(_differs(manifest, f"{made_from}, which the source lacks"))
        elif (size := sizes[record.path]) not in (None, record.size):
            message = f"{made_from} of {record.size:,} bytes, but the source's has {size:,}"
            differences.append(_differs(manifest, message))
    return differences


def _compare_shards(
    manifest: Manifest,
    found: Sequence[tuple[int, Mapping[str, str]]],
    expected: Sequence[tuple[int, Mapping[str, str]]],
) -> Iterator[Difference]:
    if [rows for rows, _ in found] != [rows for rows, _ in expected]:
        message = f"found shards of {_numbers(found)} steps, but the source gives {_numbers(expected)}"
        yield _differs(manifest, message)
        return
    first: dict[str, int] = {}
    for shard, ((_, ours), (_, theirs)) in enumerate(zip(found, expected, strict=True)):
        for column in dict.fromkeys([*theirs, *ours]):
            if ours.get(column) != theirs.get(column):
                first.setdefault(column, shard)
    for shard in sorted(set(first.values())):
        columns = [column for column in first if first[column] == shard]
        message = f"{', '.join(columns)} differ from the source, first here"
        yield _differs(manifest, message, manifest.shards[shard].path)


def _compare_counts(manifest: Manifest, checkpoint: Checkpoint) -> Iterator[Difference]:
    for name, found, expected in (
        ("row counts", manifest.row_counts, checkpoint.row_counts),
        ("step counts", manifest.step_counts, checkpoint.step_counts),
        ("add_count", manifest.add_count, checkpoint.add_count),
    ):
        # Older manifests have no add_count.
        if found not in (expected, None):
            yield _differs(manifest, f"{name}: found {found}, but the source gives {expected}")


def _compare_sources(manifest: Manifest, checkpoint: Checkpoint) -> Iterator[Difference]:
    found = {record.path: record for record in manifest.sources}
    expected = {record.path: record for record in checkpoint.sources()}
    for path in sorted({*found, *expected}):
        if found.get(path) != expected.get(path):
            ours, theirs = (
                record.sha256 if record else "none" for record in (found.get(path), expected.get(path))
            )
            message = f"was made from another {path}: found SHA-256 {ours}, but the source's is {theirs}"
            yield _differs(manifest, message)


def _numbers(shards: Sequence[tuple[int, Mapping[str, str]]]) -> str:
    return " + ".join(f"{rows:,}" for rows, _ in shards)


def _differs(manifest: Manifest, message: str, path: str | None = None) -> Difference:
    return Difference(
        path or place_of(manifest), f"{message}; {redo(manifest)} from this source, {OTHERWISE}"
    )
