"""Recovers whole episodes from a replay log: drops padding, joins dumps, and accounts for every row."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import ReplayLogError
from ...format.games import Game
from ..run import Episode
from .cursors import LastRow, NumbersCursor, PlayFrames
from .dumps import Link
from .log_files import PROB
from .part_frames import PartFrames
from .replay_log import ReplayLog

_MOST_BLACK_FRAMES = 64
"""The most black frames that a game is assumed to begin with."""


def _most_padding_after(link: Link, padding: int) -> int:
    """Returns how much of an episode's padding can be left where the rows before a dump are lost."""
    if link is Link.SKIPPED:
        return max(0, padding - 1)  # padding jumped over the lap's end
    return padding if link is Link.CUT else 0


@dataclass
class Tally:
    """Counts of what the rows of one dump were, so far."""

    transitions: int = 0
    padding: int = 0
    continued: int = 0
    """Transitions belonging to episodes that began in an earlier dump."""


class EpisodeStream:
    """Yields the episodes of a stretch of play, starting with those that begin in its first dump.

    Args:
        log: the run's log.
        game: the game, which defines the valid actions.
        time_limit: the number of steps after which an episode was truncated.
        first: the dump at which the stretch begins.
        alone: whether the stretch is this dump only, including the rest of an earlier episode.
    """

    def __init__(
        self, log: ReplayLog, game: Game, time_limit: int, first: int, *, alone: bool = False
    ) -> None:
        self._log, self._game, self._time_limit = log, game, time_limit
        self._first = first
        self._alone = alone
        log.header(first)  # says how many rows the files must have
        log.scalars(first)  # needed anyway: what follows can look into them
        self._padding = log.padding_rows(first)
        self._numbers = NumbersCursor(log, first, alone=alone)
        self._part: PartFrames | None = None
        """The cursor used instead of `PlayFrames` if the stretch is one dump that begins in mid-episode."""
        self._follows = False
        """Whether the next transition belongs to an episode that began in an earlier dump."""
        self._unread = 0
        """The number of frames of the last episode that have not been read yet."""
        self._at_reset = True
        """Whether the next transition is the first of an episode."""
        self._padding_dropped = False
        self.tallies: dict[int, Tally] = defaultdict(Tally)
        self.carried: dict[int, int] = defaultdict(int)
        """For each dump, the number of transitions of its episodes that lie in later dumps."""
        self.dumps_of_episode: set[int] = set()
        self._ends: dict[int, int] = defaultdict(int)
        """For each dump, the number of episodes read so far that end in it."""
        link, before = log.dump(first).link, log.earlier(first)
        begins_in_episode = link is Link.JOINED and before is not None and not log.ends_with_terminal(before)
        if alone and begins_in_episode and self._numbers.next_dump() is not None:
            self._part = PartFrames(log, first, self._numbers.rows_to_terminal())
            self._follows = self._padding_dropped = True
        last_row = LastRow(log, first)
        padding = self._padding_after_gap(_most_padding_after(link, self._padding), last_row)
        self._frames = self._part or PlayFrames(log, first, alone=alone, last_row=last_row)
        if link in (Link.SKIPPED, Link.CUT):
            self._drop(padding)
            self._at_reset = link is Link.SKIPPED or padding > 0
        elif begins_in_episode and not alone:
            self._skip_rest_of_episode()

    def next_episode(self, dump: int, number: int) -> Episode | None:
        """Returns the next episode, numbered `number`, or None if its first transition is not in `dump`."""
        self._frames.skip(self._unread)
        self._unread = 0
        if not self._padding_dropped:
            self._drop(self._padding_after_terminal())
        if self._numbers.next_dump() != dump:
            return None
        return self._read_episode(dump, number)

    def begin_head(self) -> None:
        """Begin to read the rest of an earlier episode, which comes first, if the stretch is one dump."""
        if self._part is not None:
            self._part.begin_head()

    def finish(self) -> None:
        """Check the file to its end, if the stretch is one dump and any of its frames were read."""
        if self._part is not None:
            self._part.finish()

    def close(self) -> None:
        """Close the files and stop the threads."""
        self._frames.close()

    def _read_episode(self, dump: int, number: int) -> Episode:
        rows = self._numbers.take_to_terminal()
        self._check_actions(rows)
        self._check_rewards(rows)
        self._check_probs(rows)
        follows, self._follows = self._follows, False
        self._count(rows, began=dump - 1 if follows else dump)
        ended = bool(rows["terminal"][-1])
        out_of_time = ended and self._at_reset and len(rows) == self._time_limit and not follows
        goes_on = self._alone and not ended and self._log.continued_in(dump) is not None
        episode = Episode(
            checkpoint=dump,
            number=number,
            action=rows["action"],
            reward=rows["reward"],
            terminated=ended and not out_of_time,
            truncated=out_of_time,
            complete=ended and self._at_reset,
            joined=goes_on or self.dumps_of_episode != {dump},
            frames=self._head_frames() if follows else self._read_frames(len(rows)),
            prob=rows["prob"] if self._log.files.has_probs else None,
            follows=follows,
            began_at_reset=self._at_reset,
            final_observation=self._final_observation(rows),
        )
        self._at_reset = True
        self._padding_dropped = False
        return episode

    def _head_frames(self) -> Iterator[np.ndarray]:
        assert self._part is not None
        return self._part.head()

    def _read_frames(self, rows: int) -> Iterator[np.ndarray]:
        self._unread = rows
        return self._blocks(rows)

    def _blocks(self, rows: int) -> Iterator[np.ndarray]:
        for block in self._frames.take(rows):
            self._unread -= len(block)
            yield block

    def _skip_rest_of_episode(self) -> None:
        """Skip an episode that began in, and belongs to, an earlier dump."""
        rows = self._numbers.take_to_terminal()
        self._frames.skip(len(rows))
        self._count(rows, began=self._first - 1)
        self._final_observation(rows)

    def _count(self, rows: np.ndarray, began: int) -> None:
        self.dumps_of_episode = set()
        for dump, count in zip(*np.unique(rows["dump"], return_counts=True), strict=True):
            tally = self.tallies[int(dump)]
            tally.transitions += int(count)
            self.dumps_of_episode.add(int(dump))
            if dump > began:
                tally.continued += int(count)
                self.carried[began] += int(count)

    def _final_observation(self, rows: np.ndarray) -> np.ndarray | None:
        """Returns what was seen after an episode, if it ended and the log has it; called once for each."""
        if not rows["terminal"][-1]:
            return None
        dump = int(rows["dump"][-1])
        place, self._ends[dump] = self._ends[dump], self._ends[dump] + 1
        found = self._log.final_observations(dump)
        return None if found is None else found[place]

    def _drop(self, rows: int) -> None:
        for dump in self._numbers.take(rows)["dump"]:
            self.tallies[int(dump)].padding += 1
        self._frames.skip(rows)
        self._padding_dropped = True

    def _padding_after_terminal(self) -> int:
        """Returns the rows where padding is expected, provided that all of them are blank.

        Blank rows alone do not prove padding: a game may begin with black frames.
        """
        rows = self._numbers.peek(self._padding)
        blank = _is_blank(rows).all() and not self._frames.peek(len(rows)).any()
        return len(rows) if blank else 0

    def _padding_after_gap(self, most: int, last_row: LastRow) -> int:
        """Returns the number of blank rows left of an episode's padding after a gap in the log.

        A game's own first frames may also be black, with action 0. Their number is taken from the next
        ordinary start of an episode in the same dump. Later dumps are not examined, so that the result does
        not depend on whether they are read too.
        """
        if most == 0:
            return 0
        numbers = NumbersCursor(self._log, self._first, alone=True)
        frames = PlayFrames(self._log, self._first, alone=True, last_row=last_row)
        with contextlib.closing(frames):
            lit = _is_lit(frames.peek(most + _MOST_BLACK_FRAMES))
            rows = numbers.peek(most)
            blank = _leading(_is_blank(rows) & ~lit[: len(rows)])
            if blank == 0:
                return 0
            frames.skip(len(numbers.take_to_terminal()) + self._padding)
            at_start = _leading(~_is_lit(frames.peek(_MOST_BLACK_FRAMES)))
            return max(0, min(blank, _leading(~lit) - at_start))

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

    def _check_probs(self, rows: np.ndarray) -> None:
        wrong = rows[~((rows["prob"] > 0) & (rows["prob"] <= 1))]
        if len(wrong) and self._log.files.has_probs:
            dump, prob = int(wrong["dump"][0]), float(wrong["prob"][0])
            raise ReplayLogError(
                f"{self._log.where(dump, PROB)}: holds probability {prob:g} of an action that was done, "
                f"expected above 0, at most 1; use another copy, or remove the run's prob files"
            )

    def _check_rewards(self, rows: np.ndarray) -> None:
        """Refuse rewards that have no return: NaN, infinite, or too large to be summed in float32."""
        sizes = np.abs(rows["reward"], dtype=np.float64)
        if not sizes.sum() <= np.finfo(np.float32).max:
            worst = int(np.argmax(np.nan_to_num(sizes, nan=np.inf)))
            dump, reward = int(rows["dump"][worst]), float(rows["reward"][worst])
            raise ReplayLogError(
                f"{self._log.where(dump, 'reward')}: holds reward {reward:g}, of which no return can be "
                f"computed; use another copy, or leave out checkpoint {dump} with --checkpoints"
            )


def _is_blank(numbers: np.ndarray) -> np.ndarray:
    return (numbers["action"] == 0) & (numbers["reward"] == 0) & ~numbers["terminal"]


def _is_lit(frames: np.ndarray) -> np.ndarray:
    return np.asarray(frames.any(axis=tuple(range(1, frames.ndim))))


def _leading(flags: np.ndarray) -> int:
    """Returns the number of leading flags that are set."""
    unset = np.flatnonzero(~flags)
    return int(unset[0]) if len(unset) else len(flags)
