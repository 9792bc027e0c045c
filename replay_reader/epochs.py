"""Which epoch an iteration goes over, counted in memory that a DataLoader's workers share."""

import os
import sys
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
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

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A spawned worker gets the shared memory itself; any other copy has to share its own.
        vars(self).update(state, _log=_shared(state["_log"]))

    def begin(self) -> Iteration:
        """An iteration that begins here and now."""
        info = worker_info()
        if info is None:
            epoch, first = self.upcoming()
            self.go_to(epoch + 1, 0)
            return Iteration(epoch, first)
        key = hash((info.seed - info.id, self._iterations[info.seed])) or 1
        self._iterations[info.seed] += 1
        # Other workers write meanwhile: what is there is looked at once.
        keys = self._rows[0].copy()
        (found,) = np.nonzero(keys == key)
        row = int(found[0]) if len(found) else _first_unused(keys)
        self._rows[0][row] = key
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
        """Let the next iteration begin with this item of this epoch."""
        if self._owner != os.getpid():
            self._log, self._owner = _shared(self._rows.copy()), os.getpid()
        _, starts, firsts = self._rows
        row = self._unused
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
        return np.asarray(self._log)

    @property
    def _unused(self) -> int:
        return _first_unused(self._rows[0])

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
    """Let a DataLoader know the class as an iterable dataset, where PyTorch is installed."""
    if find_spec("torch") is not None:
        from torch.utils.data import IterableDataset

        IterableDataset.register(cls)  # pyright: ignore[reportAttributeAccessIssue]


def worker_info() -> Any:
    """PyTorch's description of the DataLoader worker that this is; None elsewhere."""
    if "torch" in sys.modules:
        from torch.utils.data import get_worker_info

        return get_worker_info()
    return None


def _shared(log: Any) -> Any:
    """An array or tensor, where PyTorch is installed as a tensor that forked and spawned workers share."""
    if find_spec("torch") is None:
        return log
    import torch

    return torch.as_tensor(log).share_memory_()
