"""Where each transition lay in the dumps of the replay buffer: worked out from counts alone, without frames.

The rules are those by which the dumps are read (`builder/sources/replay_logs`), turned round. With a ring of
C rows, file N holds in order of play its row C - 1, which closes the lap before, and then its rows 0 … C - 2.
Before each episode lie three blank rows. A full dump is made right after a transition was added, so its last
row in order of play is never blank. A checkpoint's manifest says how many transitions and blank rows its file
has, and how many of the transitions belong to an episode that began in an earlier one: so every row's place
follows, also after a lap that was never dumped.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ....builder.format.manifest import RowCounts, StepCounts
from ....builder.format.protocol import PADDING_ROWS
from ....builder.sources.replay_logs.padding import MOST_PADDING
from .log_layout import Blank, EpisodeId, FileLayout, LogLayout, MisfitError, Piece, Steps, cut

FULL_DUMP = 1
"""Rows that the ring lacks when it is dumped: the cursor stands on the last one."""


@dataclass(frozen=True)
class CheckpointFacts:
    """What must be known of a checkpoint to lay out its file."""

    number: int
    partial: bool
    """Made at the end of training."""
    rows: RowCounts
    steps: StepCounts
    lengths: tuple[int, ...]
    """Steps of each episode that began in it, in order of play."""
    last_ended: bool
    """Whether the last of them was ended, by the game or by the time limit."""
    add_count: int | None = None
    """As the file states it, if that is known."""

    @property
    def has_final_observations(self) -> bool:
        """Whether it is known what was seen after each of its episodes that ended."""
        ended = len(self.lengths) - (bool(self.lengths) and not self.last_ended)
        return self.rows.final_observations == ended


@dataclass
class _OpenEpisode:
    """The episode that the last file so far ends in or with."""

    checkpoint: int
    number: int
    length: int
    laid: int
    """Steps that have found their place."""
    ended: bool

    @property
    def is_over(self) -> bool:
        return self.ended and self.laid == self.length

    def next_steps(self, count: int) -> Piece:
        if self.laid + count > self.length:
            raise MisfitError(
                f"an episode of {self.length:,} steps goes on for {count:,} after {self.laid:,}"
            )
        self.laid += count
        return Steps(self.checkpoint, self.number, self.laid - count, self.laid)


def lay_out(facts: Iterable[CheckpointFacts], capacity: int) -> LogLayout:
    """Returns the layout of every file that can be written again.

    Args:
        facts: of the run's checkpoints, in order; where some are missing, what they held is left blank.
        capacity: rows of the ring.
    """
    known = list(facts)
    layout = LogLayout()
    finals = any(each.rows.final_observations for each in known)
    lacking = {each.number for each in known if not each.has_final_observations}
    walk = _Walk(capacity, _find_padding(known), finals=finals, lacking=lacking)
    for each in known:
        try:
            layout.files[each.number] = walk.next_file(each)
        except MisfitError as error:
            layout.left_out[each.number] = str(error)
            walk.lose_track()
    return layout


def _find_padding(facts: Sequence[CheckpointFacts]) -> int:
    """Returns the blank rows before each episode, one less than the agent's stack_size."""
    for padding in (PADDING_ROWS, *range(MOST_PADDING + 1)):
        if all(_fits(each, padding) for each in facts if each.rows.transitions):
            return padding
    return PADDING_ROWS


def _fits(facts: CheckpointFacts, padding: int) -> bool:
    """Whether a file has as many blank rows as its episodes need."""
    carried, blank = facts.steps.continued_from_earlier, _blank_head(facts, padding)
    return 0 <= blank <= (0 if carried else padding) and bool(carried or facts.lengths)


def _blank_head(facts: CheckpointFacts, padding: int) -> int:
    """Returns the blank rows before a file's first own episode, if it comes first in the file; else 0."""
    others = len(facts.lengths) - (0 if facts.steps.continued_from_earlier else 1)
    return facts.rows.padding - padding * others


