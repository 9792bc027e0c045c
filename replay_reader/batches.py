"""Provides what the readers of batches share: the selection, and samples gathered from a pool of blocks."""

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..builder.format.frame_format import GREY84, FrameFormat
from .anchors import Anchors
from .block_pool import BlockPool, cut_blocks
from .catalog import Catalog
from .errors import DatasetError
from .preprocessing import PICTURES, Batch, Preprocessing
from .reader import Reader, whole_number
from .sample_order import SampleOrder
from .selection import Selection

BLOCK_ROWS = 4096
"""The most rows in a block: two row groups of 84×84 grey frames."""
BLOCK_BYTES = BLOCK_ROWS * GREY84.nbytes
"""The bytes of frames in a block, rounded up to whole row groups. A block's first stack begins in the row
group before it, which is read too: the smaller the blocks are, the more often."""
AHEAD = 2
"""The number of blocks fetched before they are needed."""
LOOK_UP = 1024
"""The approximate number of samples looked up at once."""


@dataclass(frozen=True)
class BatchOptions:
    """The arguments common to all readers of batches."""

    selection: Selection
    batch_size: int
    shuffle: bool
    seed: int
    drop_last: bool
    preprocessing: Preprocessing | None
    memory: int
    rank: int
    world_size: int
    columns: Sequence[str] = ()
    """The columns of numbers to read besides those of every dataset."""


@dataclass(frozen=True)
class _Span:
    """The samples start to stop - 1 of a slice, which belong to one batch."""

    batch: int
    start: int
    stop: int


