"""Carries a plan out: an engine's workers make the pieces; here they are joined and published in batches."""

import contextlib
import itertools
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ..engines.engine import Engine, EngineError, ProcessEngine
from ..errors import AtariReplayError, OutputError, SourceError
from ..files import writing_alone
from ..format.games import find_game
from ..format.layout import manifest_file
from ..format.manifest import Manifest
from ..publishing.editing import render_cards
from ..publishing.publication import Publication
from ..publishing.publish import put
from ..repos.destination import Destination, UploadLostError
from ..repos.folder_destination import FolderDestination
from ..sources.run import Run
from .job import Job, Task
from .joining import join, pieces_needed
from .pieces import Piece
from .plan import Plan, Unit, is_usable
from .progress_board import ProgressBoard
from .work_folder import HEADS, PIECES, Key, WorkFolder
from .worker import failures_of

BATCH_CHECKPOINTS = 24
"""Finished checkpoints that are published together: mostly in one commit; see `publish.COMMIT_FILES`."""
BATCH_SECONDS = 600.0
"""After so long, fewer are published, too."""
SCAN_SECONDS = 2.0
"""Between two looks at what the workers have finished."""
STRETCH = 6
"""Checkpoints that a single worker makes in one task; then it is seen what can be published."""

HANDED_OVER = "handed-over"
"""Marks a work folder whose tasks run on without a coordinator."""


@dataclass
class Outcome:
    """What a publication has done."""

    published: list[Manifest] = field(default_factory=list)
    publications: list[Publication] = field(default_factory=list)
    failures: dict[Key, AtariReplayError] = field(default_factory=dict)
    handed_over: str | None = None
    """What to tell the user when an engine goes on without this process."""

    def require_success(self) -> None:
        """Tell of what failed.

        Raises:
            AtariReplayError: something has; of the kind of the first failure.
        """
        if not self.failures:
            return
        messages = dict.fromkeys(map(str, self.failures.values()))
        first = self.failures[min(self.failures)]
        more = f"; {len(messages) - 1} more failures are told above" if len(messages) > 1 else ""
        others = f" ({len(self.published)} other checkpoints were published)" if self.published else ""
        raise type(first)(f"{first}{more}{others}")


def publish_plan(plan: Plan, engine: Engine, *, license: str | None = None) -> Outcome:
    """Make and publish what the plan lacks.

    Killed at any moment and run again, it goes on where it was, and the result is the same to the byte. A
    checkpoint that cannot be made holds up none but the one before it, whose last episode it completes.

    Args:
        plan: as `make_plan` gives it.
        engine: runs the tasks.
        license: what the card is to name; None keeps what it says.

    Raises:
        OutputError: the destination or the work folder cannot be written, or another process is at it.
    """
    path = plan.work.path
    with writing_alone(path, "or give this one another folder with --work") if path else nullcontext():
        coordinator = _Coordinator(plan, engine, license)
        coordinator.run()
    return coordinator.outcome


