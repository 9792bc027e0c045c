"""What all batch readers share: selection, order, workers and ranks, resumption, and the pool of blocks."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import datasets
import numpy as np

from .block_pool import FRAME_BYTES, BlockPool, cut_blocks
from .catalog import Catalog, open_catalog
from .episode_filter import EpisodeFilter
from .errors import DatasetError
from .preprocessing import Batch, Preprocessing
from .sample_order import SampleOrder

BLOCK_ROWS = 4096
"""Two row groups of a built dataset."""
AHEAD = 2
"""Blocks that are fetched before they are needed."""

Dataset = str | datasets.Dataset | datasets.IterableDataset


class Batches(ABC):
    """Batches of samples from the steps of a dataset, each sample once per epoch.

    The order depends on the seed, the epoch, the batch size and the memory, and on nothing else: with any
    number of ranks and workers, batch j of the epoch is the same, and goes to rank j modulo `world_size`.
    So does resumption, to the batch. Iterating goes over one epoch; the next iteration over the next.

    In a PyTorch `DataLoader` give `batch_size=None`; workers take turns, so the order stays.
    """

    def __init__(
        self,
        dataset: Dataset,
        config_name: str | None,
        split: str | None,
        *,
        batch_size: int,
        before: int,
        after: int,
        shuffle: bool,
        seed: int,
        drop_last: bool,
        episodes: EpisodeFilter | None,
        preprocessing: Preprocessing | None,
        memory: int,
        rank: int,
        world_size: int,
        catalog_options: Mapping[str, Any],
    ) -> None:
        if batch_size < 1:
            raise DatasetError(f"a batch of {batch_size} samples; expected 1 or more")
        if not 0 <= rank < world_size:
            raise DatasetError(f"rank {rank} of {world_size}; expected 0 to {world_size - 1}")
        _register_with_torch(type(self))
        catalog = open_catalog(dataset, config_name, split, **catalog_options)
        self.catalog: Catalog = (
            catalog if episodes is None else catalog.select(episodes.choose(catalog.episodes))
        )
        if not len(self.catalog.episodes):
            raise DatasetError("no episode is left to read; loosen the filter")
        self.batch_size, self.drop_last = batch_size, drop_last
        self._shuffle, self._seed = shuffle, seed
        self._rank, self._world_size = rank, world_size
        self._preprocessing = (preprocessing or Preprocessing()).bind(self.catalog.action_names)
        self._blocks = cut_blocks(self.catalog, BLOCK_ROWS, before, after)
        self._sizes = np.array([len(self.anchors(number)) for number in range(len(self._blocks))], np.int64)
        self._slots = self._count_slots(memory)
        self._epoch = 0
        self._first_batch = 0
        """Of the epoch, over all ranks: where the next iteration begins."""
        self._consumed = 0
        """Batches that this rank has used since."""

    @abstractmethod
    def anchors(self, block: int) -> np.ndarray:
        """The rows of the block's shard that are samples, ascending."""

    @abstractmethod
    def gather(self, pool: BlockPool, rows: np.ndarray) -> Batch:
        """The batch of the samples whose anchors lie in these rows of the pool's arrays."""

    def __len__(self) -> int:
        """Batches in an epoch for this rank."""
        return len(range(self._rank, self.batches_in_epoch, self._world_size))

    @property
    def samples(self) -> int:
        """Samples in an epoch, over all ranks."""
        return int(self._sizes.sum())

    @property
    def batches_in_epoch(self) -> int:
        """Over all ranks."""
        return self.samples // self.batch_size if self.drop_last else -(-self.samples // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Begin with this epoch at its first batch."""
        self._epoch, self._first_batch, self._consumed = epoch, 0, 0

    def state_dict(self, consumed: int | None = None) -> dict[str, int]:
        """Where to go on: give it to `load_state_dict` of a reader with any number of ranks and workers.

        Args:
            consumed: batches of this epoch that this rank has used since it began or was loaded. To be given
                with a DataLoader's workers, whose progress this process does not see.
        """
        batch = self._first_batch + (self._consumed if consumed is None else consumed) * self._world_size
        return {"epoch": self._epoch, "batch": batch, "batch_size": self.batch_size, "seed": self._seed}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where another reader of the same data, seed, batch size and memory was.

        Raises:
            DatasetError: the state is of another seed or batch size.
        """
        for name, own in (("batch_size", self.batch_size), ("seed", self._seed)):
            if state[name] != own:
                raise DatasetError(f"the state was saved with {name} {state[name]}, this reader has {own}")
        self._epoch, self._first_batch, self._consumed = state["epoch"], state["batch"], 0

    def __iter__(self) -> Iterator[Batch]:
        """The rest of the epoch: this rank's batches, and in a DataLoader's worker those of the worker."""
        worker, workers = _torch_worker()
        turn, turns = self._rank + self._world_size * worker, self._world_size * workers
        self._first_batch += self._consumed * self._world_size
        self._consumed = 0
        pool = BlockPool(self.catalog, self._blocks, self._slots)
        try:
            for number, rows in self._order_batches(pool):
                if number % turns == turn:
                    self._consumed += 1
                    yield self._preprocessing(self.gather(pool, rows))
        finally:
            pool.close()
        self.set_epoch(self._epoch + 1)

    def _order_batches(self, pool: BlockPool) -> Iterator[tuple[int, np.ndarray]]:
        """All batches left in the epoch, counted from 0: for each the rows of its anchors in the pool."""
        order = self._order()
        sample = self._first_batch * self.batch_size
        first = order.slice_of(sample)
        held = np.empty(0, np.int64)
        number = 0
        for time in range(first, order.slices):
            self._hold(pool, order, time)
            rows = self._rows_of_slice(pool, order, time)
            if time == first:
                rows = rows[sample - order.samples_before(time) :]
            held = np.concatenate([held, rows])
            whole = len(held) // self.batch_size * self.batch_size
            for start in range(0, whole, self.batch_size):
                yield number, held[start : start + self.batch_size]
                number += 1
            held = held[whole:]
        if len(held) and not self.drop_last:
            yield number, held

    def _order(self) -> SampleOrder:
        pool = len(self._blocks) * 2 if self._holds_all else self._slots - 2 - AHEAD
        return SampleOrder(self._sizes, pool=pool, seed=self._seed, epoch=self._epoch, shuffle=self._shuffle)

    def _hold(self, pool: BlockPool, order: SampleOrder, time: int) -> None:
        """See to it that the pool has the blocks of this slice, and fetches the next ones."""
        live = order.live_places(time)
        # A batch may begin in the slice before.
        before = order.live_places(time - 1) if time else live
        keep = {order.block_at(place) for place in range(before.start, live.stop)}
        for block in pool.held():
            if block not in keep:
                pool.release(block)
        for place in range(live.start, min(live.stop + AHEAD, order.slices)):
            pool.prefetch(order.block_at(place))

    def _rows_of_slice(self, pool: BlockPool, order: SampleOrder, time: int) -> np.ndarray:
        blocks, numbers = order.slice(time)
        rows = np.empty(len(blocks), np.int64)
        for place in order.live_places(time):
            block = order.block_at(place)
            of_block = np.flatnonzero(blocks == block)
            rows[of_block] = self.anchors(block)[numbers[of_block]] + pool.origin(block)
        return rows

    @property
    def _holds_all(self) -> bool:
        return self._slots >= int(np.count_nonzero(self._sizes))

    def _count_slots(self, memory: int) -> int:
        """How many blocks fit in so many bytes; no more than there are."""
        rows = max(block.last - block.first for block in self._blocks)
        fit = memory // (rows * FRAME_BYTES)
        least = 4 + AHEAD
        used = int(np.count_nonzero(self._sizes))
        if fit < min(least, used):
            needed = min(least, used) * rows * FRAME_BYTES
            raise DatasetError(f"a memory of {memory:,} bytes is too little; expected at least {needed:,}")
        return min(fit, used)


def _register_with_torch(cls: type) -> None:
    """Let a DataLoader know the class as an iterable dataset, where PyTorch is installed."""
    if find_spec("torch") is not None:
        from torch.utils.data import IterableDataset

        IterableDataset.register(cls)


def _torch_worker() -> tuple[int, int]:
    """Number of this DataLoader worker, and how many there are."""
    if "torch" in sys.modules:
        from torch.utils.data import get_worker_info

        info = get_worker_info()
        if info is not None:
            return info.id, info.num_workers
    return 0, 1
