"""Reads a run's replay log and works out which of its rows were played; see `dumps`."""

import contextlib

import numpy as np

from ...errors import ReplayLogError
from ...format.manifest import FileRecord
from ...format.protocol import PADDING_ROWS
from ...stores.store import Store
from .array_file import read_number
from .dump_files import DumpFiles
from .dumps import (
    LARGEST_CAPACITY,
    SMALLEST_CAPACITY,
    Dump,
    Header,
    Link,
    Rows,
    full_dump,
    is_in_order,
    link_between,
    may_begin_log,
    only_dump,
    repeating_dump,
    tells_play_apart,
    unattached_dump,
)
from .log_files import FINAL, SCALARS, LogFiles
from .padding import ROWS_EXAMINED, find_padding


class ReplayLog(DumpFiles):
    """The dumps of one run.

    Args:
        store: the store that holds the log.
        files: the files of the store that belong to the run.
        stack_size: the number of frames in the agent's observation; None to find it out.
        black: the black frames with which the game begins.
    """

    def __init__(self, store: Store, files: LogFiles, stack_size: int | None = None, black: int = 0) -> None:
        super().__init__(store, files)
        self._stack_size, self._black = stack_size, black
        self._padding: dict[int, int] = {}
        self.numbers = sorted(files.checkpoints)
        """The numbers of the dumps that are present, ascending."""
        self._headers: dict[int, Header | ReplayLogError] = {}
        """What is known of each dump examined so far, or why it is lost."""
        self._dumps: dict[int, Dump] = {}
        self._finals: tuple[int, np.ndarray] | None = None
        """The final observations that were read last, and of which dump."""

    @property
    def capacity(self) -> int:
        """The number of rows in the ring, according to the first readable dump."""
        for number in self.numbers[:-1]:
            with contextlib.suppress(ReplayLogError):
                return self.header(number).capacity
        return self.header(self.numbers[-1]).capacity

    def partial_numbers(self) -> list[int]:
        """Returns the dump made at the end of training as a list: the last readable dump, or none."""
        last = self.last_readable()
        return [last] if last is not None and self.header(last).is_partial else []

    def last_readable(self) -> int | None:
        """Returns the last dump that is not lost; None if all are."""
        return next((number for number in reversed(self.numbers) if not self.is_lost(number)), None)

    def earlier(self, number: int) -> int | None:
        """Returns the nearest earlier dump that is present and not lost, or None."""
        before = (other for other in reversed(self.numbers) if other < number)
        return next((other for other in before if not self.is_lost(other)), None)

    def later(self, number: int) -> int | None:
        """Returns the nearest later dump that is present and not lost, or None."""
        after = (other for other in self.numbers if other > number)
        return next((other for other in after if not self.is_lost(other)), None)

    def is_lost(self, number: int) -> bool:
        """Returns whether a dump's files are so damaged that its neighbours must do without it."""
        try:
            self.header(number)
        except ReplayLogError:
            return True
        return False

    def header(self, number: int) -> Header:
        """Returns what a checkpoint's files reveal before their rows are read.

        Raises:
            ReplayLogError: a file is missing or damaged, or add_count is impossible.
        """
        with self._lock:
            if number not in self._headers:
                try:
                    self._headers[number] = self._read_header(number)
                except ReplayLogError as error:
                    self._headers[number] = error
            header = self._headers[number]
        if isinstance(header, ReplayLogError):
            raise ReplayLogError(str(header))
        return header

    def dump(self, number: int) -> Dump:
        """Returns which rows of a checkpoint's files were played, and how they follow the previous dump.

        Raises:
            ReplayLogError: a file is missing or damaged, or add_count is impossible.
        """
        with self._lock:
            if number not in self._dumps:
                self._dumps[number] = self._describe(number)
            return self._dumps[number]

    def padding_rows(self, number: int) -> int:
        """Returns how many rows of padding come before each episode of a dump: one less than stack_size.

        Raises:
            ReplayLogError: a file is missing or damaged, or shows that the given stack_size is too large.
        """
        with self._lock:
            if number not in self._padding:
                self._padding[number] = self._find_padding(number)
            return self._padding[number]

    def _find_padding(self, number: int) -> int:
        found = self._padding_in(number)
        if found is not None and self._stack_size is not None and found < self._stack_size - 1:
            raise ReplayLogError(
                f"{self.where(number, 'terminal')}: episodes begin with {found} blank rows, expected "
                f"{self._stack_size - 1} of a log of stack_size {self._stack_size}; "
                f"give --stack-size {found + 1}"
            )
        if self._stack_size is not None:
            return self._stack_size - 1
        for other in self.numbers:
            if found is None and other != number:
                with contextlib.suppress(ReplayLogError):  # reported where it is read
                    found = self._padding_in(other)
        return PADDING_ROWS if found is None else found

    def _padding_in(self, number: int) -> int | None:
        """Returns the padding that one dump shows; None if it has too few episodes."""
        numbers = self.first_scalars(number, ROWS_EXAMINED)
        capacity = self._capacities.get(number, len(numbers))
        return find_padding(
            numbers[: min(len(numbers), capacity - 1)],
            lambda rows: self.unchecked_frames(Rows(number, 0, rows)),
            may_be_partial=number == self.numbers[-1],
            black=self._black,
        )

    def final_observations(self, number: int) -> np.ndarray | None:
        """Returns what was seen after each episode that ends in a dump; None if the log lacks it.

        In order of play, shape (episodes, *frame_format.shape), uint8.

        Raises:
            ReplayLogError: the file is damaged, or does not have a frame for each episode.
        """
        path = self.files.checkpoints[number].get(FINAL)
        if path is None:
            return None
        with self._lock:
            if self._finals is None or self._finals[0] != number:
                terminal = self.scalars(number)["terminal"]
                played = (terminal[rows.start : rows.stop] for rows in self.dump(number).played)
                self._finals = number, self._read_finals(path, int(sum(map(np.count_nonzero, played))))
            return self._finals[1]

    def next_joined(self, number: int) -> Dump | None:
        """Returns the dump that continues where this one ends, or None."""
        later = self.later(number)
        dump = None if later is None else self.dump(later)
        return dump if dump is not None and dump.link is Link.JOINED else None

    def continued_in(self, number: int) -> int | None:
        """Returns the next dump if it continues where this one ends and adds rows to it, or None."""
        later = self.next_joined(number)
        return later.number if later is not None and later.played else None

    def skips_lap_before(self, number: int) -> bool:
        """Returns whether a lap before a dump was never dumped.

        Raises:
            ReplayLogError: a file is missing or damaged, or add_count is impossible.
        """
        return self.dump(number).link is Link.SKIPPED

    def ends_with_terminal(self, number: int) -> bool:
        """Returns whether the last row that a full lap's dump adds to the log ended an episode."""
        with self._lock:
            if number not in self._terminal_ends:
                with contextlib.closing(self.open(number, "terminal")) as file:
                    file.skip(self.header(number).capacity - 2)
                    self._terminal_ends[number] = bool(file.read(1)[0])
                    self.finish(file)
            return self._terminal_ends[number]

    def _read_header(self, number: int) -> Header:
        with contextlib.closing(self.open(number, "observation")) as file:
            rows = file.rows
        if rows < SMALLEST_CAPACITY:
            raise ReplayLogError(
                f"{file.where}: holds {rows} rows, expected a ring of at least {SMALLEST_CAPACITY}; "
                f"leave it out"
            )
        if rows > LARGEST_CAPACITY:
            raise ReplayLogError(
                f"{file.where}: its header declares {rows:,} rows, expected a ring of at most "
                f"{LARGEST_CAPACITY:,}; copy it again"
            )
        self._capacities[number] = rows
        for array in SCALARS.names or ():
            self.open(number, array).close()
        return Header(number, rows, self._add_count(number, rows))

    def _add_count(self, number: int, rows: int) -> int:
        """Returns how many rows had been added to a ring of `rows` rows when it was dumped."""
        add_count, record = self._read_number(self.files.path(number, "add_count"))
        if not Header(number, rows, add_count).is_possible:
            raise ReplayLogError(
                f"{self.store.describe(record.path)}: add_count is {add_count:,}; a ring of {rows:,} rows is "
                f"dumped at {rows - 1:,} modulo {rows:,}, or with less at training's end. Checkpoints that "
                f"Dopamine itself writes hold no whole laps: use the logs of batch_rl's logger"
            )
        self._records[record.path] = record
        return add_count

    def _read_number(self, path: str) -> tuple[int, FileRecord]:
        return read_number(self.downloads, path)

    def _describe(self, number: int) -> Dump:
        header = self.header(number)
        earlier = self.earlier(number)
        before = None if earlier is None else self.header(earlier)
        if before is not None:
            self._check_order(before, header)
        if header.is_partial:
            return self._describe_partial(header, before)
        return full_dump(header, self._link(before, header))

    def _link(self, before: Header | None, header: Header) -> Link:
        return link_between(before, header)

    def _check_order(self, before: Header, header: Header) -> None:
        where = self.where(header.number, "add_count")
        if header.capacity != before.capacity:
            raise ReplayLogError(
                f"{where}: its ring has {header.capacity:,} rows, that of checkpoint {before.number} "
                f"{before.capacity:,}; they are of different runs, so copy each run into a folder of its own"
            )
        if not is_in_order(before, header):
            raise ReplayLogError(
                f"{where}: add_count is {header.add_count:,} after {before.add_count:,} in checkpoint "
                f"{before.number}; they are of different runs or were renamed, so copy the run again"
            )

    def _describe_partial(self, header: Header, before: Header | None) -> Dump:
        number = header.number
        if before is not None and before.number == number - 1 and self._repeats(header, before):
            return repeating_dump(header, self.dump(before.number).stale)
        # A log begins with padding; if it does not, earlier laps were never dumped.
        padding = Rows(number, 0, self.padding_rows(number))
        begins = before is None and may_begin_log(header) and self._is_zero(padding)
        if begins and self._is_zero(header.old):
            return only_dump(header)
        return unattached_dump(header, begins_with_padding=begins)

    def _is_zero(self, rows: Rows) -> bool:
        if np.frombuffer(self.scalars(rows.dump)[rows.start : rows.stop].tobytes(), np.uint8).any():
            return False
        return not any(block.any() for block in self.unchecked_frames(rows))

    def _repeats(self, header: Header, before: Header) -> bool:
        """Returns whether a partial dump holds the previous dump's rows in the same places.

        The numbers usually decide. Where there are too few of them, or they say too little, frames do.
        """
        rows = header.repeated
        scalars = self.scalars(header.number)[rows.start : rows.stop]
        earlier = self.scalars(before.number)[rows.start : rows.stop]
        # Compared as bytes, since a reward may be NaN.
        if scalars.tobytes() != earlier.tobytes():
            return False
        return tells_play_apart(scalars) or self._same_frames(rows, before.number)

    def _same_frames(self, rows: Rows, before: int) -> bool:
        mine = self.unchecked_frames(rows)
        theirs = self.unchecked_frames(Rows(before, rows.start, rows.stop))
        with contextlib.closing(mine), contextlib.closing(theirs):
            if all(np.array_equal(block, other) for block, other in zip(mine, theirs, strict=True)):
                return True
        # A damaged file must not pass for different play: both are checked to their ends.
        for number in (rows.dump, before):
            with contextlib.closing(self.open(number, "observation")) as file:
                self.finish(file)
        return False