class _Coordinator:
    def __init__(self, plan: Plan, engine: Engine, license: str | None) -> None:
        self._plan, self._engine, self._license = plan, engine, license
        self._work = plan.work
        self._unpublished = {unit.key: unit for unit in plan.units}
        self._runs = {unit.key[:2]: unit.run for unit in plan.units}
        self._sizes: dict[tuple[str, int], dict[str, int | None]] = {}
        self._pieces: dict[Key, Piece] = {}
        self._heads: dict[Key, Piece] = {}
        self._job: WorkFolder | None = None
        self._scanned = self._last_batch = time.monotonic()
        self._board = ProgressBoard(plan)
        self.outcome = Outcome(failures=dict(plan.failures))

    def run(self) -> None:
        """Build, join and publish until all is done that can be."""
        self._forget_earlier_jobs()
        with self._board:
            self._scan()
            state = None
            # As long as there is something to do, and doing it changes something.
            while (tasks := self._tasks()) or state is None:
                if tasks:
                    self._run_tasks(tasks)
                if self.outcome.handed_over:
                    return
                self._publish_finished(least=1)
                before, state = state, (len(self._unpublished), len(self.outcome.failures), len(self._heads))
                if before == state:
                    break
            self._render_cards()
        self._settle()

    def _forget_earlier_jobs(self) -> None:
        """Remove what killed publications have left, but for their pieces.

        Raises:
            OutputError: the workers of one are still at it, on other machines.
        """
        if self._work.read(HANDED_OVER) is not None and not isinstance(self._engine, ProcessEngine):
            raise OutputError(
                f"{self._work.url}: workers that were started before may still be at it; when they have "
                f"ended, publish without --engine to go on, or remove this folder"
            )
        self._work.remove("jobs")

    def _render_cards(self) -> None:
        for destination in dict.fromkeys(self._plan.destinations.values()):
            # In a folder, a kill can come between a checkpoint and the card that tells of it. On the Hub, a
            # branch that is still to be made shows what main holds.
            is_needed = isinstance(destination, FolderDestination) or not self.outcome.published
            if (is_needed or self._license is not None) and (self._plan.done or self.outcome.published):
                self.outcome.publications.append(render_cards(destination, license=self._license))

    def _settle(self) -> None:
        """Whatever is left has failed; if nothing is, neither is anything left to keep."""
        failures = self.outcome.failures
        if self._unpublished and not failures:
            for key, unit in self._unpublished.items():
                failures[key] = EngineError(f"{unit}: could not be completed; publish again to go on")
        if not self._unpublished:
            for key in [key for key in failures if key not in self._plan.failures]:
                del failures[key]
            self._work.remove("jobs")
            self._work.remove(HANDED_OVER)
            left = self._work.pieces()
            for unit in (*self._plan.units, *self._plan.done):
                if unit.key in left:
                    self._work.remove_piece(unit.run.game, unit.run.number, unit.checkpoint)
            if not self._work.pieces():  # of another selection
                for destination in dict.fromkeys(self._plan.destinations.values()):
                    destination.discard_uploads()
                self._work.remove()

    def _scan(self) -> None:
        """Look for pieces that were made since the last time, and drop those that are of no use."""
        self._scanned = time.monotonic()
        for kind, known in ((PIECES, self._pieces), (HEADS, self._heads)):
            for key in self._work.pieces(kind) - known.keys():
                run = self._runs.get(key[:2])
                if run is None:
                    continue  # of another selection of the same publication
                piece = self._work.find_piece(run.game, run.number, key[2], kind)
                if piece is not None and self._is_usable(piece, run):
                    known[key] = piece
                else:
                    self._work.remove_piece(run.game, run.number, key[2], kind)

    def _is_usable(self, piece: Piece, run: Run) -> bool:
        key = (run.game.slug, run.number)
        if key not in self._sizes:
            self._sizes[key] = run.file_sizes()
        return is_usable(piece, run, self._sizes[key], self._plan.destinations[run.game])

    def _tasks(self) -> list[Task]:
        """What is still to be made: pieces, then heads that complete the last one of a stretch."""
        failed = self.outcome.failures
        missing = [
            unit for key, unit in self._unpublished.items() if key not in self._pieces and key not in failed
        ]
        tasks = [
            Task(run.game.name, run.number, tuple(checkpoints), self._head_after(Unit(run, checkpoints[-1])))
            for run, units in itertools.groupby(missing, key=lambda unit: unit.run)
            for checkpoints in self._divide(run, [unit.checkpoint for unit in units])
        ]
        if tasks:
            return tasks
        made = [unit for key, unit in self._unpublished.items() if key in self._pieces]
        heads = dict.fromkeys(head for unit in made if (head := self._missing_head(unit)) is not None)
        return [Task(unit.run.game.name, unit.run.number, (), head=unit.checkpoint) for unit in heads]

    def _divide(self, run: Run, checkpoints: list[int]) -> list[list[int]]:
        """Among workers by checkpoint; a single one goes on from one checkpoint to the next."""
        tasks = run.tasks(checkpoints)
        if self._engine.workers > 1:
            return tasks
        stretches = (tasks[start : start + STRETCH] for start in range(0, len(tasks), STRETCH))
        return [list(itertools.chain.from_iterable(stretch)) for stretch in stretches]

    def _head_after(self, unit: Unit) -> int | None:
        """The checkpoint whose head completes this one, if nobody else is going to make it."""
        _, later = unit.run.neighbours(unit.checkpoint)
        if later is None or Unit(unit.run, later).key in self._unpublished:
            return None
        with contextlib.suppress(SourceError):  # its own task will tell
            return unit.run.continued_in(unit.checkpoint)
        return None

    def _missing_head(self, unit: Unit) -> Unit | None:
        """The checkpoint whose head a piece waits for, if nobody else is going to make it."""
        looked_for: list[Unit] = []

        def find(checkpoint: int) -> Piece | None:
            looked_for.append(Unit(unit.run, checkpoint))
            return self._find(looked_for[-1].key)

        if pieces_needed(unit.checkpoint, find) is not None:
            return None
        key = looked_for[-1].key
        return None if key in self._unpublished or key in self.outcome.failures else looked_for[-1]

    def _find(self, key: Key) -> Piece | None:
        return self._pieces.get(key) or self._heads.get(key)

    def _run_tasks(self, tasks: Sequence[Task]) -> None:
        self._job = folder = self._start_job(tasks)
        with contextlib.closing(self._engine.run(folder.url, range(len(tasks)))) as ticks:
            for _ in ticks:
                self._publish_when_due()
        self._scan()
        self._take_failures()
        for number, message in self._engine.failures.items():
            unmade = [key for key in self._keys(tasks[number]) if self._find(key) is None]
            # Those after it in the task may be well: they are handed out again.
            for key in unmade[:1]:
                place = f"{key[0]} run {key[1]} checkpoint {key[2]}"
                error = EngineError(f"{place}: {message}; its log is in {folder.url}/logs")
                self.outcome.failures.setdefault(key, error)
                self._board.log(str(error))
        self.outcome.handed_over = self._engine.handed_over
        if self.outcome.handed_over:
            self._work.write(HANDED_OVER, b"")

    def _start_job(self, tasks: Sequence[Task]) -> WorkFolder:
        source = self._plan.source
        url = source.url if "://" in source.url else str(Path(source.url).absolute())
        options = dict(source.storage_options)
        job = Job(url, self._plan.place, tuple(tasks), options, self._work.url, self._threads())
        if job.secrets() and not self._engine.is_here:
            raise OutputError(
                f"what may be secret ({', '.join(job.secrets())}) is not stored for other machines; give "
                f"credentials where the workers run"
            )
        folder = self._work.inner(f"jobs/{job.id}")
        job.save(folder)
        self._board.watch(folder)
        return folder

    def _threads(self) -> int | None:
        """For workers that share this machine."""
        engine = self._engine
        return max(1, pa.cpu_count() // engine.workers) if engine.is_here and engine.workers > 1 else None

    def _keys(self, task: Task) -> list[Key]:
        slug = find_game(task.game).slug
        checkpoints = task.checkpoints if task.head is None else (*task.checkpoints, task.head)
        return [(slug, task.run, checkpoint) for checkpoint in checkpoints]

    def _take_failures(self) -> None:
        assert self._job is not None
        for failure in failures_of(self._job):
            if failure.is_fatal:
                raise failure.error
            if failure.key not in self.outcome.failures:
                self.outcome.failures[failure.key] = failure.error
                self._board.log(f"{failure.error}; going on with the others")

    def _publish_when_due(self) -> None:
        if time.monotonic() - self._scanned >= SCAN_SECONDS * (1 if self._work.path else 10):
            self._scan()
            self._take_failures()
            overdue = time.monotonic() - self._last_batch >= BATCH_SECONDS
            self._publish_finished(least=1 if overdue else BATCH_CHECKPOINTS)

    def _publish_finished(self, least: int) -> None:
        """Join and publish what is finished, in batches of at least so many."""
        for destination, finished in self._finished().items():
            for start in range(0, len(finished), BATCH_CHECKPOINTS):
                batch = finished[start : start + BATCH_CHECKPOINTS]
                if len(batch) >= least:
                    self._publish(destination, batch)
                    self._last_batch = time.monotonic()

    def _finished(self) -> dict[Destination, list[tuple[Unit, list[Piece]]]]:
        finished: dict[Destination, list[tuple[Unit, list[Piece]]]] = {}
        for key in sorted(self._pieces.keys() & self._unpublished.keys()):
            unit = self._unpublished[key]
            pieces = pieces_needed(key[2], lambda number, key=key: self._find((key[0], key[1], number)))
            if pieces is not None:
                destination = self._plan.destinations[unit.run.game]
                finished.setdefault(destination, []).append((unit, pieces))
        return finished

    def _publish(self, destination: Destination, batch: Sequence[tuple[Unit, list[Piece]]]) -> None:
        with (self._job or self._work).scratch() as scratch:
            checkpoints = [
                join(pieces, self._work.read_piece_file, scratch / str(place))
                for place, (_, pieces) in enumerate(batch)
            ]
            try:
                publication = put(
                    checkpoints, None, destination, license=self._license, following=self._outdated()
                )
            except UploadLostError as error:
                self._forget(batch, error.paths)
                return
        self.outcome.publications.append(publication)
        self.outcome.published += [checkpoint.manifest for checkpoint in checkpoints]
        for unit, _ in batch:
            del self._unpublished[unit.key]
        self._board.published([unit for unit, _ in batch])
        self._drop_pieces({unit.run for unit, _ in batch})

    def _forget(self, batch: Iterable[tuple[Unit, list[Piece]]], lost: Sequence[str]) -> None:
        """Have the pieces made anew whose uploads the destination has lost."""
        for unit, pieces in batch:
            if {file.path for file in pieces[0].manifest.shards} & set(lost):
                self._drop(unit)

    def _outdated(self) -> list[str]:
        """Manifests of other logs that later batches are going to replace."""
        return [
            manifest_file(manifest.find_game(), manifest.run, manifest.checkpoint)
            for manifest in self._plan.published
            if (unit := self._unpublished.get(manifest.key)) is not None
            and manifest.log != (unit.run.capacity(), unit.run.provenance)
        ]

    def _drop_pieces(self, runs: Iterable[Run]) -> None:
        """Remove the pieces that no unpublished checkpoint can need any more: those before the first one."""
        for run in runs:
            place = (run.game.slug, run.number)
            first = min((key[2] for key in self._unpublished if key[:2] == place), default=None)
            for kind, known in ((PIECES, self._pieces), (HEADS, self._heads)):
                for key in [key for key in known if key[:2] == place and (first is None or key[2] < first)]:
                    self._work.remove_piece(run.game, run.number, key[2], kind)
                    del known[key]

    def _drop(self, unit: Unit) -> None:
        self._work.remove_piece(unit.run.game, unit.run.number, unit.checkpoint)
        del self._pieces[unit.key]
