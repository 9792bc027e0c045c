"""Carries out a plan: an engine's workers make the pieces, which are joined and published here in batches."""

import contextlib
import itertools
import time
from collections.abc import Iterable, Mapping, Sequence

from ..engines.engine import Engine, EngineError, ProcessEngine
from ..errors import OutputError, SourceError
from ..files import writing_alone
from ..format.checkpoint_id import CheckpointId
from ..format.games import Game
from ..publishing.beside_data import update_beside_data
from ..publishing.editing import render_cards
from ..publishing.preview import wanted_previews
from ..publishing.publish import put
from ..repos.destination import Destination, UploadLostError
from ..repos.folder_destination import FolderDestination
from ..sources.run import Run
from .job import Task
from .joining import join
from .outcome import Outcome
from .pieces import Piece
from .plan import Plan
from .progress_board import ProgressBoard
from .schedule import Schedule, divide
from .task_runner import TaskRunner
from .up_to_date import is_same_log, is_usable
from .work_folder import HEADS, PIECES
from .worker import Failure

BATCH_CHECKPOINTS = 24
"""Finished checkpoints that are published together, mostly in one commit; see `publish.COMMIT_FILES`."""
BATCH_SECONDS = 600.0
"""Seconds after which fewer are published, too."""
SCAN_SECONDS = 2.0
"""Seconds between two looks at what the workers have finished."""

HANDED_OVER = "handed-over"
"""Marks a work folder whose tasks continue without a coordinator."""

Finished = Mapping[CheckpointId, Sequence[Piece]]
"""Checkpoints that can be joined, each with its pieces."""


def publish_plan(
    plan: Plan, engine: Engine, *, license: str | None = None, preview: int | None = None
) -> Outcome:
    """Make and publish a plan's unpublished checkpoints.

    If it is killed at any moment and run again, it continues where it was, and the result is the same to the
    byte. A checkpoint that cannot be made holds up only the one before it, whose last episode it completes.

    Args:
        plan: as `make_plan` returns it.
        engine: runs the tasks.
        license: the license for the card to name; None keeps what the card names.
        preview: the number of episodes of each game in the config `preview`; 0 removes these games from it;
            None keeps what the destination has.

    Raises:
        OutputError: the destination or the work folder cannot be written, or another process is using it.
    """
    places = dict.fromkeys(plan.destinations.values())
    # Two publications into one folder would share its uploads.
    is_shared = any(isinstance(place, FolderDestination) for place in places)
    otherwise = "" if is_shared else "or give this one another folder with --work"
    with contextlib.ExitStack() as locks:
        if plan.work.path:
            locks.enter_context(writing_alone(plan.work.path, otherwise))
        for place in places:
            locks.enter_context(place.uploading_alone())
        coordinator = _Coordinator(plan, engine, license, preview)
        coordinator.run()
    return coordinator.outcome


