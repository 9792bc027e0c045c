"""Blocks of steps in memory: frames in one array, where any batch is gathered at once."""

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..builder.format.protocol import FRAME_SHAPE
from .anchors import Anchors
from .catalog import Catalog
from .step_checks import CHECKED, check_steps, place_rows

FRAME_BYTES = math.prod(FRAME_SHAPE)
LARGE_BLOCK = 31 << 20
"""Bytes. glibc sets its limits by the largest block that was freed, if below 32 MiB."""

_READ = ("observation", "reward", "return_to_go", *CHECKED)


@dataclass(frozen=True)
class Block:
    """Neighbouring rows of a shard, some of which are anchors of samples."""

    shard: int
    start: int
    stop: int
    """Its anchors are those in rows start … stop - 1."""
    samples: int
    """How many."""
    first: int
    last: int
    """Rows first … last - 1 are read: stacks and windows reach beyond the anchors."""


def cut_blocks(catalog: Catalog, anchors: Anchors, rows: int, before: int, after: int) -> list[Block]:
    """All anchors in blocks, each with the rows that its samples need.

    Args:
        catalog: the shards.
        anchors: of the samples.
        rows: of a block without what lies before it; of whole row groups if a multiple of theirs.
        before: rows that a sample may need before its anchor.
        after: rows that it may need after it.
    """
    blocks = []
    for number, shard in enumerate(catalog.shards):
        # What a block's last samples need ends with a row group, so that the next one is not read for it.
        cuts = [cut for cut in range(rows - after, shard.rows, rows) if cut > 0]
        for start, stop in pairwise([0, *cuts, shard.rows]):
            own = anchors.within(number, start, stop)
            if len(own):
                first, last = max(0, int(own[0]) - before), min(int(own[-1]) + 1 + after, shard.rows)
                blocks.append(Block(number, start, stop, len(own), first, last))
    return blocks


class BlockPool:
    """Holds the blocks that are in use, and fetches those that come next on threads.

    All frames lie in one array of slots, so a batch whose samples come from many blocks is one gather.
    Row 0 is blank: it stands for what lies before an episode's start and after its end.

    Args:
        catalog: the shards.
        blocks: of which some are held at a time.
        slots: how many may be held at once.
        threads: that fetch and decode.
    """

    def __init__(self, catalog: Catalog, blocks: Sequence[Block], slots: int, threads: int = 2) -> None:
        # From then on glibc keeps the memory of a batch for the next one. It would else be given back and
        # asked for again each time, and its pages filled with zeros: half of what a batch costs.
        np.empty(LARGE_BLOCK, np.uint8)
        self._catalog = catalog
        self._blocks = blocks
        self._slot_rows = max((block.last - block.first for block in blocks), default=0)
        rows = 1 + slots * self._slot_rows
        self._frames = np.empty((rows, FRAME_BYTES), np.uint8)
        self._frames[0] = 0
        self.action = np.zeros(rows, np.int64)
        self.reward = np.zeros(rows, np.float32)
        self.return_to_go = np.zeros(rows, np.float32)
        self.step = np.zeros(rows, np.int64)
        """Steps since the episode's start."""
        self.remaining = np.zeros(rows, np.int64)
        """Steps to the episode's end, this one counted."""
        self.terminates = np.zeros(rows, bool)
        """Whether the game ends the episode, and not the time limit or the end of the log."""
        self._free = list(range(slots))[::-1]
        self._slot_of: dict[int, int] = {}
        self._loading: dict[int, Future[None]] = {}
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="blocks")

    def take_frames(self, rows: np.ndarray) -> np.ndarray:
        """The frames of rows (…) of the pool: (…, 84, 84) uint8, copied."""
        return self._frames.take(rows.ravel(), axis=0).reshape(*rows.shape, *FRAME_SHAPE)

    def prefetch(self, block: int) -> None:
        """Begin to fetch a block, unless it is there or under way; there must be a free slot."""
        if block not in self._slot_of:
            slot = self._slot_of[block] = self._free.pop()
            self._loading[block] = self._executor.submit(self._load, self._blocks[block], slot)

    def origin(self, block: int) -> int:
        """The row of the arrays where row 0 of the block's shard would lie, once the block is there."""
        self.prefetch(block)
        if block in self._loading:
            self._loading.pop(block).result()
        return self._first_row(self._slot_of[block]) - self._blocks[block].first

    def release(self, block: int) -> None:
        """Let go of a block."""
        if block in self._loading:
            self._loading.pop(block).result()
        self._free.append(self._slot_of.pop(block))

    def held(self) -> list[int]:
        """The blocks that are there or under way."""
        return list(self._slot_of)

    def close(self) -> None:
        """Stop fetching."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _first_row(self, slot: int) -> int:
        return 1 + slot * self._slot_rows

    def _load(self, block: Block, slot: int) -> None:
        start = at = self._first_row(slot)
        shard = self._catalog.shards[block.shard]
        checked: dict[str, list[np.ndarray]] = {name: [] for name in CHECKED}
        for piece in shard.read_pieces(block.first, block.last, _READ):
            rows = slice(at, at + len(piece["step"]))
            self._frames[rows] = piece["observation"].reshape(-1, FRAME_BYTES)
            self.action[rows], self.reward[rows] = piece["action"], piece["reward"]
            self.return_to_go[rows], self.step[rows] = piece["return_to_go"], piece["step"]
            for name, values in checked.items():
                values.append(piece[name])
            at = rows.stop
        places = place_rows(self._catalog.episodes_of_shard(block.shard), block.first, block.last)
        columns = {name: np.concatenate(values) for name, values in checked.items()}
        check_steps(shard, columns, places, block.first)
        self.remaining[start:at] = places.remaining
        self.terminates[start:at] = places.episodes["terminated"]
