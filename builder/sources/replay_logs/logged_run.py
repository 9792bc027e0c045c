"""A run stored as a replay log, its checkpoints, and their reader."""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from ...errors import ReplayLogError, SourceError
from ...format.frame_format import FrameFormat
from ...format.games import Game
from ...format.manifest import FileRecord, RowCounts, StepCounts
from ...format.numbers import describe_numbers
from ...format.protocol import PADDING_ROWS, TIME_LIMIT
from ...format.provenance import Provenance
from ..run import Checkpoint, Episode, Run, RunReader
from .cursors import NumbersCursor
from .dumps import Link
from .episodes import EpisodeStream
from .inferred_log import ASSUMED, InferredLog
from .log_files import ARRAYS, FINAL, LOG_ARRAYS, PROB
from .replay_log import ReplayLog


class LoggedRun(Run):
    """A run whose ring-buffer dumps are available."""

    def __init__(self, game: Game, number: int, log: ReplayLog, provenance: Provenance) -> None:
        self.game = game
        self.number = number
        self.log = log
        self.where = log.store.describe(log.files.folder)
        self.checkpoints = log.numbers
        self.optional_columns = (PROB,) if log.files.has_probs else ()
        self.has_final_observations = all(FINAL in files for files in log.files.checkpoints.values())
        self._provenance = _with_assumption(provenance, log)
        self.time_limit = provenance.time_limit or TIME_LIMIT
        """The number of steps after which an episode was truncated."""

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the frames, according to the header of the first readable dump."""
        return self.log.frame_format

    @property
    def provenance(self) -> Provenance:
        """The provenance record stored beside the logs, or the default record if there is none."""
        return self._provenance

    def partial_checkpoints(self) -> list[int]:
        """Returns the dump made at the end of training as a list: the last dump, or none."""
        return self.log.partial_numbers()

    def rows(self, checkpoint: int) -> int:
        """Returns the number of rows in the ring."""
        return self.log.capacity

    def capacity(self) -> int:
        """Returns the number of rows in the ring, according to the first dump."""
        return self.log.capacity

    def file_sizes(self) -> dict[str, int | None]:
        """Returns the size in bytes of each of the log's files."""
        paths = [path for files in self.log.files.checkpoints.values() for path in files.values()]
        versions = self.log.store.versions(paths)
        return {path: None if version is None else version.size for path, version in versions.items()}

    def continued_in(self, checkpoint: int) -> int | None:
        """Returns the next dump, if it continues where this one ends."""
        return self.log.continued_in(checkpoint)

    def neighbours(self, checkpoint: int) -> tuple[int | None, int | None]:
        """Returns the nearest readable checkpoints before and after this one."""
        return self.log.earlier(checkpoint), self.log.later(checkpoint)

    def is_partial(self, checkpoint: int) -> bool:
        """Returns whether a checkpoint was made at the end of training, from less than a full ring."""
        return checkpoint in self.partial_checkpoints()

    def is_last_complete(self, checkpoint: int) -> bool:
        """Returns whether a checkpoint is complete, and no later one that can be read is."""
        last = self.log.last_readable()
        if last is not None and self.is_partial(last):
            last = self.log.earlier(last)
        return checkpoint == last

    def continued_in_later(self, checkpoint: int) -> int:
        """Returns the rows of later dumps through the end of the episode that this dump's last row is in."""
        later = self.log.continued_in(checkpoint)
        if later is None or self.log.ends_with_terminal(checkpoint):
            return 0
        return NumbersCursor(self.log, later).rows_to_terminal()

    def remarks(self) -> list[str]:
        """Returns missing and damaged files, missing checkpoints, laps never dumped, and what is left out."""
        assumed = [self.log.remark()] if isinstance(self.log, InferredLog) else []
        found = [*self._losses(), *self._holes(), *self._left_out(), *assumed]
        return [*found, *self._conversions(), *self._stack_size()]

    def lost_files(self, checkpoint: int) -> frozenset[str]:
        """Returns a dump's files if they are so damaged that its neighbours must do without it."""
        there = self.log.files.checkpoints
        if checkpoint not in there or not self.log.is_lost(checkpoint):
            return frozenset()
        return frozenset(self.log.files.path(checkpoint, array) for array in LOG_ARRAYS)

    def losses(self) -> list[str]:
        """Returns which files are missing or empty, as far as listings show."""
        lacking = [
            self.log.where(number, array)
            for number, files in self.log.files.checkpoints.items()
            for array in ARRAYS
            if array not in files
        ]
        empty = [self.log.store.describe(path) for path, size in self.file_sizes().items() if size == 0]
        return [f"{where}: no such file" for where in lacking] + [f"{where}: is empty" for where in empty]

    def reader(self) -> "LogReader":
        """Returns a new reader."""
        return LogReader(self)

    def tasks(self, checkpoints: Sequence[int]) -> list[list[int]]:
        """Returns each checkpoint by itself, except that a final dump precedes the one that it completes.

        That checkpoint's manifest lists the final dump's files, which have been read by then.
        """
        tasks: list[list[int]] = []
        for number in checkpoints:
            if tasks and tasks[-1][-1] == self.log.earlier(number) and self._completes_earlier(number):
                tasks[-1].insert(0, number)
            else:
                tasks.append([number])
        return tasks

    def _completes_earlier(self, number: int) -> bool:
        with contextlib.suppress(SourceError):  # the worker that reads it will report it
            return self.is_partial(number)
        return False

    def _losses(self) -> Iterator[str]:
        for number, files in self.log.files.checkpoints.items():
            if lacks := [array for array in ARRAYS if array not in files]:
                yield f"checkpoint {number} lacks {', '.join(lacks)}"
            else:
                try:
                    self.log.header(number)
                except ReplayLogError as error:
                    yield str(error)

    def _left_out(self) -> Iterator[str]:
        """Yield which arrays, beyond the original's, are left out since a checkpoint lacks them."""
        there = self.log.files.checkpoints
        for array, consequence in (
            (PROB, "the run has no column prob"),
            (FINAL, "episodes that end there have none"),
        ):
            lacking = sorted(number for number, files in there.items() if array not in files)
            if 0 < len(lacking) < len(there):
                numbers = describe_numbers(lacking)
                yield f"checkpoint {numbers} lacks {array}, which others have: {consequence}"

    def _conversions(self) -> Iterator[str]:
        converted: dict[str, list[int]] = {}
        for number in self.checkpoints:
            for line in self.log.conversions(number):
                converted.setdefault(line, []).append(number)
        for line, numbers in converted.items():
            some = "" if numbers == self.checkpoints else f" (checkpoint {describe_numbers(numbers)})"
            yield f"{line}{some}"

    def _stack_size(self) -> Iterator[str]:
        readable = self.log.last_readable()
        if readable is not None:
            first = next(number for number in self.checkpoints if not self.log.is_lost(number))
            try:
                yield from _stack_size_remark(self.log.padding_rows(first))
            except ReplayLogError as error:
                yield str(error)

    def _holes(self) -> Iterator[str]:
        missing = sorted(set(range(self.checkpoints[-1])) - set(self.checkpoints))
        if missing:
            yield f"no checkpoint {describe_numbers(missing)}"
        for number in self.complete_checkpoints():
            if not self.log.is_lost(number) and self.log.skips_lap_before(number):
                yield f"a lap before checkpoint {number} was never dumped"
        for number in self.partial_checkpoints():
            yield f"checkpoint {number} is the final, partial dump"


