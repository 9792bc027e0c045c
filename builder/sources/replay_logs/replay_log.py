"""A run's replay log: which rows of which dumps were played, and in what order.

The log is a sequence of dumps of one ring buffer of C rows, made whenever the number of rows ever added
is C - 1 modulo C, and once more at the end of training. So the last row of a dump is one lap older than
the others: it comes right before its row 0. Sources: Dopamine's `OutOfGraphReplayBuffer` and batch_rl's
logging wrapper around it.
"""

import contextlib
import enum
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ...errors import ReplayLogError
from ...format.manifest import FileRecord
from ...format.protocol import FRAME_SHAPE, PADDING_ROWS
from ...stores.download_cache import KeptFiles
from ...stores.store import Store
from .array_file import ArrayFile, read_number

ARRAYS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "observation": (np.uint8, FRAME_SHAPE),
    "action": (np.int32, ()),
    "reward": (np.float32, ()),
    "terminal": (np.uint8, ()),
}
SCALARS = ("action", "reward", "terminal")
BLOCK_ROWS = 512
"""Rows that are held at a time: 3.6 MB of frames."""


LOG_ARRAYS = (*ARRAYS, "add_count")
"""What a checkpoint must have; `invalid_range` follows from add_count and is not read."""


@dataclass(frozen=True)
class LogFiles:
    """The files of one run: for each checkpoint's number, the path of each array below the store's root."""

    folder: str
    checkpoints: dict[int, dict[str, str]] = field(default_factory=dict)
    has_add_counts: bool = True
    """False for copies that leave them out."""

    def path(self, number: int, array: str) -> str:
        """Where an array is, or would be if it were there."""
        return self.checkpoints[number].get(array, f"{self.folder}/{log_file_name(array, number)}")


def log_file_name(array: str, number: int) -> str:
    """The bucket's name for an array of a checkpoint."""
    return f"{'' if array == 'add_count' else '$store$_'}{array}_ckpt.{number}.gz"


class Link(enum.Enum):
    """How a dump's first row in order of play follows what the log holds before it."""

    START = "the log begins here"
    JOINED = "it follows the dump before without a gap"
    SKIPPED = "a lap before it was never dumped; an episode begins here"
    CUT = "the file before it is missing; it begins in the middle of play"


@dataclass(frozen=True)
class Rows:
    """Rows start … stop - 1 of one dump."""

    dump: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Dump:
    """One checkpoint's files: what of them was played, and how they follow the dump before."""

    number: int
    capacity: int
    link: Link
    partial: bool
    """Made at the end of training."""
    played: tuple[Rows, ...]
    """In order of play, padding included; no row twice."""
    repeated: int = 0
    """Rows that the dump before holds as well."""

    @property
    def stale(self) -> int:
        """Rows that the ring had never written."""
        return self.capacity - self.repeated - sum(map(len, self.played))


