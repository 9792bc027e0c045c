"""Whole episodes from a replay log: padding dropped, dumps joined, and every row accounted for."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ReplayLogError
from ...format.games import Game
from ...format.manifest import FileRecord, RowCounts, StepCounts
from ...format.protocol import PADDING_ROWS, TIME_LIMIT
from ...format.provenance import Provenance
from ..run import Checkpoint, Episode, Run, RunReader, describe_numbers
from .cursors import FirstFrame, FramesCursor, NumbersCursor
from .replay_log import LOG_ARRAYS, Link, ReplayLog

_MOST_BLACK_FRAMES = 64
"""How many black frames a game is thought to begin with at most."""


class LoggedRun(Run):
    """A run whose ring-buffer dumps are there."""

    def __init__(self, game: Game, number: int, log: ReplayLog, provenance: Provenance) -> None:
        self.game = game
        self.number = number
        self.log = log
        self.where = log.store.describe(log.files.folder)
        self.checkpoints = log.numbers
        self._provenance = provenance
        self.time_limit = provenance.time_limit or TIME_LIMIT
        """Steps after which an episode was ended."""

    @property
    def provenance(self) -> Provenance:
        """The record beside the logs, if there is one."""
        return self._provenance

    def partial_checkpoints(self) -> list[int]:
        """The dump made at the end of training: the last one, or none."""
        return self.log.partial_numbers()

    def rows(self, checkpoint: int) -> int:
        """The ring's."""
        return self.log.capacity

    def capacity(self) -> int:
        """Rows of the ring, as the first dump has it."""
        return self.log.capacity

    def file_sizes(self) -> dict[str, int | None]:
        """Bytes of the log's files."""
        paths = [path for files in self.log.files.checkpoints.values() for path in files.values()]
        versions = self.log.store.versions(paths)
        return {path: None if version is None else version.size for path, version in versions.items()}

    def continued_in(self, checkpoint: int) -> int | None:
        """The next dump, if it goes on where this one ends."""
        later = self.log.next_joined(checkpoint)
        return later.number if later is not None and later.played else None

    def remarks(self) -> list[str]:
        """Missing files, missing checkpoints, and laps that were never dumped."""
        missing = [
            f"checkpoint {number} lacks {', '.join(lacks)}"
            for number, files in self.log.files.checkpoints.items()
            if (lacks := [array for array in LOG_ARRAYS if array not in files])
        ]
        return missing or list(self._holes())

    def reader(self) -> "LogReader":
        """A new reader."""
        return LogReader(self)

    def tasks(self, checkpoints: Sequence[int]) -> list[list[int]]:
        """Each by itself, but for the last dump: it is compared with the one before it."""
        tasks: list[list[int]] = []
        for number in checkpoints:
            if tasks and number in self.partial_checkpoints() and tasks[-1][-1] == self.log.earlier(number):
                tasks[-1].append(number)
            else:
                tasks.append([number])
        return tasks

    def _holes(self) -> Iterator[str]:
        missing = sorted(set(range(self.checkpoints[-1])) - set(self.checkpoints))
        if missing:
            yield f"no checkpoint {describe_numbers(missing)}"
        for number in self.complete_checkpoints():
            if self.log.dump(number).link is Link.SKIPPED:
                yield f"a lap before checkpoint {number} was never dumped"
        for number in self.partial_checkpoints():
            yield f"checkpoint {number} is the final, partial dump"


class LoggedCheckpoint(Checkpoint):
    """The episodes that began in one dump of a log; of a stream that is alone, what the dump holds."""

    def __init__(self, run: LoggedRun, number: int, stream: "_EpisodeStream") -> None:
        self.run = run
        self.number = number
        self._log = run.log
        self._stream = stream
        self._steps = 0
        self._episodes = 0
        self._complete_episodes = 0
        self._dumps_read = {number}
        self._is_open = False
        """Whether the last episode was not seen to end."""

    def episodes(self) -> Iterator[Episode]:
        """The episodes in order of play; the frames of each are to be read before the next.

        Raises:
            ReplayLogError: a file is damaged, or a row of the log is not accounted for.
        """
        while (episode := self._stream.next_episode(self.number, self._episodes)) is not None:
            if not episode.follows:
                self._episodes += 1
                self._complete_episodes += episode.complete
                self._steps += len(episode)
            self._dumps_read.update(self._stream.dumps_of_episode)
            self._is_open = not (episode.terminated or episode.truncated)
            yield episode
        self._check_accounts()

    @property
    def row_counts(self) -> RowCounts:
        """What became of the dump's rows."""
        dump, tally = self._log.dump(self.number), self._stream.tallies[self.number]
        return RowCounts(dump.capacity, tally.transitions, tally.padding, dump.stale, dump.repeated)

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
        """Every file whose rows are among the steps, or were looked at for them."""
        numbers, last = set(self._dumps_read), max(self._dumps_read)
        later = self._log.later(last)
        # Whether the final dump goes on where the one before it ends is decided by comparing them.
        if later in self.run.partial_checkpoints() and (last == self.number or self._is_open):
            numbers.add(later)
        return tuple(record for number in sorted(numbers) for record in self._log.records(number))

    def own_sources(self) -> tuple[FileRecord, ...]:
        """The dump's own files."""
        return tuple(self._log.records(self.number))

    def _check_accounts(self) -> None:
        rows, steps = self.row_counts, self.step_counts
        accounted = rows.transitions + rows.padding + rows.stale + rows.repeated
        expected_steps = rows.transitions - steps.continued_from_earlier + steps.continued_in_later
        if rows.rows_read != accounted or steps.steps != expected_steps:
            where = self._log.where(self.number, "observation")
            raise ReplayLogError(
                f"{where}: rows are not accounted for: {rows}, {steps}. This is a fault of atari-dqn-replay; "
                f"please report it with these numbers"
            )


