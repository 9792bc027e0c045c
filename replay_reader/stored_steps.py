"""Reads single steps by number, from compressed frames or from memory."""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from ..builder.format.features import PROB
from ..builder.terminal.progress import progress_bar
from .errors import DatasetError
from .frame_store import FrameStore, copy_frames

FEW = 64
"""The most values that are looked up one by one."""

_TOGETHER = 2048
"""Frames decoded at once."""


class Steps(Protocol):
    """Steps of episodes in order of play, by their numbers from 0 on."""

    def copy_frames(self, numbers: np.ndarray, out: np.ndarray) -> None:
        """Copy the frames of steps (n,) to `out`, (n, bytes of a frame) uint8."""
        ...

    def take(self, numbers: np.ndarray, columns: Collection[str]) -> dict[str, np.ndarray]:
        """Returns columns of steps (…), each of this shape and of the stored dtype."""
        ...


class StoredSteps:
    """The steps of some episodes in the stores of their shards.

    Args:
        stores: the stores.
        store_of_episode: the number of each episode's store, (E,).
        first_row: the row of each episode's first step in its store, (E,).
        length: the steps of each episode, (E,).
    """

    def __init__(
        self,
        stores: list[FrameStore],
        store_of_episode: np.ndarray,
        first_row: np.ndarray,
        length: np.ndarray,
    ) -> None:
        self._stores, self._store_of_episode = stores, store_of_episode
        self._ends = np.cumsum(length)
        self._row_offsets = first_row - (self._ends - length)
        has_probs = all(store.prob is not None for store in stores)
        self.columns: tuple[str, ...] = ("action", "reward", *((PROB,) if has_probs else ()))
        """What `take` knows: `prob` only if all stores have it."""

    def __len__(self) -> int:
        return int(self._ends[-1])

    def copy_frames(self, numbers: np.ndarray, out: np.ndarray) -> None:
        """Copy the frames of steps (n,) to `out`, (n, bytes of a frame) uint8."""
        copy_frames(self._stores, *self._places(numbers), out)

    def take(self, numbers: np.ndarray, columns: Collection[str]) -> dict[str, np.ndarray]:
        """Returns columns of steps (…), each of this shape and of the stored dtype."""
        store, rows = self._places(numbers)
        used = sorted(set(store.ravel().tolist()))
        return {name: self._take(name, used, store, rows) for name in columns}

    def _take(self, name: str, used: Sequence[int], store: np.ndarray, rows: np.ndarray) -> np.ndarray:
        stored: dict[int, np.ndarray] = {number: getattr(self._stores[number], name) for number in used}
        if len(used) == 1:
            return stored[used[0]][rows]
        if 0 < rows.size <= FEW:  # of none, NumPy would make floats of 64 bits
            places = zip(store.ravel().tolist(), rows.ravel().tolist(), strict=True)
            return np.array([stored[number][row] for number, row in places]).reshape(rows.shape)
        values = np.empty(rows.shape, getattr(self._stores[0], name).dtype)
        for number, array in stored.items():
            here = store == number
            values[here] = array[rows[here]]
        return values

    def _places(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the store of each step, and its row there."""
        episode = np.searchsorted(self._ends, numbers, "right")
        return self._store_of_episode[episode], numbers + self._row_offsets[episode]


class HeldSteps:
    """The same steps, decoded in memory.

    Args:
        steps: the steps, which are read once.
        frame_bytes: the bytes of a frame.
        limit: the most bytes that all frames may take.

    Raises:
        DatasetError: they take more.
    """

    def __init__(self, steps: StoredSteps, frame_bytes: int, limit: int) -> None:
        size = len(steps) * frame_bytes
        if size > limit:
            raise DatasetError(
                f"the frames of {len(steps):,} steps take {size:,} bytes of memory, memory_bytes allows "
                f"{limit:,}; select fewer episodes, or leave memory_bytes out"
            )
        self.frames = np.empty((len(steps), frame_bytes), np.uint8)
        """Of all steps, (N, bytes of a frame)."""
        with progress_bar(total=len(steps), description="decode frames", unit=" steps") as bar:
            for start in range(0, len(steps), _TOGETHER):
                out = self.frames[start : start + _TOGETHER]
                steps.copy_frames(np.arange(start, start + len(out)), out)
                bar.update(len(out))
        self._columns = steps.take(np.arange(len(steps)), steps.columns)

    def copy_frames(self, numbers: np.ndarray, out: np.ndarray) -> None:
        """Copy the frames of steps (n,) to `out`, (n, bytes of a frame) uint8."""
        self.frames.take(numbers, axis=0, out=out, mode="clip")  # any other mode copies twice

    def take(self, numbers: np.ndarray, columns: Collection[str]) -> dict[str, np.ndarray]:
        """Returns columns of steps (…), each of this shape and of the stored dtype."""
        return {name: self._columns[name][numbers] for name in columns}