class ReplayLog:
    """The dumps of one run.

    Args:
        store: where the log lies.
        files: which of its files.
    """

    arrays: tuple[str, ...] = LOG_ARRAYS
    """What a checkpoint must have."""

    def __init__(self, store: Store, files: LogFiles) -> None:
        self.store = store
        self.files = files
        self.kept = KeptFiles(
            store, {path: number for number, paths in files.checkpoints.items() for path in paths.values()}
        )
        self.numbers = sorted(files.checkpoints)
        self._headers: dict[int, tuple[int, int]] = {}
        self._dumps: dict[int, Dump] = {}
        self._records: dict[str, FileRecord] = {}
        self._lock = threading.RLock()

    @property
    def capacity(self) -> int:
        """Rows of the ring, as the first dump that can be read has it."""
        for number in self.numbers[:-1]:
            with contextlib.suppress(ReplayLogError):
                return self._header(number)[0]
        return self._header(self.numbers[-1])[0]

    def partial_numbers(self) -> list[int]:
        """The dumps made at the end of training: the last one, or none."""
        last = self.numbers[-1]
        return [last] if self._is_partial(last) else []

    def earlier(self, number: int) -> int | None:
        """The dump before this one that is there."""
        return max((other for other in self.numbers if other < number), default=None)

    def later(self, number: int) -> int | None:
        """The dump after this one that is there."""
        return min((other for other in self.numbers if other > number), default=None)

    def where(self, number: int, array: str) -> str:
        """An array's full name, for messages."""
        return self.store.describe(self.files.path(number, array))

    def dump(self, number: int) -> Dump:
        """What a checkpoint's files hold.

        Raises:
            ReplayLogError: a file is missing or damaged, or add_count is impossible.
        """
        with self._lock:
            if number not in self._dumps:
                self._dumps[number] = self._describe(number)
            return self._dumps[number]

    def next_joined(self, number: int) -> Dump | None:
        """The dump that goes on where this one ends, if there is one."""
        later = self.later(number)
        dump = None if later is None else self.dump(later)
        return dump if dump is not None and dump.link is Link.JOINED else None

    def ends_with_terminal(self, number: int) -> bool:
        """Whether the last row that this dump adds to the log ended an episode."""
        rows = self.dump(number).played[-1]
        (block,) = self.blocks(Rows(number, rows.stop - 1, rows.stop), ("terminal",))
        return bool(block["terminal"][0])

    def open(self, number: int, array: str) -> ArrayFile:
        """An array of a checkpoint, at its first row.

        Raises:
            ReplayLogError: it is missing, damaged, another array, or of another length than the observations.
        """
        dtype, shape = ARRAYS[array]
        file = ArrayFile(self.kept, self.files.path(number, array), dtype, shape)
        capacity, _ = self._headers.get(number, (file.rows, 0))
        if file.rows != capacity:
            file.close()
            raise ReplayLogError(
                f"{file.where}: holds {file.rows:,} rows, but the checkpoint's observations are "
                f"{capacity:,}; copy the checkpoint's files again"
            )
        return file

    def blocks(
        self,
        rows: Rows,
        arrays: tuple[str, ...],
        block_rows: int = BLOCK_ROWS,
        stop: threading.Event | None = None,
    ) -> Iterator[dict[str, np.ndarray]]:
        """Rows of some arrays, in blocks of at most `block_rows`.

        A file that was not read before is checked to its end, before the last block is given.
        Another thread may set `stop` to end a long way to the first row with CancelledError.
        """
        files = {array: self.open(rows.dump, array) for array in arrays}
        try:
            for file in files.values():
                file.skip(rows.start, stop)
            for start in range(rows.start, rows.stop, block_rows):
                count = min(block_rows, rows.stop - start)
                block = {array: file.read(count) for array, file in files.items()}
                if start + count == rows.stop:
                    self._finish(list(files.values()))
                yield block
        finally:
            for file in files.values():
                file.close()

    def records(self, number: int) -> list[FileRecord]:
        """What the checkpoint's files were, read to their ends where they have not been yet."""
        for array in ARRAYS:
            if self.files.path(number, array) not in self._records:
                self._finish([self.open(number, array)])
        return [self._records[self.files.path(number, array)] for array in self.arrays]

    def _finish(self, files: list[ArrayFile]) -> None:
        for file in files:
            if file.path not in self._records:
                self._records[file.path] = file.finish()

    def _header(self, number: int) -> tuple[int, int]:
        """Capacity and add_count."""
        if number not in self._headers:
            file = self.open(number, "observation")
            file.close()
            if file.rows < PADDING_ROWS + 2:
                raise ReplayLogError(
                    f"{file.where}: holds {file.rows} rows, expected a ring of at least {PADDING_ROWS + 2}; "
                    f"copy it again"
                )
            self._headers[number] = (file.rows, self._add_count(number, file.rows))
        return self._headers[number]

    def _add_count(self, number: int, rows: int) -> int:
        """Rows ever added to a ring of so many, when it was dumped."""
        add_count, record = read_number(self.kept, self.files.path(number, "add_count"))
        if add_count < 0 or (add_count >= rows and add_count % rows != rows - 1):
            raise ReplayLogError(
                f"{self.store.describe(record.path)}: add_count is {add_count:,}; a ring of {rows:,} rows is "
                f"dumped at {rows - 1:,} modulo {rows:,}, or with less at training's end; copy it again"
            )
        self._records[record.path] = record
        return add_count

    def _is_partial(self, number: int) -> bool:
        """At the end of training add_count is set to the cursor; only in file 0 may both be C - 1."""
        capacity, add_count = self._header(number)
        return add_count < capacity - 1 or (add_count == capacity - 1 and number > 0)

    def _describe(self, number: int) -> Dump:
        capacity, add_count = self._header(number)
        partial = self._is_partial(number)
        before = self.earlier(number)
        if before is not None:
            self._check_order(before, number)
        if partial:
            return self._describe_partial(number, capacity, cursor=add_count, before=before)
        last, others = Rows(number, capacity - 1, capacity), Rows(number, 0, capacity - 1)
        if number == 0 and add_count == capacity - 1:
            return Dump(number, capacity, Link.START, False, (others,))
        return Dump(number, capacity, self._link(before, number), False, (last, others))

    def _link(self, before: int | None, number: int) -> Link:
        if before is None:
            return Link.SKIPPED if number == 0 else Link.CUT
        capacity, add_count = self._header(number)
        laps = (add_count - self._header(before)[1]) // capacity
        if laps == 1:
            return Link.JOINED
        return Link.SKIPPED if number == before + 1 else Link.CUT

    def _check_order(self, before: int, number: int) -> None:
        capacity, add_count = self._header(number)
        earlier_capacity, earlier_count = self._header(before)
        where = self.where(number, "add_count")
        if capacity != earlier_capacity:
            raise ReplayLogError(
                f"{where}: its ring has {capacity:,} rows, that of checkpoint {before} {earlier_capacity:,}; "
                f"they are of different runs, so copy each run into a folder of its own"
            )
        if self._is_partial(before) or (not self._is_partial(number) and add_count <= earlier_count):
            raise ReplayLogError(
                f"{where}: add_count is {add_count:,} after {earlier_count:,} in checkpoint {before}; "
                f"they are of different runs or were renamed, so copy the run again"
            )

    def _describe_partial(self, number: int, capacity: int, cursor: int, before: int | None) -> Dump:
        """The dump at the end of training: rows before the cursor are new, those after it one lap older."""
        new, old = Rows(number, 0, cursor), Rows(number, cursor, capacity)
        # With the cursor on the last row, it was made right after the dump before it, of the same ring.
        is_first = before is None and number == (1 if cursor == capacity - 1 else 0)
        # A log begins with padding; if it does not, earlier laps were never dumped.
        begins = is_first and self._is_zero(Rows(number, 0, PADDING_ROWS))
        if begins and self._is_zero(old):
            return Dump(number, capacity, Link.START, True, _non_empty(new))
        if before is not None and before == number - 1:
            if cursor == capacity - 1 and self._is_repeated(Rows(number, 0, capacity), before):
                return Dump(
                    number, capacity, Link.JOINED, True, (), repeated=capacity - self.dump(before).stale
                )
            if cursor < capacity - 1 and self._is_repeated(Rows(number, cursor, capacity - 1), before):
                last = Rows(number, capacity - 1, capacity)
                played = (last, *_non_empty(new))
                return Dump(number, capacity, Link.JOINED, True, played, repeated=capacity - 1 - cursor)
        # The lap before was never dumped or its file is missing: what is left of it is here.
        link = Link.START if begins and cursor == 0 else Link.CUT
        return Dump(number, capacity, link, True, (old, *_non_empty(new)))

    def _is_zero(self, rows: Rows) -> bool:
        return not any(array.any() for block in self.blocks(rows, tuple(ARRAYS)) for array in block.values())

    def _is_repeated(self, rows: Rows, before: int) -> bool:
        """Whether an earlier dump holds the same rows in the same places."""
        earlier = self.blocks(Rows(before, rows.start, rows.stop), tuple(ARRAYS))
        is_same = all(
            # Bytes, since a reward may be NaN.
            block[array].tobytes() == other[array].tobytes()
            for block, other in zip(self.blocks(rows, tuple(ARRAYS)), earlier, strict=True)
            for array in ARRAYS
        )
        if not is_same:
            # A damaged file must not pass for other play: both are checked to their ends.
            self.records(rows.dump)
            self.records(before)
        return is_same


def _non_empty(rows: Rows) -> tuple[Rows, ...]:
    return (rows,) if len(rows) else ()