class LogReader(RunReader):
    """Reads the checkpoints of a logged run."""

    def __init__(self, run: LoggedRun) -> None:
        self.run = run
        self._run = run
        self._stream: _EpisodeStream | None = None
        self._expected: Sequence[int] = ()
        self._first_frame: FirstFrame | None = None

    def expect(self, checkpoints: Sequence[int]) -> None:
        """Say of which checkpoints the parts will be asked for, in order: each next one is begun ahead."""
        self._expected = list(checkpoints)

    def checkpoint(self, number: int) -> LoggedCheckpoint:
        """A checkpoint, to be used up before the next is asked for."""
        self._run.require(number)
        log = self._run.log
        if self._stream is None or number != self.next_number or log.dump(number).link is not Link.JOINED:
            self.close()
            self._stream = _EpisodeStream(self._run, number)
        self.next_number = log.later(number)
        return LoggedCheckpoint(self._run, number, self._stream)

    def part(self, number: int) -> LoggedCheckpoint:
        """What a dump holds; of its neighbours, only their small arrays are looked at."""
        self._run.require(number)
        frame = self._first_frame if self._first_frame and self._first_frame.dump == number else None
        stream = _EpisodeStream(self._run, number, alone=True, first_frame=frame)
        if frame is not None:
            self._first_frame = None
        # Only now, since the last dump is compared with the files of the one before.
        self.close()
        self._stream, self.next_number = stream, None
        place = self._expected.index(number) + 1 if number in self._expected else len(self._expected)
        if place < len(self._expected):
            self._first_frame = FirstFrame(self._run.log, self._expected[place])
        return LoggedCheckpoint(self._run, number, self._stream)

    def close(self) -> None:
        """Let go of files and threads."""
        if self._first_frame is not None:
            self._first_frame.close()
            self._first_frame = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None


@dataclass
class _Tally:
    """What the rows of one dump were, so far."""

    transitions: int = 0
    padding: int = 0
    continued: int = 0
    """Transitions of episodes that began in an earlier dump."""


