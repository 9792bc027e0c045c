"""Blocks of steps in memory: frames in one array, where any batch is gathered at once."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .catalog import Catalog
from .errors import DatasetError

FRAME_SHAPE = (84, 84)
FRAME_BYTES = 84 * 84
_READ = ("observation", "action", "reward", "return_to_go", "step")


@dataclass(frozen=True)
class Block:
    """Neighbouring rows of a shard, some of which are samples' anchors."""

    shard: int
    start: int
    stop: int
    """Anchors lie in rows start … stop - 1."""
    first: int
    last: int
    """Rows first … last - 1 are needed: the anchors' stacks and windows reach beyond them."""


def cut_blocks(catalog: Catalog, rows: int, before: int, after: int) -> list[Block]:
    """All shards in blocks of at most `rows` rows, each with what its anchors need around it."""
    return [
        Block(
            number,
            start,
            min(start + rows, shard.rows),
            max(0, start - before),
            min(start + rows + after, shard.rows),
        )
        for number, shard in enumerate(catalog.shards)
        for start in range(0, shard.rows, rows)
    ]


class BlockPool:
    """Holds the blocks that are in use, and fetches those that come next on threads.

    All frames lie in one array of slots, so a batch whose samples come from many blocks is one gather.
    Frame 0 is blank: it stands for what lies before an episode's start and after its end.

    Args:
        catalog: the shards.
        blocks: of which some are held at a time.
        slots: how many may be held at once.
        threads: that fetch and decode.
    """

    def __init__(self, catalog: Catalog, blocks: Sequence[Block], slots: int, threads: int = 2) -> None:
        self._catalog = catalog
        self._blocks = blocks
        self._slot_rows = max((block.last - block.first for block in blocks), default=0)
        self.frames = np.empty((1 + slots * self._slot_rows, *FRAME_SHAPE), np.uint8)
        """(rows, 84, 84) of all slots; row 0 is blank."""
        self.frames[0] = 0
        rows = len(self.frames)
        self.action = np.zeros(rows, np.int64)
        self.reward = np.zeros(rows, np.float32)
        self.return_to_go = np.zeros(rows, np.float32)
        self.step = np.zeros(rows, np.int64)
        """Steps since the episode's start."""
        self.remaining = np.zeros(rows, np.int64)
        """Steps to the episode's end, this one counted."""
        self.terminates = np.zeros(rows, bool)
        """Whether the game ends the episode, and not the time limit or the end of the log."""
        shards = range(len(catalog.shards))
        self._episodes = [catalog.episodes[catalog.episodes["shard"] == shard] for shard in shards]
        self._free = list(range(slots))[::-1]
        self._slot_of: dict[int, int] = {}
        self._loading: dict[int, Future[None]] = {}
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="blocks")

    def prefetch(self, block: int) -> bool:
        """Begin to fetch a block, if a slot is free; tells whether it is held or under way."""
        if block not in self._slot_of:
            if not self._free:
                return False
            self._slot_of[block] = self._free.pop()
            self._loading[block] = self._executor.submit(self._load, block)
        return True

    def origin(self, block: int) -> int:
        """The row of the arrays where row 0 of the block's shard would lie, once the block is there."""
        self.prefetch(block)
        if block in self._loading:
            self._loading.pop(block).result()
        return 1 + self._slot_of[block] * self._slot_rows - self._blocks[block].first

    def release(self, block: int) -> None:
        """Let go of a block."""
        if block in self._slot_of:
            if block in self._loading:
                self._loading.pop(block).result()
            self._free.append(self._slot_of.pop(block))

    def held(self) -> list[int]:
        """The blocks that are there or under way."""
        return list(self._slot_of)

    def close(self) -> None:
        """Stop fetching."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _load(self, number: int) -> None:
        block = self._blocks[number]
        at = 1 + self._slot_of[number] * self._slot_rows
        to = at + block.last - block.first
        shard = self._catalog.shards[block.shard]
        columns = shard.read(block.first, block.last, _READ)
        self.frames[at:to] = columns["observation"]
        self.action[at:to] = columns["action"]
        self.reward[at:to] = columns["reward"]
        self.return_to_go[at:to] = columns["return_to_go"]
        self._place(block, slice(at, to), columns["step"])

    def _place(self, block: Block, rows: slice, steps: np.ndarray) -> None:
        """Say where in its episode each row lies."""
        episodes = self._episodes[block.shard]
        numbers = np.arange(block.first, block.last)
        of_row = episodes[np.maximum(0, np.searchsorted(episodes["first_row"], numbers, "right") - 1)]
        step = numbers - of_row["first_row"]
        remaining = of_row["length"] - step
        if (steps != step)[(step >= 0) & (remaining > 0)].any():
            name = self._catalog.shards[block.shard].name
            raise DatasetError(f"{name}: episodes lie elsewhere than the episodes table says; build it again")
        self.step[rows], self.remaining[rows] = step, remaining
        self.terminates[rows] = of_row["terminated"]
