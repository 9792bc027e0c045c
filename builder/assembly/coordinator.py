"""Carries a plan out: an engine's workers make the pieces; here they are joined and published in batches."""

import contextlib
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ..destinations import Destination, UploadLostError
from ..editing import render_cards
from ..engines.engine import Engine, EngineError
from ..errors import AtariReplayError, OutputError, SourceError
from ..files import writing_alone
from ..folder_destination import FolderDestination
from ..games import find_game
from ..manifest import Manifest
from ..publication import Publication
from ..publish import put
from ..run import Run
from .job import Job, Task, secret_options
from .joining import join, pieces_needed
from .pieces import Piece
from .plan import Plan, Unit
from .progress_board import ProgressBoard
from .work import FAILURES, PROGRESS, take_failures

BATCH_CHECKPOINTS = 24
"""Finished checkpoints that are published together: mostly in one commit; see `publish.COMMIT_FILES`."""
BATCH_SECONDS = 600.0
"""After so long, fewer are published, too."""
SCAN_SECONDS = 2.0
"""Between two looks at what the workers have finished."""
ROUNDS = 6
"""How often tasks are given out: for the pieces, for the heads they wait for, and for what was lost."""

Key = tuple[str, int, int]
"""The game's slug, the run and the checkpoint."""


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
    with writing_alone(path) if path else contextlib.nullcontext():
        coordinator = _Coordinator(plan, engine, license)
        coordinator.run()
    return coordinator.outcome