class _EpisodeStream:
    """The episodes of a stretch of play, from those that begin in its first dump on.

    Args:
        run: whose play it is.
        first: the dump with which the stretch begins.
        alone: the stretch is this dump, the rest of an earlier episode included.
        first_frame: of this dump, if somebody reads it already.
    """

    def __init__(
        self,
        run: LoggedRun,
        first: int,
        *,
        alone: bool = False,
        first_frame: FirstFrame | None = None,
    ) -> None:
        self._run, self._game, self._log = run, run.game, run.log
        self._time_limit = run.time_limit
        self._first = first
        self._alone = alone
        self._numbers = NumbersCursor(self._log, first, alone=alone)
        self._frames = FramesCursor(self._log, first, alone=alone, first_frame=first_frame)
        self._follows = False
        """Whether the next transition belongs to an episode that began in an earlier dump."""
        self._unread = 0
        """Frames of the last episode that nobody has read yet."""
        self._at_reset = True
        """Whether the next transition is an episode's first."""
        self._padding_dropped = False
        self.tallies: dict[int, _Tally] = defaultdict(_Tally)
        self.carried: dict[int, int] = defaultdict(int)
        """For each dump, how many transitions of its episodes lie in later ones."""
        self.dumps_of_episode: set[int] = set()
        self._begin(self._log.dump(first).link)

    def next_episode(self, dump: int, number: int) -> Episode | None:
        """The next episode if its first transition lies in `dump`; it is given this number."""
        self._frames.skip(self._unread)
        self._unread = 0
        if not self._padding_dropped:
            self._drop(self._padding_after_terminal())
        if self._numbers.next_dump() != dump:
            return None
        return self._read_episode(dump, number)

    def close(self) -> None:
        """Let go of files and threads."""
        self._numbers.close()
        self._frames.close()

    def _begin(self, link: Link) -> None:
        if link is Link.JOINED:
            before = self._log.earlier(self._first)
            if before is not None and not self._log.ends_with_terminal(before):
                if self._alone:
                    self._follows = self._padding_dropped = True
                else:
                    self._skip_rest_of_episode()
        elif link is Link.SKIPPED:
            # Padding jumped over the lap's end: at most two of its rows come after it.
            self._drop(self._padding_after_gap(PADDING_ROWS - 1))
        elif link is Link.CUT:
            padding = self._padding_after_gap(PADDING_ROWS)
            self._drop(padding)
            self._at_reset = padding > 0

    def _read_episode(self, dump: int, number: int) -> Episode:
        rows = self._numbers.take_to_terminal()
        self._check_actions(rows)
        follows, self._follows = self._follows, False
        self._count(rows, began=dump - 1 if follows else dump)
        ended = bool(rows["terminal"][-1])
        out_of_time = ended and self._at_reset and len(rows) == self._time_limit and not follows
        goes_on = self._alone and not ended and self._run.continued_in(dump) is not None
        self._unread = len(rows)
        episode = Episode(
            checkpoint=dump,
            number=number,
            action=rows["action"],
            reward=rows["reward"],
            terminated=ended and not out_of_time,
            truncated=out_of_time,
            complete=ended and self._at_reset,
            joined=goes_on or self.dumps_of_episode != {dump},
            frames=self._read_frames(len(rows)),
            follows=follows,
            began_at_reset=self._at_reset,
        )
        self._at_reset = True
        self._padding_dropped = False
        return episode

    def _read_frames(self, rows: int) -> Iterator[np.ndarray]:
        for block in self._frames.take(rows):
            self._unread -= len(block)
            yield block

    def _skip_rest_of_episode(self) -> None:
        """Pass over an episode that began in an earlier dump, and belongs there."""
        rows = self._numbers.take_to_terminal()
        self._frames.skip(len(rows))
        self._count(rows, began=self._first - 1)

    def _count(self, rows: np.ndarray, began: int) -> None:
        self.dumps_of_episode = set()
        for dump, count in zip(*np.unique(rows["dump"], return_counts=True), strict=True):
            tally = self.tallies[int(dump)]
            tally.transitions += int(count)
            self.dumps_of_episode.add(int(dump))
            if dump > began:
                tally.continued += int(count)
                self.carried[began] += int(count)

    def _drop(self, rows: int) -> None:
        for dump in self._numbers.take(rows)["dump"]:
            self.tallies[int(dump)].padding += 1
        self._frames.skip(rows)
        self._padding_dropped = True

    def _padding_after_terminal(self) -> int:
        """The rows in the place of padding, if all of them are blank: a game may begin with black frames."""
        rows = self._numbers.peek(PADDING_ROWS)
        blank = _is_blank(rows).all() and not self._frames.peek(len(rows)).any()
        return len(rows) if blank else 0

    def _padding_after_gap(self, most: int) -> int:
        """Blank rows that are left of an episode's padding where the rows before them are lost.

        A game's own first frames may be black as well, with action 0. How many they are is seen at the
        next ordinary beginning of an episode in the same dump. Later dumps are not looked at, so that the
        answer is the same whether they are read as well or not.
        """
        numbers = NumbersCursor(self._log, self._first, alone=True)
        frames = FramesCursor(self._log, self._first, alone=True)
        try:
            lit = _is_lit(frames.peek(most + _MOST_BLACK_FRAMES))
            rows = numbers.peek(most)
            blank = _leading(_is_blank(rows) & ~lit[: len(rows)])
            if blank == 0:
                return 0
            frames.skip(len(numbers.take_to_terminal()) + PADDING_ROWS)
            at_start = _leading(~_is_lit(frames.peek(_MOST_BLACK_FRAMES)))
            return max(0, min(blank, _leading(~lit) - at_start))
        finally:
            numbers.close()
            frames.close()

    def _check_actions(self, rows: np.ndarray) -> None:
        known = len(self._game.actions)
        wrong = rows[(rows["action"] < 0) | (rows["action"] >= known)]
        if len(wrong):
            dump, action = int(wrong["dump"][0]), int(wrong["action"][0])
            where = self._log.where(dump, "action")
            raise ReplayLogError(
                f"{where}: holds action {action}, but "
                f"{self._game} has the {known} actions 0 to {known - 1}; is it the log of another game?"
            )


def _is_blank(numbers: np.ndarray) -> np.ndarray:
    return (numbers["action"] == 0) & (numbers["reward"] == 0) & ~numbers["terminal"]


def _is_lit(frames: np.ndarray) -> np.ndarray:
    return np.asarray(frames.any(axis=(1, 2)))


def _leading(flags: np.ndarray) -> int:
    """How many of the first flags are set."""
    unset = np.flatnonzero(~flags)
    return int(unset[0]) if len(unset) else len(flags)