class _Coordinator:
    """Asks the schedule what comes next, and carries it out."""

    def __init__(self, plan: Plan, engine: Engine, license: str | None, preview: int | None) -> None:
        self._plan, self._engine, self._license = plan, engine, license
        self._previews = wanted_previews([*plan.destinations], preview)
        self._work = plan.work
        self._schedule: Schedule[Piece] = Schedule(
            frozenset(plan.unpublished), selection=frozenset([*plan.unpublished, *plan.done])
        )
        self._runner = TaskRunner(plan, engine)
        self._board = ProgressBoard(plan)
        self._sizes: dict[Run, dict[str, int | None]] = {}
        self._scanned = self._last_batch = time.monotonic()
        self.outcome = Outcome(unreadable=plan.unreadable)

    def run(self) -> None:
        """Build, join and publish until everything possible is done."""
        self._remove_earlier_jobs()
        with self._board:
            for error in self._plan.unreadable:
                self._board.log(f"{error}; going on with the others")
            self._scan()
            state = None
            # Continue while there is something to do, and doing it changes something.
            while (tasks := self._tasks()) or state is None:
                if tasks:
                    self._run_tasks(tasks)
                if self.outcome.handed_over:
                    return
                self._publish_finished(least=1)
                before, state = state, self._progress()
                if before == state:
                    break
            self._render_cards()
        self._settle()

    def _progress(self) -> tuple[int, int, int]:
        return len(self._schedule.unpublished), len(self._schedule.failed), len(self._schedule.heads)

    def _remove_earlier_jobs(self) -> None:
        """Remove what killed publications have left, except their pieces.

        Raises:
            OutputError: the workers of one are still running on other machines.
        """
        if self._work.read(HANDED_OVER) is not None and not isinstance(self._engine, ProcessEngine):
            raise OutputError(
                f"{self._work.url}: workers that were started before may still be at it; when they have "
                f"ended, publish without --engine to go on, or remove this folder"
            )
        self._work.remove("jobs")

    def _scan(self) -> None:
        """Find the pieces made since the last scan, and remove those that are of no use."""
        self._scanned = time.monotonic()
        pieces = self._find_new(PIECES, self._schedule.pieces)
        self._schedule = self._schedule.with_made(pieces, self._find_new(HEADS, self._schedule.heads))

    def _find_new(self, kind: str, known: Mapping[CheckpointId, Piece]) -> dict[CheckpointId, Piece]:
        found = {}
        for checkpoint in self._work.pieces(kind) - known.keys():
            if (checkpoint.game, checkpoint.run) not in self._plan.runs:
                continue  # belongs to another selection of the same publication
            piece = self._work.find_piece(checkpoint, kind)
            if piece is not None and self._is_usable(piece, self._plan.run_of(checkpoint)):
                found[checkpoint] = piece
            elif kind == HEADS or self._schedule.is_own(checkpoint):
                self._work.remove_piece(checkpoint, kind)
        return found

    def _is_usable(self, piece: Piece, run: Run) -> bool:
        if run not in self._sizes:
            self._sizes[run] = run.file_sizes()
        destination = self._plan.destinations[run.game]
        return is_usable(piece, run, self._sizes[run], destination, self._plan.compression)

    def _tasks(self) -> list[Task]:
        """Returns what is still to be made: pieces, then heads that complete the last one of a stretch."""
        missing = itertools.groupby(self._schedule.missing_pieces(), key=self._plan.run_of)
        tasks = [
            Task(run.game.name, run.number, tuple(numbers), self._head_after(run, numbers[-1]))
            for run, of_run in missing
            for numbers in divide(run.tasks([each.number for each in of_run]), self._engine.workers)
        ]
        heads = self._schedule.missing_heads()
        return tasks or [Task(each.game.name, each.run, (), head=each.number) for each in heads]

    def _head_after(self, run: Run, number: int) -> int | None:
        """Returns the checkpoint whose head completes this one, if nothing else is going to make it."""
        _, later = run.neighbours(number)
        if later is None or CheckpointId(run.game, run.number, later) in self._schedule.unpublished:
            return None
        with contextlib.suppress(SourceError):  # its own task will report it
            return run.continued_in(number)
        return None

    def _run_tasks(self, tasks: Sequence[Task]) -> None:
        self._board.watch(self._runner.start(tasks))
        with contextlib.closing(self._runner.run()) as ticks:
            for _ in ticks:
                self._publish_when_due()
        self._scan()
        self._take_failures(self._runner.failures())
        made = {*self._schedule.pieces, *self._schedule.heads}
        self._take_failures(self._runner.losses(made))
        self.outcome.handed_over = self._engine.handed_over
        if self.outcome.handed_over:
            self._work.write(HANDED_OVER, b"")

    def _take_failures(self, failures: Iterable[Failure]) -> None:
        for failure in failures:
            if failure.is_fatal:
                raise failure.error
            if failure.checkpoint not in self.outcome.failures:
                self.outcome.failures[failure.checkpoint] = failure.error
                self._board.log(f"{failure.error}; going on with the others")
        self._schedule = self._schedule.with_failed(self.outcome.failures)

    def _publish_when_due(self) -> None:
        if time.monotonic() - self._scanned >= SCAN_SECONDS * (1 if self._work.path else 10):
            self._scan()
            self._take_failures(self._runner.failures())
            overdue = time.monotonic() - self._last_batch >= BATCH_SECONDS
            self._publish_finished(least=1 if overdue else BATCH_CHECKPOINTS)

    def _publish_finished(self, least: int) -> None:
        """Join and publish what is finished, in batches of at least `least` checkpoints."""
        by_place: dict[Destination, list[CheckpointId]] = {}
        finished = self._schedule.finished()
        for checkpoint in finished:
            by_place.setdefault(self._plan.destinations[checkpoint.game], []).append(checkpoint)
        for destination, there in by_place.items():
            for start in range(0, len(there), BATCH_CHECKPOINTS):
                batch = there[start : start + BATCH_CHECKPOINTS]
                if len(batch) >= least:
                    self._publish(destination, {each: finished[each] for each in batch})
                    self._last_batch = time.monotonic()

    def _publish(self, destination: Destination, batch: Finished) -> None:
        with (self._runner.job or self._work).scratch() as scratch:
            checkpoints = [
                join(pieces, self._work.read_piece_file, scratch / str(place))
                for place, pieces in enumerate(batch.values())
            ]
            try:
                publication = put(
                    checkpoints, None, destination, license=self._license, following=self._outdated()
                )
            except UploadLostError as error:
                self._make_again(batch, error.paths)
                return
        self.outcome.publications.append(publication)
        self.outcome.published += [checkpoint.manifest for checkpoint in checkpoints]
        self._schedule = self._schedule.with_published(batch)
        self._board.published(list(batch))
        self._remove_pieces(self._schedule.spent())

    def _make_again(self, batch: Finished, lost: Sequence[str]) -> None:
        """Have those pieces made again whose uploads the destination has lost."""
        self._remove_pieces(
            [
                checkpoint
                for checkpoint, pieces in batch.items()
                if {file.path for file in pieces[0].manifest.shards} & set(lost)
            ]
        )

    def _remove_pieces(self, checkpoints: Sequence[CheckpointId]) -> None:
        for checkpoint in checkpoints:
            for kind, known in ((PIECES, self._schedule.pieces), (HEADS, self._schedule.heads)):
                if checkpoint in known:
                    self._work.remove_piece(checkpoint, kind)
        self._schedule = self._schedule.without_made(checkpoints)

    def _outdated(self) -> list[CheckpointId]:
        """Returns the checkpoints of other logs that later batches will replace."""
        return [
            manifest.id
            for manifest in self._plan.published
            if manifest.id in self._schedule.unpublished
            and not is_same_log(manifest, self._plan.run_of(manifest.id))
        ]

    def _render_cards(self) -> None:
        for destination in self._places():
            # In a folder, a kill can come between a checkpoint and the card that mentions it. On the Hub, a
            # branch that does not exist yet shows what main holds.
            is_needed = isinstance(destination, FolderDestination) or not self.outcome.published
            if not (self._plan.done or self.outcome.published):
                continue
            games = self._games_at(destination)
            previews = {game: self._previews[game] for game in games if game in self._previews}
            if is_needed or self._license is not None:
                done = render_cards(destination, license=self._license, redraw=False, previews=previews)
            else:
                done = update_beside_data(destination, games, previews=previews)
            self.outcome.publications += [done] if done else []

    def _games_at(self, destination: Destination) -> list[Game]:
        return [game for game, place in self._plan.destinations.items() if place == destination]

    def _settle(self) -> None:
        """Record whatever is left as failed; if nothing is left, clear the work folder."""
        unpublished, failures = self._schedule.unpublished, self.outcome.failures
        if unpublished and not failures:
            for checkpoint in unpublished:
                text = f"{checkpoint}: could not be completed; publish again to go on"
                failures[checkpoint] = EngineError(text)
        for checkpoint in sorted(unpublished - failures.keys()):
            if checkpoint in self._schedule.pieces:
                self._board.log(
                    f"{checkpoint} is built but not published: its last episode goes on in a checkpoint that "
                    f"could not be read; copy that one's files again, or remove all of them to go without"
                )
        if not unpublished:
            failures.clear()
            self._clear_work_folder()

    def _clear_work_folder(self) -> None:
        self._work.remove("jobs")
        self._work.remove(HANDED_OVER)
        for checkpoint in filter(self._schedule.is_own, self._work.pieces()):
            self._work.remove_piece(checkpoint)
        if not self._work.pieces():  # any left belong to another selection
            for destination in self._places():
                destination.discard_uploads()
            self._work.remove()

    def _places(self) -> Iterable[Destination]:
        return dict.fromkeys(self._plan.destinations.values())
