"""Which epoch an iteration goes over, counted in memory that a DataLoader's workers share.

PyTorch is never imported here: where a DataLoader is used, it is there already.
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
"""Iterations that can be counted over DataLoaders with workers."""


@dataclass
class Iteration:
    """One pass over an epoch, or what is left of it."""

    epoch: int
    first: int
    """The item that it began with."""
    given: int = 0
    """Items that it has given here."""
    row: int | None = None
    """Of the log, for workers; and what stands there."""
    key: int = 0


class EpochLog:
    """Gives each iteration an epoch of its own, and tells from which item on it goes.

    In one process that is a counter. A DataLoader's workers work on copies, which are made anew for each
    iteration or live on, and come in any order. So each iteration over a DataLoader is a row of a log in
    shared memory, under a key that all its workers know: the first to come writes it, the others find it,
    and two that come at once write the same. Any other process that has a copy counts for itself.
    """

    def __init__(self) -> None:
        self._log = _shared(np.zeros((3, ROWS), np.int64))
        self._owner = os.getpid()
        self._iterations: Counter[int] = Counter()
        self.go_to(0, 0)

    def __getstate__(self) -> dict[str, Any]:
        # A worker that is being spawned gets the shared memory itself, any other copy what stands there now.
        spawning = multiprocessing.context.get_spawning_popen() is not None
        return {**vars(self), "_log": self._log if spawning else self._rows.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if isinstance(self._log, np.ndarray):
            self._log = _shared(self._log)

    def begin(self) -> Iteration:
        """An iteration that begins here and now."""
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
        """Refuse to go on where another DataLoader took the same row in the same instant.

        Raises:
            DatasetError: one did.
        """
        if iteration.row is not None and self._rows[0][iteration.row] != iteration.key:
            raise DatasetError("two DataLoaders began on one reader at once; give each a reader of its own")

    def go_to(self, epoch: int, first: int) -> None:
        """Let the next iteration begin with this item of this epoch; in a worker, that of all workers."""
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
        """What the next iteration will go over."""
        return self._place(self._unused)

    def begun_by_workers(self) -> tuple[int, int] | None:
        """What workers go over, if they were the last to begin."""
        row = self._unused
        return None if self._rows[1][row] else self._place(row - 1)

    @property
    def _rows(self) -> np.ndarray:
        """Keys; epochs from which counting starts anew at a row, plus 1; first items of those."""
        return np.frombuffer(self._log, np.int64).reshape(3, -1)

    @property
    def _unused(self) -> int:
        return _first_unused(self._rows[0])

    def _claim(self, info: Any) -> tuple[int, int]:
        """The row of the next iteration of a DataLoader whose worker this is, and its key."""
        key = hash((info.seed - info.id, self._iterations[info.seed])) or 1
        # Other workers write meanwhile: what is there is looked at once.
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
    """Let a DataLoader know the class as an iterable dataset, if PyTorch has been imported."""
    data = sys.modules.get("torch.utils.data")
    if data is not None and not issubclass(cls, data.IterableDataset):
        data.IterableDataset.register(cls)


def worker_info() -> Any:
    """PyTorch's description of the DataLoader worker that this is; None elsewhere."""
    data = sys.modules.get("torch.utils.data")
    return None if data is None else data.get_worker_info()


def _shared(log: np.ndarray) -> Any:
    """The numbers in memory that forked and spawned processes share."""
    shared = RawArray("q", log.size)
    np.frombuffer(shared, np.int64)[:] = log.ravel()
    return shared
