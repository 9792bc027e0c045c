"""Sequences of frames that look like arrays and hold no copies: frames on demand, and stacks of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..builder.format.protocol import FRAME_SHAPE
from ..replay_reader.replay_dataset import ReplayDataset
from .dump_rows import BLANK

AT_ONCE = 4096
"""Frames that are read together when all are wanted."""


class RowFrames:
    """Reads the frame of each row of a table of steps; a row without a step is black.

    Args:
        steps: where the frames are.
        numbers: (N,) for each row the number of its step, or BLANK.
    """

    def __init__(self, steps: ReplayDataset, numbers: np.ndarray) -> None:
        self._steps, self._numbers = steps, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Returns the frames of some rows, (n, 84, 84) uint8."""
        numbers = self._numbers[rows]
        there = numbers != BLANK
        if there.all():
            return self._steps.frames(numbers)
        frames = np.zeros((len(numbers), *FRAME_SHAPE), np.uint8)
        frames[there] = self._steps.frames(numbers[there])
        return frames

    def load(self) -> np.ndarray:
        """Returns all frames, (N, 84, 84) uint8: 7 GB for a million."""
        frames = np.empty((len(self), *FRAME_SHAPE), np.uint8)
        for start in range(0, len(self), AT_ONCE):
            frames[start : start + AT_ONCE] = self[start : start + AT_ONCE]
        return frames


class LazyObservations(Sequence[np.ndarray]):
    """Observations like an array of shape (N, 1, 84, 84) or (N, 4, 84, 84), each read when it is asked for.

    `observations[i]` is one, `observations[10:20]` and `observations[[3, 1, 4]]` are arrays of some, and
    `np.asarray(observations)` is all of them, in memory.

    Args:
        frames: (N, 84, 84), in memory or not.
        begins: (N,) the first row of each row's episode, for stacks; None does not stack.
        size: frames in an observation.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, frames: np.ndarray | RowFrames, begins: np.ndarray | None = None, size: int = 1
    ) -> None:
        self._frames, self._begins, self._size = frames, begins, size

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Returns the shape as of an array: (N, frames in an observation, 84, 84)."""
        return (len(self), self._size, *FRAME_SHAPE)

    @property
    def ndim(self) -> int:
        """Returns the number of axes as of an array: 4."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: Any) -> np.ndarray:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Returns one observation, of shape (frames, 84, 84), or several, with an axis before.

        Of frames in memory, one observation is a view of them, except near the beginning of an episode, where
        it is filled up with zeros.
        """
        if isinstance(index, slice):
            index = np.arange(len(self))[index]
        if np.ndim(index):
            return self._many(np.asarray(index))
        row = range(len(self))[int(index)]
        first = row - self._size + 1
        if self._begins is None or first >= self._begins[row]:
            return self._frames[first : row + 1]
        stack = np.zeros((self._size, *FRAME_SHAPE), np.uint8)
        begin = int(self._begins[row])
        stack[begin - first :] = self._frames[begin : row + 1]
        return stack

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Returns all observations, in memory."""
        whole = np.empty(self.shape, dtype or np.uint8)
        for start in range(0, len(self), AT_ONCE):
            whole[start : start + AT_ONCE] = self[start : start + AT_ONCE]
        return whole

    def _many(self, index: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        rows = np.where(rows < 0, rows + len(self), rows)
        if ((rows < 0) | (rows >= len(self))).any():
            raise IndexError(f"index out of range for {len(self):,} observations")
        wanted = rows[:, None] - np.arange(self._size - 1, -1, -1)
        within = wanted >= (rows if self._begins is None else self._begins[rows])[:, None]
        stacks = self._frames[np.where(within, wanted, rows[:, None]).ravel()].reshape(-1, *self.shape[1:])
        stacks[~within] = 0
        return stacks
