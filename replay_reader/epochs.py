"""Counts which epoch an iteration reads, in memory that a DataLoader's workers share.

PyTorch is never imported here: where a DataLoader is used, it is already loaded.
"""

import multiprocessing.context
import os
import sys
from collections import Counter
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawArray
from typing import Any

import numpy as np

from .errors import DatasetError

ROWS = 1 << 14
"""The number of iterations that can be counted over DataLoaders with workers."""


@dataclass
class Iteration:
    """One pass over an epoch, or over the rest of it."""

    epoch: int
    first: int
    """The number of the item that it began with."""
    given: int = 0
    """The number of items yielded here."""
    row: int | None = None
    """For workers, the row of the log, and the values it should contain."""
    key: int = 0


class EpochLog:
    """Assigns each iteration its own epoch and first item.

    In one process it is a counter. A DataLoader's workers have copies, which are recreated for each iteration
    or persist, and start in any order. So each iteration over a DataLoader is a row of a log in shared
    memory, under a key known to all its workers: the first worker writes it, the others find it, and two that
    come at once write the same. Any other process that has a copy counts for itself.
    """

    def __init__(self) -> None:
        self._log = _shared(np.zeros((3, ROWS), np.int64))
        self._owner = os.getpid()
        self._iterations: Counter[int] = Counter()
        self.go_to(0, 0)

    def __getstate__(self) -> dict[str, Any]:
        # A worker being spawned gets the shared memory itself; any other copy gets its current contents.
        spawning = multiprocessing.context.get_spawning_popen() is not None
        return {**vars(self), "_log": self._log if spawning else self._rows.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if isinstance(self._log, np.ndarray):
            self._log = _shared(self._log)

    def begin(self) -> Iteration:
        """Returns a new iteration, which begins now."""
        info = worker_info()
        if info is None:
            epoch, first = self.upcoming()
            self.go_to(epoch + 1, 0)
            return Iteration(epoch, first)
        row, key = self._claim(info)
        self._iterations[info.seed] += 1
        epoch, first = self._place(row)
        return Iteration(epoch, first, row=row, key=key)

    def check(self, iteration: Iteration) -> None:
        """Refuse to continue if another DataLoader took the same row at the same instant.

        Raises:
            DatasetError: another DataLoader took the row.
        """
        if iteration.row is not None and self._rows[0][iteration.row] != iteration.key:
            raise DatasetError("two DataLoaders began on one reader at once; give each a reader of its own")

    def go_to(self, epoch: int, first: int) -> None:
        """Make the next iteration start with this item of this epoch; in a worker, for all workers."""
        info = worker_info()
        if info is not None:
            row, _ = self._claim(info)
        else:
            if self._owner != os.getpid():
                self._log, self._owner = _shared(self._rows.copy()), os.getpid()
            row = self._unused
        _, starts, firsts = self._rows
        firsts[row], starts[row] = first, epoch + 1

    def upcoming(self) -> tuple[int, int]:
        """Returns the epoch and first item of the next iteration."""
        return self._place(self._unused)

    def begun_by_workers(self) -> tuple[int, int] | None:
        """Returns the epoch and first item that workers read, if they were the last to begin."""
        row = self._unused
        return None if self._rows[1][row] else self._place(row - 1)

    @property
    def _rows(self) -> np.ndarray:
        """The log's rows: keys; epochs from which counting restarts at a row, plus 1; their first items."""
        return np.frombuffer(self._log, np.int64).reshape(3, -1)

    @property
    def _unused(self) -> int:
        return _first_unused(self._rows[0])

    def _claim(self, info: Any) -> tuple[int, int]:
        """Returns the row and key of the next iteration of the DataLoader that this worker serves."""
        key = hash((info.seed - info.id, self._iterations[info.seed])) or 1
        # Other workers write meanwhile, so the contents are read only once.
        keys = self._rows[0].copy()
        (found,) = np.nonzero(keys == key)
        row = int(found[0]) if len(found) else _first_unused(keys)
        self._rows[0][row] = key
        return row, key

    def _place(self, row: int) -> tuple[int, int]:
        _, starts, firsts = self._rows
        start = int(np.flatnonzero(starts[: row + 1])[-1])
        return int(starts[start]) - 1 + row - start, int(firsts[start]) if start == row else 0


def _first_unused(keys: np.ndarray) -> int:
    row = int(np.argmin(keys != 0))
    if keys[row]:
        raise DatasetError(f"more than {ROWS - 1:,} iterations over DataLoaders; open the reader again")
    return row


def register_with_torch(cls: type) -> None:
    """Register the class as an iterable dataset with DataLoader, if PyTorch has been imported."""
    data = sys.modules.get("torch.utils.data")
    if data is not None and not issubclass(cls, data.IterableDataset):
        data.IterableDataset.register(cls)


def worker_info() -> Any:
    """Returns PyTorch's description of this DataLoader worker; None elsewhere."""
    data = sys.modules.get("torch.utils.data")
    return None if data is None else data.get_worker_info()


def _shared(log: np.ndarray) -> Any:
    """Returns the numbers in memory that forked and spawned processes share."""
    shared = RawArray("q", log.size)
    np.frombuffer(shared, np.int64)[:] = log.ravel()
    return shared
