"""What a publication would make, what an interrupted one has made already, and what is there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ..destinations import Destination, Snapshot
from ..errors import OutputError, SourceError, UnknownNameError
from ..games import Game
from ..layout import MOST_CHECKPOINT
from ..manifest import Manifest
from ..published_manifests import published_manifests
from ..run import Run, describe_numbers
from ..source import Source
from .job import Place
from .work_folder import WorkFolder


@dataclass(frozen=True)
class Unit:
    """One checkpoint of a run."""

    run: Run
    checkpoint: int

    @property
    def key(self) -> tuple[str, int, int]:
        """The game's slug, the run and the checkpoint."""
        return self.run.game.slug, self.run.number, self.checkpoint

    @property
    def rows(self) -> int:
        """About what is to be read."""
        return self.run.rows(self.checkpoint)

    def __str__(self) -> str:
        return f"{self.run.game} run {self.run.number} checkpoint {self.checkpoint}"


@dataclass
class Plan:
    """The checkpoints that were asked for, by what has become of them, each in order."""

    source: Source
    place: Place
    work: WorkFolder
    destinations: Mapping[Game, Destination]
    """Of each game that was asked for; it may be the same for all."""
    to_build: list[Unit] = field(default_factory=list)
    prepared: list[Unit] = field(default_factory=list)
    """Their pieces are made, but not yet published."""
    done: list[Unit] = field(default_factory=list)
    published: list[Manifest] = field(default_factory=list)
    """Of all that is there of these games, whether it is asked for or not."""

    @property
    def units(self) -> list[Unit]:
        """Those to be published."""
        return sorted([*self.to_build, *self.prepared], key=lambda unit: unit.key)

    def __str__(self) -> str:
        lines = [f"would build {line}" for line in _by_run(self.to_build)]
        rows = sum(unit.rows for unit in self.to_build)
        prepared = f"{len(self.prepared)} are prepared, " if self.prepared else ""
        total = (
            f"{len(self.to_build)} checkpoints to build, {rows:,} rows; {prepared}{len(self.done)} are done"
        )
        return "\n".join([*lines, total])


def make_plan(
    source: Source,
    games: Sequence[Game],
    place: Place,
    work: str | None = None,
    *,
    runs: Sequence[int] | None = None,
    checkpoints: Sequence[int] | None = None,
) -> Plan:
    """Compare a source with what is published of it; nothing is changed.

    A checkpoint is done if its manifest is there and agrees with the source: files of the same sizes, the
    same neighbours, and the same log.

    Args:
        source: as `open_source` gives it.
        games: which of its games.
        place: where they go.
        work: the work folder's path or URL; None takes the place's own.
        runs: which runs, all that the source has if None.
        checkpoints: which checkpoints of each run, all if None.

    Raises:
        SourceError: the source has no such game or run.
        UnknownNameError: a run has no such checkpoint.
        OutputError: the destination holds something else.
    """
    place = place.absolute()
    destinations = place.destinations(games)
    plan = Plan(source, place, WorkFolder(work or place.default_work()), destinations)
    for destination in dict.fromkeys(destinations.values()):
        destination.check()
        of_place = [game for game in games if destinations[game] is destination]
        snapshot = destination.snapshot(of_place)
        manifests = published_manifests(snapshot, destination)
        plan.published += manifests
        for game in of_place:
            there = [each for each in manifests if each.game == game.name]
            for number in source.runs(game) if runs is None else runs:
                run = source.open_run(game, number)
                of_run = {each.checkpoint: each for each in there if each.run == number}
                _Comparison(plan, run, of_run, snapshot, destination).add(checkpoints)
    if not (plan.to_build or plan.prepared or plan.done):
        raise SourceError(f"{source.describe()}: holds no runs of {', '.join(map(str, games))}")
    return plan


@dataclass
class _Comparison:
    """A run of the source beside what is published of it."""

    plan: Plan
    run: Run
    published: Mapping[int, Manifest]
    snapshot: Snapshot
    destination: Destination

    def add(self, checkpoints: Sequence[int] | None) -> None:
        """Add the run's checkpoints to the plan."""
        sizes, rebuilt = self.run.file_sizes(), set[int]()
        for checkpoint in self.run.checkpoints if checkpoints is None else checkpoints:
            self.run.require(checkpoint)
            if checkpoint > MOST_CHECKPOINT:
                raise UnknownNameError(
                    f"{self.run.where}: checkpoint {checkpoint}; "
                    f"a dataset holds those up to {MOST_CHECKPOINT}"
                )
            units = self._list_for(checkpoint, sizes)
            units.append(Unit(self.run, checkpoint))
            if units is not self.plan.done:
                rebuilt.add(checkpoint)
        self._check_others(rebuilt)

    def _list_for(self, checkpoint: int, sizes: Mapping[str, int | None]) -> list[Unit]:
        manifest = self.published.get(checkpoint)
        if manifest is not None and is_current(manifest, self.run, sizes) and self._is_whole(manifest):
            return self.plan.done
        piece = self.plan.work.find_piece(self.run.game, self.run.number, checkpoint)
        is_made = (
            piece is not None
            and piece.uploaded_to == self.destination.address
            and is_current(piece.manifest, self.run, sizes)
        )
        return self.plan.prepared if is_made else self.plan.to_build

    def _is_whole(self, manifest: Manifest) -> bool:
        return all(self.snapshot.size(file.path) == file.size for file in manifest.files())

    def _check_others(self, rebuilt: Collection[int]) -> None:
        """See to it that what is published of this run, and will stay, is of the same log."""
        for checkpoint, manifest in self.published.items():
            if checkpoint not in rebuilt and manifest.log != (self.run.capacity(), self.run.provenance):
                raise OutputError(
                    f"{self.destination.address}: holds checkpoint {checkpoint} of {self.run.game} run "
                    f"{self.run.number}, of another log than {self.run.where}; name another place, or "
                    f"remove that run there"
                )


def is_current(manifest: Manifest, run: Run, sizes: Mapping[str, int | None]) -> bool:
    """Whether a manifest is of what the source holds now.

    Args:
        manifest: of one of the run's checkpoints.
        run: the run, as the source holds it.
        sizes: of its files, from `Run.file_sizes`.
    """
    return (
        (manifest.earlier, manifest.later) == run.neighbours(manifest.checkpoint)
        and manifest.log == (run.capacity(), run.provenance)
        and manifest.last_complete == run.is_last_complete(manifest.checkpoint)
        and all(sizes.get(record.path) == record.size for record in manifest.sources)
    )


def _by_run(units: Sequence[Unit]) -> Iterable[str]:
    for run, of_run in groupby(units, key=lambda unit: unit.run):
        listed = list(of_run)
        numbers = describe_numbers([unit.checkpoint for unit in listed])
        rows = sum(unit.rows for unit in listed)
        yield f"{run.game} run {run.number} checkpoint{'s' * (len(listed) > 1)} {numbers}: {rows:,} rows"