def _with_assumption(provenance: Provenance, log: ReplayLog) -> Provenance:
    """Returns the record of a log, with what had to be assumed to read it."""
    if not isinstance(log, InferredLog):
        return provenance
    details = {"layout": log.files.layout.title, "assumed": ASSUMED}
    return Provenance(provenance.origin, {**provenance.details, **details})


def _stack_size_remark(padding: int) -> list[str]:
    """Returns what is to be said of a log's stack_size, if it is not the original's."""
    if padding == PADDING_ROWS:
        return []
    return [f"{padding} blank rows before each episode: logged with stack_size {padding + 1}"]


class LoggedCheckpoint(Checkpoint[LoggedRun]):
    """The episodes that began in one dump of a log; for a stream of one dump, all that it holds."""

    def __init__(self, run: LoggedRun, number: int, stream: EpisodeStream) -> None:
        self.run = run
        self.number = number
        self._log = run.log
        self._stream = stream
        self._steps = 0
        self._episodes = 0
        self._complete_episodes = 0
        self._finals = 0
        self._dumps_read = {number}
        self._is_open = False
        """Whether the last episode's end was not seen."""

    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes in order of play; read each one's frames before asking for the next.

        Frames of an episode that began earlier may, as an exception, be read last; then the file is inflated
        once.

        Raises:
            ReplayLogError: a file is damaged, or a row of the log is unaccounted for.
        """
        while (episode := self._stream.next_episode(self.number, self._episodes)) is not None:
            if not episode.follows:
                self._episodes += 1
                self._complete_episodes += episode.complete
                self._finals += episode.final_observation is not None
                self._steps += len(episode)
            self._dumps_read.update(self._stream.dumps_of_episode)
            self._is_open = not (episode.terminated or episode.truncated)
            yield episode
        self._stream.finish()
        self._check_accounts()

    @property
    def add_count(self) -> int | None:
        """The number in the dump's `add_count`; None if the log lacks it."""
        is_there = "add_count" in self._log.files.checkpoints[self.number]
        return self._log.header(self.number).add_count if is_there else None

    @property
    def row_counts(self) -> RowCounts:
        """What happened to each of the dump's rows, and to the final observations of its episodes."""
        dump, tally = self._log.dump(self.number), self._stream.tallies[self.number]
        return RowCounts(
            rows_read=dump.capacity + self._finals,
            transitions=tally.transitions,
            padding=tally.padding,
            stale=dump.stale,
            repeated=dump.repeated,
            final_observations=self._finals,
        )

    @property
    def step_counts(self) -> StepCounts:
        """How the dump's transitions became the checkpoint's steps."""
        tallies = self._stream.tallies
        return StepCounts(
            steps=self._steps,
            continued_from_earlier=tallies[self.number].continued,
            continued_in_later=self._stream.carried[self.number],
            episodes=self._episodes,
            complete_episodes=self._complete_episodes,
        )

    def sources(self) -> tuple[FileRecord, ...]:
        """Returns every file whose rows are among the steps, or were examined for them."""
        numbers, last = set(self._dumps_read), max(self._dumps_read)
        later = self._log.later(last)
        # Whether the final dump continues where the one before it ends is decided by comparing them.
        decides = last == self.number or self._is_open
        if decides and later is not None and self.run.is_partial(later):
            numbers.add(later)
        return tuple(record for number in sorted(numbers) for record in self._log.records(number))

    def remarks(self) -> tuple[str, ...]:
        """Returns how the dump's arrays were converted, and what else differs from the original's."""
        proof = self._log.proof(self.number) if isinstance(self._log, InferredLog) else None
        return (
            *self._log.conversions(self.number),
            *_stack_size_remark(self._log.padding_rows(self.number)),
            *([f"follows the checkpoint before: {proof}"] if proof else []),
            *self._rewards_beyond(),
        )

    def _rewards_beyond(self) -> Iterator[str]:
        """Yield what is to be said of rewards that are not clipped as the original's are."""
        rewards = self._log.scalars(self.number)["reward"]
        played = [rewards[rows.start : rows.stop] for rows in self._log.dump(self.number).played if len(rows)]
        if played:
            least, most = min(map(np.min, played)), max(map(np.max, played))
            if least < -1 or most > 1:
                yield f"rewards from {least:g} to {most:g}: not clipped to [-1, 1] as the original's are"

    def own_sources(self) -> tuple[FileRecord, ...]:
        """Returns the dump's own files."""
        return tuple(self._log.records(self.number))

    def _check_accounts(self) -> None:
        rows, steps = self.row_counts, self.step_counts
        accounted = rows.transitions + rows.padding + rows.stale + rows.repeated + rows.final_observations
        expected_steps = rows.transitions - steps.continued_from_earlier + steps.continued_in_later
        if rows.rows_read != accounted or steps.steps != expected_steps:
            where = self._log.where(self.number, "observation")
            raise ReplayLogError(
                f"{where}: rows are not accounted for: {rows}, {steps}. This is a fault of atari-dqn-replay; "
                f"please report it with these numbers"
            )


