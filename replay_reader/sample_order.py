"""Defines the order of samples in an epoch: a pure function of block sizes, seed and epoch.

Samples lie in blocks of neighbouring steps. Each block gets a place in a random order of the blocks, and each
of its samples a random time within half a pool's width of that place; samples are ordered by time. So at any
time the samples of about `pool` blocks are mixed, in even proportions, and a block is needed only from
`first_slice` to `last_slice`. Time is divided into slices of 1: as many samples as a block has.

The order does not depend on who requests which part of it: any worker can find any batch.
"""

from collections import OrderedDict

import numpy as np


class SampleOrder:
    """The order of one epoch.

    Args:
        sizes: the number of samples in each block.
        pool: the number of blocks that are mixed; 1 keeps the samples of a block together.
        seed: the seed of everything random.
        epoch: the epoch; each has a different order.
        shuffle: whether to shuffle; if False, samples stay in order of play.
    """

    def __init__(self, sizes: np.ndarray, *, pool: int, seed: int, epoch: int, shuffle: bool) -> None:
        self._sizes = np.asarray(sizes, np.int64)
        self._seed, self._epoch, self._shuffle = seed, epoch, shuffle
        self._half = max(1, pool // 2) if shuffle else 0
        self._order = np.flatnonzero(self._sizes)
        if shuffle:
            np.random.default_rng([seed, epoch]).shuffle(self._order)
        self._times_of: OrderedDict[int, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self.slices = len(self._order)
        """The number of slices of time; the last ones may be empty."""
        self.samples = int(self._sizes.sum())

    def live_places(self, time: int) -> range:
        """Returns the places in the block order of all blocks that may have samples in slice `time`."""
        if not self._shuffle:
            return range(time, min(time + 1, self.slices))
        return range(max(0, time - self._half), min(self.slices, time + self._half + 1))

    def block_at(self, place: int) -> int:
        """Returns the block at a place of the block order."""
        return int(self._order[place])

    def slice(self, time: int) -> tuple[list[tuple[int, np.ndarray]], np.ndarray]:
        """Returns the samples of slice `time`, block by block, and the permutation that puts them in order.

        Returns:
            Pairs of a block and the numbers of its samples, and the permutation of their concatenation.
        """
        pieces, times = [], []
        for place in self.live_places(time):
            of_block, order = self._times(place)
            start, stop = np.searchsorted(of_block, [time, time + 1])
            pieces.append((self.block_at(place), order[start:stop]))
            times.append(of_block[start:stop])
        return pieces, np.argsort(np.concatenate(times), kind="stable")

    def samples_before(self, time: int) -> int:
        """Returns the number of samples before slice `time`."""
        live = self.live_places(time) if time < self.slices else range(self.slices, self.slices)
        before = int(self._sizes[self._order[: live.start]].sum())
        return before + sum(int(np.searchsorted(self._times(place)[0], time)) for place in live)

    def slice_of(self, sample: int) -> int:
        """Returns the slice that holds the sample at this position of the epoch."""
        low, high = 0, max(0, self.slices - 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.samples_before(middle) <= sample else (low, middle - 1)
        return low

    def _times(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a block's times in order, and the numbers of the corresponding samples."""
        if place not in self._times_of:
            self._times_of[place] = self._draw_times(place)
            if len(self._times_of) > 4 * self._half + 4:
                self._times_of.popitem(last=False)
        return self._times_of[place]

    def _draw_times(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        size = int(self._sizes[self._order[place]])
        if not self._shuffle:
            return place + np.arange(size) / size, np.arange(size)
        start, stop = max(0, place - self._half), min(self.slices, place + self._half + 1)
        random = np.random.default_rng([self._seed, self._epoch, int(self._order[place]) + 1])
        times = np.minimum(random.uniform(start, stop, size), np.nextafter(stop, start))
        order = np.argsort(times, kind="stable")
        return times[order], order