class Batches(Reader):
    """Yields batches of samples from the steps of a dataset, each sample once per epoch.

    The order depends only on the seed, the epoch, the batch size and the memory.
    """

    def __init__(self, options: BatchOptions, *, before: int, after: int, channel_axis: bool) -> None:
        """Open the selection and lay out its blocks.

        Args:
            options: the options as given by the user.
            before: the number of rows that a sample may need before its anchor.
            after: the number of rows that a sample may need after its anchor.
            channel_axis: whether images have a stack axis before their height.
        """
        self.batch_size = whole_number("batch_size", options.batch_size)
        if self.batch_size < 1:
            raise DatasetError(f"a batch of {self.batch_size} samples; expected 1 or more")
        rank, world_size = options.selection.share(options.rank, options.world_size)
        super().__init__(seed=options.seed, rank=rank, world_size=world_size)
        self.catalog: Catalog = options.selection.open()
        self.drop_last, self.shuffle = options.drop_last, options.shuffle
        self._columns = _checked_columns(self.catalog, options.columns)
        preprocessing = options.preprocessing or Preprocessing()
        self.preprocessing = preprocessing.bind(
            self.catalog.action_names, channel_axis, self.catalog.frame_format
        )
        self._anchors = self.place_anchors(self.catalog.episodes)
        rows = _rows_in_block(self.catalog.frame_format)
        self._blocks = cut_blocks(self.catalog, self._anchors, rows, before, after)
        self._sizes = np.array([block.samples for block in self._blocks], np.int64)
        self._slots = self._count_slots(whole_number("memory", options.memory))

    @abstractmethod
    def place_anchors(self, episodes: np.ndarray) -> Anchors:
        """Returns which rows of these episodes are samples."""

    @abstractmethod
    def look_up(self, pool: BlockPool, rows: np.ndarray) -> Batch:
        """Returns the samples whose anchors are these rows of the pool, with images as rows of frames."""

    @property
    def samples(self) -> int:
        """The number of samples in an epoch, over all ranks."""
        return len(self._anchors)

    @property
    def items_in_epoch(self) -> int:
        """Returns the number of batches, over all ranks."""
        return self.samples // self.batch_size if self.drop_last else -(-self.samples // self.batch_size)

    def identity(self) -> dict[str, int]:
        """Returns what the order depends on."""
        return {
            "seed": self.seed,
            "batch_size": self.batch_size,
            "samples": self.samples,
            "blocks_in_memory": self._slots,
            "shuffle": int(self.shuffle),
        }

    def read(self, epoch: int, numbers: Sequence[int]) -> Generator[Batch]:
        """Yield the batches of an epoch with these numbers, which ascend."""
        if not numbers:
            return
        pool = BlockPool(self.catalog, self._blocks, self._slots, columns=self._columns)
        try:
            pieces: list[Batch] = []
            for span, piece in self._read_pieces(pool, self._order(epoch), numbers):
                pieces.append(piece)
                size = min(self.batch_size, self.samples - span.batch * self.batch_size)
                if sum(len(piece["action"]) for piece in pieces) == size:
                    yield self.preprocessing(_joined(pieces))
                    pieces = []
        finally:
            pool.close()

    def _read_pieces(
        self, pool: BlockPool, order: SampleOrder, numbers: Sequence[int]
    ) -> Iterator[tuple[_Span, Batch]]:
        """Yield each slice's part of the batches, slice by slice."""
        size, last = self.batch_size, numbers[-1]
        first = order.slice_of(numbers[0] * size)
        begun = order.samples_before(first)
        for time in range(first, order.slices):
            rows = self._rows_of_slice(pool, order, time)
            ended = begun + len(rows)
            own = numbers[bisect_left(numbers, begun // size) : bisect_left(numbers, -(-ended // size))]
            spans = [
                _Span(number, max(0, number * size - begun), min(len(rows), (number + 1) * size - begun))
                for number in own
            ]
            yield from self._gather(pool, rows, spans)
            begun = ended
            if begun >= (last + 1) * size:
                break

    def _gather(
        self, pool: BlockPool, rows: np.ndarray, spans: Sequence[_Span]
    ) -> Iterator[tuple[_Span, Batch]]:
        at_once = -(-LOOK_UP // self.batch_size)
        for begin in range(0, len(spans), at_once):
            some = spans[begin : begin + at_once]
            found = self.look_up(pool, np.concatenate([rows[span.start : span.stop] for span in some]))
            start = 0
            for span in some:
                stop = start + span.stop - span.start
                yield (
                    span,
                    {
                        name: pool.take_frames(value[start:stop]) if name in PICTURES else value[start:stop]
                        for name, value in found.items()
                    },
                )
                start = stop

    def _rows_of_slice(self, pool: BlockPool, order: SampleOrder, time: int) -> np.ndarray:
        """Returns the pool rows of a slice's anchors, in order; starts fetching the next slices' blocks."""
        live = order.live_places(time)
        needed = [order.block_at(place) for place in live]
        for block in set(pool.held()).difference(needed):
            pool.release(block)
        for place in range(live.start, min(live.stop + AHEAD, order.slices)):
            pool.prefetch(order.block_at(place))
        pieces, sequence = order.slice(time)
        rows = [self._rows_of_block(pool, block, numbers) for block, numbers in pieces]
        return np.concatenate(rows)[sequence]

    def _rows_of_block(self, pool: BlockPool, number: int, samples: np.ndarray) -> np.ndarray:
        block = self._blocks[number]
        return self._anchors.within(block.shard, block.start, block.stop)[samples] + pool.origin(number)

    def _order(self, epoch: int) -> SampleOrder:
        pool = len(self._blocks) * 2 if self._slots == len(self._blocks) else self._slots - 1 - AHEAD
        return SampleOrder(self._sizes, pool=pool, seed=self.seed, epoch=epoch, shuffle=self.shuffle)

    def _count_slots(self, memory: int) -> int:
        """Returns the number of blocks that fit in `memory` bytes, at most as many as there are."""
        rows = max((block.last - block.first for block in self._blocks), default=1)
        least = min(3 + AHEAD, len(self._blocks))
        block_bytes = rows * self.catalog.frame_format.nbytes
        fit = memory // block_bytes
        if fit < least:
            needed = least * block_bytes
            raise DatasetError(f"a memory of {memory:,} bytes is too little; expected at least {needed:,}")
        return min(fit, len(self._blocks))


def _rows_in_block(frame_format: FrameFormat) -> int:
    group = frame_format.rows_in_group
    groups = -(-BLOCK_BYTES // (group * frame_format.nbytes))
    return group * min(groups, BLOCK_ROWS // group)


def _joined(pieces: list[Batch]) -> Batch:
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _checked_columns(catalog: Catalog, columns: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of columns, after checking that all shards have them.

    Raises:
        DatasetError: a shard has no such column of numbers.
    """
    for shard in catalog.shards:
        if missing := [name for name in columns if name not in shard.other_columns]:
            has = ", ".join(shard.other_columns) or "none"
            raise DatasetError(f"columns={missing[0]!r}: {shard.name} has no such column; others are {has}")
    return tuple(dict.fromkeys(columns))