class LogReader(RunReader[LoggedRun]):
    """Reads the checkpoints of a run's replay log."""

    def __init__(self, run: LoggedRun) -> None:
        self.run = run
        self._stream: EpisodeStream | None = None
        self._begun: dict[int, EpisodeStream] = {}
        """The streams of parts whose heads are being read."""

    def checkpoint(self, number: int) -> LoggedCheckpoint:
        """Returns a checkpoint, which must be exhausted before the next is requested."""
        self.run.require(number)
        log = self.run.log
        if self._stream is None or number != self.next_number or log.dump(number).link is not Link.JOINED:
            self.close()
            self._stream = self._open_stream(number)
        self.next_number = log.later(number)
        return LoggedCheckpoint(self.run, number, self._stream)

    def part(self, number: int) -> LoggedCheckpoint:
        """Returns what a dump holds; only the small arrays of neighbouring dumps are read."""
        self.run.require(number)
        self._close_stream()
        begun = self._begun.pop(number, None)
        self._stream, self.next_number = begun or self._open_stream(number, alone=True), None
        return LoggedCheckpoint(self.run, number, self._stream)

    def begin_head(self, number: int) -> None:
        """Begin to read the head of a part, which takes as long as reading all of the dump."""
        if number not in self._begun:
            with contextlib.suppress(SourceError):  # raised again when the part is requested
                self._begun[number] = self._open_stream(number, alone=True)
                self._begun[number].begin_head()

    def close(self) -> None:
        """Close the files and stop the threads."""
        self._close_stream()
        while self._begun:
            self._begun.popitem()[1].close()

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open_stream(self, number: int, *, alone: bool = False) -> EpisodeStream:
        run = self.run
        return EpisodeStream(run.log, run.game, run.time_limit, number, alone=alone)
