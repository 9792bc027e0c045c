"""The ring's rules: which rows of a dump were played, in what order, and how one dump follows another.

A replay log is a sequence of dumps of one ring buffer of C rows, made whenever the number of rows ever added
is C - 1 modulo C, and once more at the end of training. So the last row of a dump is one lap older than the
others: it comes right before its row 0. Sources: Dopamine's `OutOfGraphReplayBuffer` and batch_rl's logging
wrapper around it.

Everything here is a pure function of numbers; `replay_log` reads the files that they come from.
"""

import enum
from dataclasses import dataclass

import numpy as np

from ...format.protocol import PADDING_ROWS

SMALLEST_CAPACITY = PADDING_ROWS + 2
"""The number of rows in the smallest ring that Dopamine allows."""
LARGEST_CAPACITY = 100_000_000
"""More rows than anybody's ring had: their frames take 700 GB of memory."""

EVIDENCE_ROWS, EVIDENCE_BITS = 1_000, 128
"""How many equal rows, carrying how many bits of surprise, rule out coincidence; see `tells_play_apart`."""


class Link(enum.Enum):
    """How a dump's first row in order of play follows the earlier play in the log."""

    START = "the log begins here"
    JOINED = "it follows the dump before without a gap"
    SKIPPED = "a lap before it was never dumped; an episode begins here"
    CUT = "the file before it is missing; it begins in the middle of play"


@dataclass(frozen=True)
class Rows:
    """Rows start to stop - 1 of one dump."""

    dump: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Header:
    """What is known about a dump before its rows are read."""

    number: int
    """The number of the checkpoint."""
    capacity: int
    """The number of rows in the ring."""
    add_count: int
    """The number of rows ever added to the ring; the cursor in a dump made at the end of training."""

    @property
    def is_possible(self) -> bool:
        """Whether a ring is ever dumped with this count."""
        is_lap = self.add_count % self.capacity == self.capacity - 1
        return 0 <= self.add_count < self.capacity or (self.add_count > 0 and is_lap)

    @property
    def is_partial(self) -> bool:
        """Whether the dump was made at the end of training, when add_count is set to the cursor.

        Only in file 0 can the number of the last row also be the count of a full lap.
        """
        last = self.capacity - 1
        return self.add_count < last or (self.add_count == last and self.number > 0)

    @property
    def has_old_last_row(self) -> bool:
        """Whether the last row closes the previous lap; in file 0 it was never written."""
        return self.number > 0 or self.add_count > self.capacity - 1

    @property
    def new(self) -> Rows:
        """The rows of a partial dump that its own lap wrote: those before the cursor."""
        return Rows(self.number, 0, self.add_count)

    @property
    def old(self) -> Rows:
        """The rows of a partial dump that are one lap older."""
        return Rows(self.number, self.add_count, self.capacity)

    @property
    def repeated(self) -> Rows:
        """The rows of a partial dump that the previous dump also holds, if the one follows the other.

        With the cursor on the last row, both were made from the same ring contents.
        """
        if self.add_count == self.capacity - 1:
            return Rows(self.number, 0, self.capacity)
        return Rows(self.number, self.add_count, self.capacity - 1)


@dataclass(frozen=True)
class Dump:
    """One checkpoint's files: which rows were played, and how they follow the previous dump."""

    number: int
    capacity: int
    link: Link
    partial: bool
    """Whether the dump was made at the end of training."""
    played: tuple[Rows, ...]
    """The played rows in order of play, padding included; no row occurs twice."""
    repeated: int = 0
    """The number of rows that the previous dump also holds."""

    @property
    def stale(self) -> int:
        """The number of rows that the ring had never written."""
        return self.capacity - self.repeated - sum(map(len, self.played))


def is_in_order(before: Header, header: Header) -> bool:
    """Returns whether one dump of a run can follow another: only the last is partial, and counts ascend."""
    return not before.is_partial and (header.is_partial or header.add_count > before.add_count)


def link_between(before: Header | None, header: Header) -> Link:
    """Returns how a full lap's dump follows the nearest earlier dump that is present."""
    if before is None:
        return Link.SKIPPED if header.number == 0 else Link.CUT
    if (header.add_count - before.add_count) // header.capacity == 1:
        return Link.JOINED
    return Link.SKIPPED if header.number == before.number + 1 else Link.CUT


def full_dump(header: Header, link: Link) -> Dump:
    """Returns the dump of a full lap: its last row closes the previous lap, if there was one."""
    number, capacity = header.number, header.capacity
    last, others = Rows(number, capacity - 1, capacity), Rows(number, 0, capacity - 1)
    if not header.has_old_last_row:
        return Dump(number, capacity, Link.START, False, (others,))
    return Dump(number, capacity, link, False, (last, others))


def may_begin_log(header: Header) -> bool:
    """Returns whether a partial dump with none before it can belong to the ring's first lap."""
    return header.number == (1 if header.add_count == header.capacity - 1 else 0)


def only_dump(header: Header) -> Dump:
    """Returns a partial dump of the ring's first lap: rows beyond its cursor were never written."""
    return Dump(header.number, header.capacity, Link.START, True, _non_empty(header.new))


def repeating_dump(header: Header, stale_before: int) -> Dump:
    """Returns a partial dump whose older rows the previous dump also holds.

    Args:
        header: the dump's header.
        stale_before: the number of rows of the previous dump that the ring had never written.
    """
    number, capacity, repeated = header.number, header.capacity, header.repeated
    if len(repeated) == capacity:
        return Dump(number, capacity, Link.JOINED, True, (), repeated=capacity - stale_before)
    last = Rows(number, capacity - 1, capacity)
    return Dump(number, capacity, Link.JOINED, True, (last, *_non_empty(header.new)), repeated=len(repeated))


def unattached_dump(header: Header, *, begins_with_padding: bool) -> Dump:
    """Returns a partial dump whose previous lap has no dump: what is left of that lap is in this one.

    Args:
        header: the dump's header.
        begins_with_padding: whether it is the log's first and its first rows are blank, as a log's are.
    """
    link = Link.START if begins_with_padding and header.add_count == 0 else Link.CUT
    return Dump(header.number, header.capacity, link, True, (header.old, *_non_empty(header.new)))


def tells_play_apart(rows: np.ndarray) -> bool:
    """Returns whether different play would hardly ever produce the same numbers as these consecutive rows.

    A row's surprise is derived from how often the rows resemble each other: an agent that always does the
    same carries none. The bound on rows leaves room for agents that move in cycles: even these explored, in
    at least one step in a hundred.

    Args:
        rows: a structured array of actions, rewards and terminals.
    """
    if len(rows) < EVIDENCE_ROWS:
        return False
    _, counts = np.unique(rows.view(f"V{rows.itemsize}"), return_counts=True)
    likeness = float(np.square(counts / len(rows)).sum())
    return -len(rows) * np.log2(likeness) >= EVIDENCE_BITS


def _non_empty(rows: Rows) -> tuple[Rows, ...]:
    return (rows,) if len(rows) else ()
