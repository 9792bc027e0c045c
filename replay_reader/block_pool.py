"""Holds blocks of steps in memory, with all frames in one array, so that any batch is a single gather."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..builder.format.arrow_columns import dtype_of
from ..builder.format.features import PROB
from .anchors import Anchors
from .catalog import Catalog
from .freed_memory import keep_freed_memory
from .step_checks import CHECKED, check_steps, place_rows

_READ = ("observation", "reward", "return_to_go", *CHECKED)


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a shard, some of which are anchors of samples."""

    shard: int
    start: int
    stop: int
    """The end of the rows start to stop - 1 that hold the block's anchors."""
    samples: int
    """The number of samples in the block."""
    first: int
    last: int
    """The end of the rows first to last - 1 that are read: stacks and windows extend beyond the anchors."""


def cut_blocks(catalog: Catalog, anchors: Anchors, rows: int, before: int, after: int) -> list[Block]:
    """Returns all anchors in blocks, each with the rows that its samples need.

    Args:
        catalog: the catalog of the shards.
        anchors: the anchors of the samples.
        rows: the rows in a block without those before it; a multiple of a row group's rows gives whole row
            groups.
        before: the number of rows that a sample may need before its anchor.
        after: the number of rows that a sample may need after its anchor.
    """
    blocks = []
    for number, shard in enumerate(catalog.shards):
        # The rows that a block's last samples need end with a row group, to avoid reading the next one.
        cuts = [cut for cut in range(rows - after, shard.rows, rows) if cut > 0]
        for start, stop in pairwise([0, *cuts, shard.rows]):
            own = anchors.within(number, start, stop)
            if len(own):
                first, last = max(0, int(own[0]) - before), min(int(own[-1]) + 1 + after, shard.rows)
                blocks.append(Block(number, start, stop, len(own), first, last))
    return blocks


class BlockPool:
    """Holds the blocks in use, and fetches upcoming blocks on threads.

    All frames lie in one array of slots, so a batch whose samples come from many blocks is a single gather.
    Row 0 is blank: it represents the frames before an episode's start and after its end.

    Args:
        catalog: the catalog of the shards.
        blocks: all blocks, of which some are held at a time.
        slots: the number of blocks that may be held at once.
        threads: the number of threads that fetch and decode.
        columns: the columns of numbers to hold besides those of every dataset.
    """

    def __init__(
        self,
        catalog: Catalog,
        blocks: Sequence[Block],
        slots: int,
        threads: int = 2,
        columns: Sequence[str] = (),
    ) -> None:
        keep_freed_memory()
        self._catalog = catalog
        self._blocks = blocks
        self._slot_rows = max((block.last - block.first for block in blocks), default=0)
        rows = 1 + slots * self._slot_rows
        self._format = catalog.frame_format
        self._frames = np.empty((rows, self._format.nbytes), np.uint8)
        self._frames[0] = 0
        self.action = np.zeros(rows, np.int64)
        self.reward = np.zeros(rows, np.float32)
        self.prob = np.ones(rows, np.float32) if catalog.has_probs else None
        """The probability with which each action was chosen; None if the dataset does not have it."""
        self.return_to_go = np.zeros(rows, np.float32)
        self.step = np.zeros(rows, np.int64)
        """The steps since the episode's start."""
        self.remaining = np.zeros(rows, np.int64)
        """The steps to the episode's end, including this one."""
        self.terminates = np.zeros(rows, bool)
        """Whether the game ends the episode, rather than the time limit or the end of the log."""
        self.others = {name: np.zeros(rows, _dtype_of(catalog, name)) for name in columns}
        """The other columns of numbers that were asked for."""
        wanted: list[str] = [*_READ, *([PROB] if catalog.has_probs else []), *columns]
        self._read: tuple[str, ...] = tuple(dict.fromkeys(wanted))
        self._free = list(range(slots))[::-1]
        self._slot_of: dict[int, int] = {}
        self._loading: dict[int, Future[None]] = {}
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="blocks")

    def take_frames(self, rows: np.ndarray) -> np.ndarray:
        """Returns a copy of the frames at rows (…) of the pool: (…, *frame_format.shape) uint8."""
        return self._frames.take(rows.ravel(), axis=0).reshape(*rows.shape, *self._format.shape)

    def prefetch(self, block: int) -> None:
        """Start fetching a block, unless it is present or on its way; a slot must be free."""
        if block not in self._slot_of:
            slot = self._slot_of[block] = self._free.pop()
            self._loading[block] = self._executor.submit(self._load, self._blocks[block], slot)

    def origin(self, block: int) -> int:
        """Returns the array row where row 0 of the block's shard would lie, after waiting for the block."""
        self.prefetch(block)
        if block in self._loading:
            self._loading.pop(block).result()
        return self._first_row(self._slot_of[block]) - self._blocks[block].first

    def release(self, block: int) -> None:
        """Free a block's slot."""
        if block in self._loading:
            self._loading.pop(block).result()
        self._free.append(self._slot_of.pop(block))

    def held(self) -> list[int]:
        """Returns the blocks that are present or on their way."""
        return list(self._slot_of)

    def close(self) -> None:
        """Stop fetching, and wait for the threads to end."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _first_row(self, slot: int) -> int:
        return 1 + slot * self._slot_rows

    def _load(self, block: Block, slot: int) -> None:
        start = at = self._first_row(slot)
        shard = self._catalog.shards[block.shard]
        checked: dict[str, list[np.ndarray]] = {name: [] for name in CHECKED}
        for piece in shard.read_pieces(block.first, block.last, self._read, self._format):
            rows = slice(at, at + len(piece["step"]))
            self._frames[rows] = piece["observation"].reshape(-1, self._format.nbytes)
            self.action[rows], self.reward[rows] = piece["action"], piece["reward"]
            self.return_to_go[rows], self.step[rows] = piece["return_to_go"], piece["step"]
            if self.prob is not None:
                self.prob[rows] = piece[PROB]
            for name, values in self.others.items():
                values[rows] = piece[name]
            for name, values in checked.items():
                values.append(piece[name])
            at = rows.stop
        places = place_rows(self._catalog.episodes_of_shard(block.shard), block.first, block.last)
        columns = {name: np.concatenate(values) for name, values in checked.items()}
        check_steps(shard, columns, places, block.first)
        self.remaining[start:at] = places.remaining
        self.terminates[start:at] = places.episodes["terminated"]


def _dtype_of(catalog: Catalog, column: str) -> np.dtype:
    return dtype_of(catalog.shards[0].schema.field(column).type)
