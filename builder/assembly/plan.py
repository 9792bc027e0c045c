"""What a publication would make, what an interrupted one has already made, and what is already there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from ..errors import (
    AtariReplayError,
    MissingGameError,
    OutputError,
    SourceError,
    UnknownNameError,
    UnreachableError,
)
from ..format.checkpoint_id import CheckpointId
from ..format.compression import SMALL
from ..format.games import Game, match_game
from ..format.layout import MOST_CHECKPOINT
from ..format.manifest import Manifest
from ..format.numbers import describe_numbers
from ..publishing.publish import check_card
from ..publishing.published_manifests import published_manifests
from ..repos.destination import Destination, Snapshot
from ..repos.folder_destination import FolderDestination
from ..sources.run import Run
from ..sources.source import Source
from .job import Place
from .up_to_date import has_lost_neighbour, is_current, is_same_log, is_usable
from .work_folder import WorkFolder


@dataclass
class Plan:
    """The requested checkpoints by their state, each list in order."""

    source: Source
    place: Place
    work: WorkFolder
    destinations: Mapping[Game, Destination]
    """The destination of each requested game; it may be the same for all."""
    compression: str | None = SMALL
    """Compression of the frames that are built; None accepts existing pieces of any compression."""
    runs: dict[tuple[Game, int], Run] = field(default_factory=dict)
    """The runs of the checkpoints."""
    to_build: list[CheckpointId] = field(default_factory=list)
    prepared: list[CheckpointId] = field(default_factory=list)
    """Checkpoints whose pieces are made, but not yet published."""
    done: list[CheckpointId] = field(default_factory=list)
    published: list[Manifest] = field(default_factory=list)
    """Manifests of all that is published of these games, requested or not."""
    unreadable: list[SourceError] = field(default_factory=list)
    """Why runs cannot be read at all."""

    @property
    def unpublished(self) -> list[CheckpointId]:
        """The checkpoints to publish, in order."""
        return sorted([*self.to_build, *self.prepared])

    def run_of(self, checkpoint: CheckpointId) -> Run:
        """Returns the run of a checkpoint."""
        return self.runs[checkpoint.game, checkpoint.run]

    def rows(self, checkpoint: CheckpointId) -> int:
        """Returns about how many rows must be read for a checkpoint."""
        return self.run_of(checkpoint).rows(checkpoint.number)

    def __str__(self) -> str:
        lines = [f"would build {line}" for line in self._lines()]
        rows = sum(map(self.rows, self.to_build))
        prepared = f"{len(self.prepared)} are prepared, " if self.prepared else ""
        total = (
            f"{len(self.to_build)} checkpoints to build, {rows:,} rows; {prepared}{len(self.done)} are done"
        )
        return "\n".join([*lines, *self.problems(), total])

    def problems(self) -> list[str]:
        """Returns a line for each run, and each file, that cannot be read."""
        losses = (loss for run in self.runs.values() for loss in run.losses())
        return [f"cannot read: {problem}" for problem in (*self.unreadable, *losses)]

    def _lines(self) -> Iterable[str]:
        """Yield a line for each run of which something must be built."""
        for (game, run), of_run in groupby(self.to_build, key=lambda each: (each.game, each.run)):
            listed = list(of_run)
            numbers = describe_numbers([each.number for each in listed])
            rows = sum(map(self.rows, listed))
            yield f"{game} run {run} checkpoint{'s' * (len(listed) > 1)} {numbers}: {rows:,} rows"


def make_plan(
    source: Source,
    games: Sequence[Game],
    place: Place,
    work: str | None = None,
    *,
    runs: Sequence[int] | None = None,
    checkpoints: Sequence[int] | None = None,
    compression: str | None = SMALL,
) -> Plan:
    """Compare a source with what is published of it; nothing is changed.

    A checkpoint is done if its manifest is published and agrees with the source: files of the same sizes,
    the same neighbours, the same log, and a last episode that goes on as far in later checkpoints.

    Args:
        source: the source, from `open_source`.
        games: the games to publish.
        place: where they are published.
        work: the work folder's path or URL; None takes the place's own.
        runs: the runs to publish; None means all that the source has.
        checkpoints: the checkpoints to publish of each run; None means all.
        compression: compression of the frames that are built, one of COMPRESSIONS; what is published stays as
            it is. None is for inspecting the state, whatever the compression.

    Raises:
        SourceError: the source has no such game or run.
        UnknownNameError: a run has no such checkpoint.
        OutputError: the destination holds something else.
    """
    place = place.absolute()
    destinations = place.destinations(games)
    work = place.work_below(work) if work else place.default_work()
    _check_text(work, OutputError)
    _check_text(source.url, SourceError)
    for destination in dict.fromkeys(destinations.values()):
        _check_outside(source, destination)
    plan = Plan(source, place, WorkFolder(work), destinations, compression)
    made = plan.work.pieces()
    for destination in dict.fromkeys(destinations.values()):
        destination.check()
        of_place = [game for game in games if destinations[game] is destination]
        snapshot = destination.snapshot(of_place)
        check_card(snapshot, destination)
        manifests = published_manifests(snapshot, destination)
        plan.published += manifests
        for game in of_place:
            there = [each for each in manifests if each.game == game.name]
            for number in _runs(plan, game) if runs is None else runs:
                of_run = {each.checkpoint: each for each in there if each.run == number}
                try:
                    run = source.open_run(game, number)
                    _Comparison(plan, run, of_run, snapshot, destination, made).add(checkpoints)
                except SourceError as error:
                    plan.unreadable.append(error)
    if not (plan.to_build or plan.prepared or plan.done):
        for error in plan.unreadable:
            raise error
        raise SourceError(f"{source.describe()}: holds no runs of {', '.join(map(str, games))}")
    return plan


def _check_outside(source: Source, destination: Destination) -> None:
    """Refuse a folder that is the source, or lies in one of the source's folders of games.

    Raises:
        OutputError: what is written there would lie among what is read.
    """
    url = source.url.removeprefix("file://")
    if not isinstance(destination, FolderDestination) or "://" in url:
        return
    root, out = Path(url).resolve(), Path(destination.address).resolve()
    inner = out.relative_to(root).parts[:2] if root in out.parents else ()
    if out == root or any(match_game(part) is not None for part in inner):
        raise OutputError(f"{out}: lies in the source {root}; name a folder outside of it")


def _runs(plan: Plan, game: Game) -> Sequence[int]:
    """Returns a game's runs in the source; if there are none, the plan holds the reason."""
    try:
        if runs := plan.source.runs(game):
            return runs
        raise SourceError(f"{plan.source.describe()}: holds no runs of {game}")
    except (MissingGameError, UnreachableError):
        raise
    except SourceError as error:
        plan.unreadable.append(error)
        return []


