"""The work of a worker: it makes pieces of a task's checkpoints, and uploads their bodies."""

import contextlib
import functools
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ...builder import errors
from ..errors import AtariReplayError, OutputError, SourceError, UnreachableError
from ..format.checkpoint_id import CheckpointId
from ..format.games import Game, find_game
from ..format.records import Record
from ..repos.outgoing_file import OutgoingFile
from ..sources.open import open_source
from ..sources.run import Run, RunReader
from ..sources.source import Source
from .job import Job, Task
from .pieces import BODY, Piece, write_head, write_piece
from .work_folder import HEADS, PIECES, WorkFolder

FAILURES, PROGRESS = "failures", "progress"
PROGRESS_SECONDS = 1.0
"""Seconds between two notes of a worker's progress."""

_FATAL = (OutputError, OSError, UnreachableError)


class FailureNote(Record, frozen=True):
    """A worker's note of a checkpoint that could not be made."""

    game: str
    run: int
    checkpoint: int
    kind: str
    """The name of the error's class."""
    message: str


class ProgressNote(Record, frozen=True):
    """A worker's progress with a checkpoint."""

    doing: str
    done: int
    """Number of rows done."""
    total: int
    time: float
    """Time of the note, in seconds since 1970."""


@dataclass(frozen=True)
class Failure:
    """Why a checkpoint could not be made."""

    checkpoint: CheckpointId
    error: AtariReplayError

    @property
    def is_fatal(self) -> bool:
        """Whether the other checkpoints would fail as well."""
        return isinstance(self.error, _FATAL)

    @classmethod
    def of(cls, note: FailureNote) -> "Failure":
        """Returns the failure that a worker has noted."""
        kind = getattr(errors, note.kind, None)
        if not (isinstance(kind, type) and issubclass(kind, AtariReplayError)):
            kind = SourceError
        return cls(CheckpointId(find_game(note.game), note.run, note.checkpoint), kind(note.message))


def failures_of(job: WorkFolder) -> list[Failure]:
    """Returns the failures that the workers of a job have noted."""
    return [Failure.of(note) for note in job.notes(FAILURES, FailureNote)]


def run_task(work: str, task: int) -> None:
    """Make the pieces of one of the job's tasks; existing pieces stay.

    Errors of the source or the destination are noted in the job's folder.

    Args:
        work: path or URL of the job's folder.
        task: the task's number in the job.
    """
    folder = WorkFolder(work)
    job = Job.load(folder)
    if job.threads is not None:
        pa.set_cpu_count(job.threads)
    worker = _Worker(job, job.tasks[task], folder, WorkFolder(job.work))
    try:
        worker.make_pieces()
    finally:
        worker.close()


class _Worker:
    def __init__(self, job: Job, task: Task, folder: WorkFolder, work: WorkFolder) -> None:
        self._job, self._task, self._folder, self._work = job, task, folder, work
        self._game = find_game(task.game)
        self._reader: RunReader | None = None

    def make_pieces(self) -> None:
        expected = self._expected()
        for checkpoint in expected:
            try:
                if not self._is_made(checkpoint):
                    self._make_piece(checkpoint, expected)
            except (AtariReplayError, OSError) as error:
                self.close()
                self._note_failure(checkpoint, error)
                if isinstance(error, _FATAL):
                    break

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _id(self, number: int) -> CheckpointId:
        return CheckpointId(self._game, self._task.run, number)

    def _expected(self) -> list[int]:
        """Returns the checkpoints in the order in which they are made.

        The head of a final dump comes before the last one, whose manifest lists its files: by then they have
        been read.
        """
        checkpoints, head = list(self._task.checkpoints), self._task.head
        if head is None:
            return checkpoints
        return [*checkpoints[:-1], head, *checkpoints[-1:]] if self._is_final(head) else [*checkpoints, head]

    def _is_final(self, checkpoint: int) -> bool:
        with contextlib.suppress(AtariReplayError, OSError):  # noted when the checkpoint is made
            return self._open_run().is_partial(checkpoint)
        return False

    def _open_run(self) -> Run:
        return _open_run(_SameJob(self._job.id, self._job), self._game, self._task.run)

    def _is_made(self, checkpoint: int) -> bool:
        kind = HEADS if checkpoint == self._task.head else PIECES
        return self._work.find_piece(self._id(checkpoint), kind) is not None

    def _make_piece(self, checkpoint: int, expected: list[int]) -> None:
        if self._reader is None:
            self._reader = self._open_run().reader()
            self._reader.expect(expected)
        head = self._task.head
        if head is not None and expected[-2:] == [checkpoint, head] and not self._is_made(head):
            self._reader.begin_head(head)
        run = self._reader.run
        progress = _Progress(self._folder, str(self._id(checkpoint)))
        progress.total = run.rows(checkpoint)
        try:
            with self._folder.scratch() as scratch:
                part = self._reader.part(checkpoint)
                if checkpoint == self._task.head:
                    piece = write_head(part, scratch, self._job.compression)
                else:
                    destination = self._job.place.destination(self._game)
                    piece = write_piece(
                        part, scratch, destination.address, progress.update, self._job.compression
                    )
                    destination.upload(_body(piece, scratch))
                self._work.put_piece(piece, scratch)
        finally:
            progress.end()

    def _note_failure(self, checkpoint: int, error: Exception) -> None:
        kind = type(error).__name__ if isinstance(error, AtariReplayError) else OutputError.__name__
        self._folder.note(
            f"{FAILURES}/{self._game.slug}-{self._task.run}-{checkpoint}.json",
            FailureNote(self._game.slug, self._task.run, checkpoint, kind, str(error)),
        )


class _Progress:
    """Notes a worker's progress from time to time."""

    def __init__(self, work: WorkFolder, description: str) -> None:
        self._work, self._description = work, description
        self._name = f"{PROGRESS}/{socket.gethostname()}-{os.getpid()}.json"
        self._done, self._noted = 0, 0.0
        self.total = 0

    def update(self, rows: int) -> None:
        """Add `rows` to the rows done."""
        self._done += rows
        if time.monotonic() - self._noted >= PROGRESS_SECONDS * (1 if self._work.path else 10):
            self._noted = time.monotonic()
            note = ProgressNote(self._description, self._done, self.total, time.time())
            self._work.note(self._name, note)

    def end(self) -> None:
        """Remove the note: nothing is being done any more."""
        self._work.remove(self._name)


def _body(piece: Piece, folder: Path) -> list[OutgoingFile]:
    return [OutgoingFile(file.path, file.size, file.sha256, folder / BODY) for file in piece.manifest.shards]


# Tasks that one process runs in turn are mostly of the same run, and listing it costs time.
@functools.lru_cache(maxsize=1)
def _open_source(job: "_SameJob") -> Source:
    return open_source(job.job.source, job.job.storage_options)


@functools.lru_cache(maxsize=1)
def _open_run(job: "_SameJob", game: Game, run: int) -> Run:
    return _open_source(job).open_run(game, run)


@dataclass(frozen=True)
class _SameJob:
    """A job, compared by its id."""

    id: str
    job: Job = field(compare=False)
