"""Defines which rows are samples: an evenly spaced series of them in every episode."""

import numpy as np


class Anchors:
    """The rows that samples are made around, by shard.

    Args:
        episodes: of dtype EPISODE_FIELDS, sorted by shard and first row.
        offset: (n,), the steps from each episode's start to its first anchor.
        count: (n,), the number of anchors in each episode; episodes without any are skipped.
        stride: the number of rows from one anchor to the next.
    """

    def __init__(self, episodes: np.ndarray, offset: np.ndarray, count: np.ndarray, stride: int) -> None:
        some = count > 0
        self._shard = episodes["shard"][some]
        self._first = (episodes["first_row"] + offset)[some]
        self._count, self._stride = count[some], stride
        self._last = self._first + (self._count - 1) * stride

    def __len__(self) -> int:
        return int(self._count.sum())

    def within(self, shard: int, start: int, stop: int) -> np.ndarray:
        """Returns the anchors among rows start to stop - 1 of a shard, ascending."""
        episodes = slice(*np.searchsorted(self._shard, [shard, shard + 1]))
        first, last = self._first[episodes], self._last[episodes]
        some = slice(np.searchsorted(last, start), np.searchsorted(first, stop))
        first, count = first[some], self._count[episodes][some]
        skipped = np.maximum(0, -((first - start) // self._stride))
        taken = np.minimum(count, -((first - stop) // self._stride)) - skipped
        ends = np.cumsum(taken)
        numbers = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - taken, taken)
        return np.repeat(first + skipped * self._stride, taken) + numbers * self._stride