class _Coordinator:
    def __init__(self, plan: Plan, engine: Engine, license: str | None) -> None:
        self._plan, self._engine, self._license = plan, engine, license
        self._work = plan.work
        self._unpublished = {unit.key: unit for unit in plan.units}
        self._pieces: dict[Key, Piece] = {}
        self._scanned = self._last_batch = time.monotonic()
        self._board = ProgressBoard(self._work, plan)
        self.outcome = Outcome()

    def run(self) -> None:
        """Build, join and publish until all is done that can be."""
        self._clear()
        with self._board:
            self._scan()
            for _ in range(ROUNDS):
                if tasks := self._tasks():
                    self._run_tasks(tasks)
                if self.outcome.handed_over:
                    return
                self._publish_finished(least=1)
                if not self._tasks():
                    break
        for destination in dict.fromkeys(self._plan.destinations.values()):
            # In a folder, a kill can come between a checkpoint and the card that tells of it.
            if not isinstance(destination, FolderDestination) and self._license is None:
                continue
            self.outcome.publications.append(render_cards(destination, license=self._license))
        if not self._unpublished:
            self.outcome.failures.clear()
            for destination in dict.fromkeys(self._plan.destinations.values()):
                destination.discard_uploads()
            self._work.remove()

    def _clear(self) -> None:
        """Remove what a killed publication was in the middle of, and pieces that are out of date."""
        for folder in ("scratch", FAILURES, PROGRESS):
            self._work.remove(folder)
        prepared = {unit.key for unit in self._plan.prepared}
        for key in set(self._work.pieces()) - prepared:
            self._work.remove_piece(find_game(key[0]), key[1], key[2])

    def _scan(self) -> None:
        """Look for pieces that were made since the last time."""
        self._scanned = time.monotonic()
        for slug, run, checkpoint in self._work.pieces():
            known = self._pieces.get((slug, run, checkpoint))
            if known is None or known.uploaded_to is None:
                piece = self._work.find_piece(find_game(slug), run, checkpoint)
                if piece is not None:
                    self._pieces[slug, run, checkpoint] = piece
        self._board.made(self._pieces.keys() & self._unpublished.keys())

    def _tasks(self) -> list[Task]:
        """What is still to be made: pieces, then heads that complete the last one of a stretch."""
        missing, heads = [], []
        for key, unit in self._unpublished.items():
            if key in self.outcome.failures:
                continue
            piece = self._pieces.get(key)
            if piece is None or piece.uploaded_to is None:
                missing.append(unit)
            elif (needed := self._missing_head(unit)) is not None:
                heads.append(needed)
        tasks = [
            Task(run.game.name, run.number, tuple(checkpoints), self._head_after(Unit(run, checkpoints[-1])))
            for run, units in itertools.groupby(missing, key=lambda unit: unit.run)
            for checkpoints in self._divide(run, [unit.checkpoint for unit in units])
        ]
        return tasks or [
            Task(unit.run.game.name, unit.run.number, (), head=unit.checkpoint) for unit in heads
        ]

    def _divide(self, run: Run, checkpoints: list[int]) -> list[list[int]]:
        """Among workers by checkpoint; a single one goes on from one checkpoint to the next."""
        tasks = run.tasks(checkpoints)
        if self._engine.workers > 1:
            return tasks
        stretches = (
            tasks[start : start + BATCH_CHECKPOINTS] for start in range(0, len(tasks), BATCH_CHECKPOINTS)
        )
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
            return self._pieces.get(looked_for[-1].key)

        if pieces_needed(unit.checkpoint, find) is not None:
            return None
        key = looked_for[-1].key
        return None if key in self._unpublished or key in self.outcome.failures else looked_for[-1]

    def _run_tasks(self, tasks: Sequence[Task]) -> None:
        source = self._plan.source
        url = source.url if "://" in source.url else str(Path(source.url).absolute())
        job = Job(url, self._plan.place, tuple(tasks), dict(source.storage_options), self._threads())
        secrets = secret_options(job.storage_options)
        if secrets and not self._engine.is_here:
            raise OutputError(
                f"storage options that may be secrets ({', '.join(secrets)}) are not stored for other "
                f"machines; give credentials where the workers run"
            )
        job.save(self._work)
        with contextlib.closing(self._engine.run(self._work.url, range(len(tasks)))) as ticks:  # pyright: ignore[reportArgumentType]
            for _ in ticks:
                self._take_failures()
                self._publish_when_due()
        self._take_failures()
        for number, message in self._engine.failures.items():
            for key in self._keys(tasks[number]):
                self.outcome.failures.setdefault(key, EngineError(message))
        self.outcome.handed_over = self._engine.handed_over
        self._scan()

    def _threads(self) -> int | None:
        """For workers that share this machine."""
        engine = self._engine
        return max(1, pa.cpu_count() // engine.workers) if engine.is_here and engine.workers > 1 else None

    def _keys(self, task: Task) -> list[Key]:
        slug = find_game(task.game).slug
        checkpoints = task.checkpoints if task.head is None else (*task.checkpoints, task.head)
        return [(slug, task.run, checkpoint) for checkpoint in checkpoints]

    def _take_failures(self) -> None:
        for failure in take_failures(self._work):
            if failure.is_fatal:
                raise failure.error
            self.outcome.failures[failure.key] = failure.error
            self._board.log(f"{failure.error}; going on with the others")

    def _publish_when_due(self) -> None:
        if time.monotonic() - self._scanned >= SCAN_SECONDS:
            self._scan()
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
            pieces = pieces_needed(key[2], lambda number, key=key: self._pieces.get((key[0], key[1], number)))
            if pieces is not None and pieces[0].uploaded_to is not None:
                destination = self._plan.destinations[unit.run.game]
                finished.setdefault(destination, []).append((unit, pieces))
        return finished

    def _publish(self, destination: Destination, batch: Sequence[tuple[Unit, list[Piece]]]) -> None:
        with self._work.scratch() as scratch:
            checkpoints = [
                join(pieces, self._work.read_piece_file, scratch / str(place))
                for place, (_, pieces) in enumerate(batch)
            ]
            try:
                publication = put(checkpoints, None, destination, license=self._license)
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

    def _drop_pieces(self, runs: Iterable[Run]) -> None:
        """Remove the pieces that no unpublished checkpoint can need any more: those before the first one."""
        for run in runs:
            slug, number = run.game.slug, run.number
            waiting = [key[2] for key in self._unpublished if key[:2] == (slug, number)]
            for key in [key for key in self._pieces if key[:2] == (slug, number)]:
                if not waiting or key[2] < min(waiting):
                    self._drop(Unit(run, key[2]))

    def _drop(self, unit: Unit) -> None:
        self._work.remove_piece(unit.run.game, unit.run.number, unit.checkpoint)
        del self._pieces[unit.key]