def _check_text(name: str, kind: type[AtariReplayError]) -> None:
    """Reject the name of a folder that a job's record, which is JSON, cannot hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise kind(
            f"{name!a}: a path that is not UTF-8, which no job can record; rename it, or make a link to it"
        ) from None


@dataclass
class _Comparison:
    """A run of the source beside what is published of it."""

    plan: Plan
    run: Run
    published: Mapping[int, Manifest]
    snapshot: Snapshot
    destination: Destination
    made: Collection[CheckpointId]
    """Checkpoints whose pieces are in the work folder."""

    def add(self, checkpoints: Sequence[int] | None) -> None:
        """Add the run's checkpoints to the plan."""
        asked = list(self.run.checkpoints if checkpoints is None else checkpoints)
        for checkpoint in asked:
            self.run.require(checkpoint)
            if checkpoint > MOST_CHECKPOINT:
                raise UnknownNameError(
                    f"{self.run.where}: checkpoint {checkpoint}; "
                    f"a dataset holds those up to {MOST_CHECKPOINT}"
                )
        sizes = self.run.file_sizes()
        self.run.capacity()  # raises now if none of the run's files can be read
        ids = [CheckpointId(self.run.game, self.run.number, number) for number in asked]
        found = {checkpoint: self._list_for(checkpoint, sizes) for checkpoint in ids}
        self._check_others({each.number for each in ids if found[each] is not self.plan.done})
        self.plan.runs[self.run.game, self.run.number] = self.run
        for checkpoint in ids:
            found[checkpoint].append(checkpoint)

    def _list_for(self, checkpoint: CheckpointId, sizes: Mapping[str, int | None]) -> list[CheckpointId]:
        run, plan = self.run, self.plan
        manifest = self.published.get(checkpoint.number)
        if (
            manifest is not None
            and self._is_whole(manifest)
            and (is_current(manifest, run, sizes) or has_lost_neighbour(manifest, run, sizes))
        ):
            return plan.done
        if checkpoint not in self.made:
            return plan.to_build
        piece = plan.work.find_piece(checkpoint)
        is_made = piece is not None and is_usable(piece, run, sizes, self.destination, plan.compression)
        return plan.prepared if is_made else plan.to_build

    def _is_whole(self, manifest: Manifest) -> bool:
        return all(self.snapshot.size(file.path) == file.size for file in manifest.files())

    def _check_others(self, rebuilt: Collection[int]) -> None:
        """Check that the published checkpoints of this run that will stay are from the same log."""
        for checkpoint, manifest in self.published.items():
            if checkpoint not in rebuilt and not is_same_log(manifest, self.run):
                raise OutputError(
                    f"{self.destination.address}: holds checkpoint {checkpoint} of {self.run.game} run "
                    f"{self.run.number}, of another log than {self.run.where}; name another place, or "
                    f"remove that run there"
                )
