"""Provides what all readers share: epochs, ranks, workers and resumption."""

import contextlib
import operator
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from .epochs import EpochLog, Iteration, register_with_torch, worker_info
from .errors import DatasetError

Item = dict[str, Any]
"""A batch or an episode."""


class Reader(ABC):
    """Yields numbered items (batches or episodes) in an order that is drawn afresh for each epoch.

    The order depends on the seed and the epoch, not on ranks or workers: item j of an epoch is the same for
    any number of them, and goes to rank j modulo `world_size`. Each iteration reads one epoch and the next
    iteration the next epoch, even if the first was left early; two at once read two epochs.

    In a PyTorch `DataLoader` use `batch_size=None`. Its workers take turns, which preserves the order.
    """

    def __init__(self, *, seed: int, rank: int, world_size: int) -> None:
        seed, rank = whole_number("seed", seed), whole_number("rank", rank)
        world_size = whole_number("world_size", world_size)
        if not 0 <= rank < world_size:
            raise DatasetError(f"rank {rank} of {world_size}; expected 0 to {world_size - 1}")
        if seed < 0:
            raise DatasetError(f"seed {seed}: expected 0 or more")
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self._epochs = EpochLog()
        self._iteration: Iteration | None = None
        self._skip = 0
        """The number of items that a resumed worker has already yielded."""

    @property
    def __class__(self) -> "type[Reader]":  # pyright: ignore[reportIncompatibleMethodOverride]
        # A DataLoader checks whether this is an `IterableDataset`, and Python looks for the class here. So
        # PyTorch may be # imported before or after a reader is made, and a reader need not import it.
        register_with_torch(type(self))
        return type(self)

    @property
    @abstractmethod
    def items_in_epoch(self) -> int:
        """Returns the number of items in an epoch, over all ranks."""

    @abstractmethod
    def read(self, epoch: int, numbers: Sequence[int]) -> Generator[Item]:
        """Yield the items of an epoch with these numbers, which ascend."""

    @abstractmethod
    def identity(self) -> dict[str, int]:
        """Returns what two readers must agree on to have the same order."""

    def __len__(self) -> int:
        """Returns the number of items in an epoch for this rank; the first ranks may have one more."""
        return len(range(self.rank, self.items_in_epoch, self.world_size))

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration read this epoch from its beginning."""
        self._go_to(epoch, 0)

    def state_dict(self, consumed: int | None = None) -> dict[str, int]:
        """Returns the position of the latest iteration, or where the next one would begin.

        Pass it to `load_state_dict` of a reader with any number of ranks and workers. All ranks are at the
        same place if they have used the same number of items. torchdata's `StatefulDataLoader` asks each of
        its workers, whose states are for the same worker out of as many.

        Args:
            consumed: the number of items that this rank has used of that iteration. Required with a
                DataLoader's workers, which run ahead of what is used.

        Raises:
            DatasetError: workers read, and `consumed` is missing.
        """
        info = worker_info()
        if info is not None:
            return self._state_of_worker(info)
        begun = self._epochs.begun_by_workers()
        if begun is not None:
            if consumed is None:
                raise DatasetError("with a DataLoader's workers give state_dict the number of items consumed")
            epoch, first = begun
        elif self._iteration is not None:
            epoch, first = self._iteration.epoch, self._iteration.first
            consumed = self._iteration.given if consumed is None else consumed
        else:
            epoch, first = self._epochs.upcoming()
        item = first + (consumed or 0) * self.world_size
        if item >= self.items_in_epoch:
            epoch, item = epoch + 1, 0
        return {"epoch": epoch, "item": item, **self.identity()}

    def _state_of_worker(self, info: Any) -> dict[str, int]:
        """Returns the position of this worker's own share of the iteration."""
        if self._iteration is None or self._iteration.row is None:
            epoch, first, given = *self._epochs.upcoming(), self._skip
        else:
            epoch, first, given = self._iteration.epoch, self._iteration.first, self._iteration.given
        place = {"epoch": epoch, "item": first, "given": given}
        return {**place, "worker": info.id, "workers": info.num_workers, **self.identity()}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Make the next iteration resume where another reader stopped.

        Raises:
            DatasetError: that reader had a different order, from different data, seed, batch size or memory;
                or the state belongs to a worker, and this is not the same one out of as many.
        """
        for name, own in self.identity().items():
            if state.get(name) != own:
                raise DatasetError(
                    f"the state was saved with {name}={state.get(name)}, this reader has {own}"
                )
        if "worker" in state:
            info = worker_info()
            own = None if info is None else (info.id, info.num_workers)
            if own != (state["worker"], state["workers"]):
                raise DatasetError(
                    f"the state is of worker {state['worker']} of {state['workers']} of a "
                    f"StatefulDataLoader; load it into one with as many workers"
                )
        self._go_to(state["epoch"], state["item"], state.get("given", 0))

    def __iter__(self) -> Iterator[Item]:
        """Yield the rest of an epoch for this rank, or, in a DataLoader's worker, for the worker."""
        self._iteration = self._epochs.begin()
        self._iteration.given, self._skip = self._skip, 0
        info = worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        turns = self.world_size * workers
        start = self._iteration.first + self.rank + self.world_size * worker + turns * self._iteration.given
        return self._give(self._iteration, range(start, self.items_in_epoch, turns))

    def _give(self, iteration: Iteration, numbers: range) -> Iterator[Item]:
        with contextlib.closing(self.read(iteration.epoch, numbers)) as items:
            for item in items:
                self._epochs.check(iteration)
                iteration.given += 1
                yield item

    def _go_to(self, epoch: int, first: int, skip: int = 0) -> None:
        self._epochs.go_to(epoch, first)
        self._iteration, self._skip = None, skip


def whole_number(name: str, value: Any) -> int:
    """Returns the argument as an int; accepts NumPy integers too.

    Raises:
        DatasetError: the value is not an integer.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise DatasetError(f"{name}={value!r}: expected a whole number") from None