class _Walk:
    """Goes through the files in order of play."""

    def __init__(self, capacity: int, padding: int, *, finals: bool, lacking: Container[int]) -> None:
        self._capacity, self._padding = capacity, padding
        self._has_finals, self._lack_finals = finals, lacking
        self._ended: list[EpisodeId] = []
        """The episodes that end in what the next file adds."""
        self._before: FileLayout | None = None
        self._open: _OpenEpisode | None = None

    def lose_track(self) -> None:
        """Forget what the file before held."""
        self._before = self._open = None

    def next_file(self, facts: CheckpointFacts) -> FileLayout:
        """Returns the layout of the next file.

        Raises:
            MisfitError: why it cannot be known.
        """
        if self._before is not None and facts.number != self._before.number + 1:
            self._open = None
        played = facts.rows.transitions + facts.rows.padding
        if facts.partial and not played:
            return self._copy_of_the_file_before(facts)
        head = self._head(facts)
        joined = self._is_joined(facts, head)
        pieces = self._pieces(facts, head)
        if sum(map(len, pieces)) != played:
            found = sum(map(len, pieces))
            raise MisfitError(f"its episodes and their padding take {found:,} rows, its files had {played:,}")
        make = self._partial_file if facts.partial else self._full_file
        self._before = make(facts, pieces, joined)
        return self._before

    def _head(self, facts: CheckpointFacts) -> int:
        """Blank rows before the first own episode, where no transition comes before it."""
        if not _fits(facts, self._padding):
            raise MisfitError(
                f"its files had {facts.rows.padding:,} blank rows before {len(facts.lengths):,} episodes, "
                f"where the replay buffer writes {self._padding} before each"
            )
        return _blank_head(facts, self._padding)

    def _is_joined(self, facts: CheckpointFacts, head: int) -> bool:
        """Whether this file goes on where the one before ends, without a lap that was never dumped."""
        if self._before is None or facts.number != self._before.number + 1:
            return False
        if facts.steps.continued_from_earlier:
            return True
        return head == self._padding and self._open is not None and self._open.is_over

    def _pieces(self, facts: CheckpointFacts, head: int) -> list[Piece]:
        """What the file adds to the log, in order of play."""
        pieces: list[Piece] = []
        self._ended = []
        if carried := facts.steps.continued_from_earlier:
            pieces.append(self._open.next_steps(carried) if self._open else Blank(carried, unknown=True))
            self._note_end()
            head = self._padding
        last = len(facts.lengths) - 1
        for number, length in enumerate(facts.lengths):
            pieces.append(Blank(head if number == 0 else self._padding))
            here = length - (facts.steps.continued_in_later if number == last else 0)
            if here < 1:
                raise MisfitError(f"episode {number} has no step in its own file")
            ended = facts.last_ended or number < last
            self._open = _OpenEpisode(facts.number, number, length, 0, ended)
            pieces.append(self._open.next_steps(here))
            self._note_end()
        return [piece for piece in pieces if len(piece)]

    def _note_end(self) -> None:
        if self._open is not None and self._open.is_over:
            self._ended.append((self._open.checkpoint, self._open.number))

    def _full_file(self, facts: CheckpointFacts, pieces: list[Piece], joined: bool) -> FileLayout:
        remarks = [*_unknown_rows(pieces)]
        if facts.rows.stale:
            if (facts.number, facts.rows.stale) != (0, 1) or self._before is not None:
                raise MisfitError(f"{facts.rows.stale:,} of its rows were never written")
            rows, last = tuple(pieces), Blank(1, unknown=True)
            add_count, counted = self._capacity - FULL_DUMP, True
            remarks.append(f"row {self._capacity - 1:,} was never written; it is zero here")
        else:
            last, *rows = [cut(pieces, 0, 1)[0], *cut(pieces, 1, self._capacity)]
            add_count, counted, more = self._count_rows(facts, joined)
            remarks += more
        return self._file(facts, add_count, rows, last, remarks, is_counted=counted)

    def _partial_file(self, facts: CheckpointFacts, pieces: list[Piece], joined: bool) -> FileLayout:
        played = sum(map(len, pieces))
        remarks = tuple(_unknown_rows(pieces))
        if facts.rows.stale:
            rest = Blank(self._capacity - 1 - played) if played < self._capacity - 1 else None
            rows = (*pieces, *([rest] if rest else []))
            return self._file(facts, played, rows, Blank(1), remarks)
        if not facts.rows.repeated:
            return self._final_file_after_lost_lap(facts, pieces)
        cursor = played - 1
        if facts.rows.repeated != self._capacity - 1 - cursor:
            raise MisfitError(
                f"{facts.rows.repeated:,} of its rows repeat the file before, expected "
                f"{self._capacity - 1 - cursor:,} after {played:,} new ones"
            )
        first, *new = [cut(pieces, 0, 1)[0], *cut(pieces, 1, played)]
        if joined and self._before is not None:
            old = cut(self._before.rows, cursor, self._capacity - 1)
            remarks = (*remarks, *_unknown_rows(old))
        else:
            old = [Blank(facts.rows.repeated, unknown=True)]
            remarks = (
                *remarks,
                f"rows {cursor:,} to {self._capacity - 2:,} repeat the file before, which is not there; "
                f"they are zero here",
            )
        return self._file(facts, cursor, (*new, *old), first, remarks)

    def _final_file_after_lost_lap(self, facts: CheckpointFacts, pieces: list[Piece]) -> FileLayout:
        """The rows from the cursor on are of the lap before, and come first in order of play."""
        cursor = facts.add_count
        if cursor is None:
            raise MisfitError(
                "it was made at the end of training after a lap that is not there, and where in it new rows "
                "meet old ones is not recorded; build it again from its source, which records that"
            )
        old = self._capacity - 1 - cursor
        if old < 0:
            raise MisfitError(f"its add_count is {cursor:,}, beyond a ring of {self._capacity:,} rows")
        rows = (*cut(pieces, old + 1, self._capacity), *cut(pieces, 0, old))
        last, remarks = cut(pieces, old, old + 1)[0], tuple(_unknown_rows(pieces))
        return self._file(facts, cursor, rows, last, remarks)

    def _copy_of_the_file_before(self, facts: CheckpointFacts) -> FileLayout:
        if self._before is None or facts.number != self._before.number + 1:
            raise MisfitError("it is a copy of the file before, which is not there")
        count = self._capacity - FULL_DUMP
        return replace(
            self._before,
            number=facts.number,
            add_count=count,
            ended=(),
            has_final_observations=self._has_finals,
            is_counted=True,
        )

    def _file(
        self,
        facts: CheckpointFacts,
        add_count: int,
        rows: Iterable[Piece],
        last_row: Piece,
        remarks: Iterable[str],
        *,
        is_counted: bool = True,
    ) -> FileLayout:
        lacking = self._has_finals and any(checkpoint in self._lack_finals for checkpoint, _ in self._ended)
        if lacking:
            remarks = (*remarks, "final observations are left out: not all of its episodes have one")
        return FileLayout(
            facts.number,
            self._capacity,
            add_count,
            tuple(rows),
            last_row,
            tuple(remarks),
            self._padding,
            tuple(self._ended),
            self._has_finals and not lacking,
            is_counted,
        )

    def _count_rows(self, facts: CheckpointFacts, joined: bool) -> tuple[int, bool, list[str]]:
        """Rows ever added when a full dump was made, whether that is sure, and what it rests on."""
        number = facts.number
        if facts.add_count is not None:
            if facts.add_count % self._capacity != self._capacity - FULL_DUMP:
                raise MisfitError(
                    f"its add_count is {facts.add_count:,}, in a ring of {self._capacity:,} rows"
                )
            return facts.add_count, True, []
        if joined and self._before is not None:
            return self._before.add_count + self._capacity, self._before.is_counted, []
        if self._before is None:
            laps = number + 1 if number else 2
            why = "the files before are not there" if number else "the first laps were never dumped"
            count = laps * self._capacity - FULL_DUMP
        elif number == self._before.number + 1:
            why = "a lap before was never dumped; taken to be one"
            count = self._before.add_count + 2 * self._capacity
        else:
            why = "files before are not there; taken to be a lap each"
            count = self._before.add_count + (number - self._before.number) * self._capacity
        return count, False, [f"from here on add_count is by reckoning, first {count:,} ({why})"]


def _unknown_rows(pieces: Iterable[Piece]) -> Iterator[str]:
    rows = sum(len(piece) for piece in pieces if isinstance(piece, Blank) and piece.unknown)
    if rows:
        yield (
            f"{rows:,} rows belong to an episode that began in a checkpoint which is not there; they are "
            f"zero here"
        )
