"""A sampler of slices that knows where episodes lie."""

# pyright: reportMissingImports=false, reportIncompatibleMethodOverride=false
from typing import Any

import numpy as np
import torch
from torchrl.data import SliceSampler, Storage

from ...replay_reader.errors import DatasetError
from ...replay_reader.replay_dataset import ReplayDataset


class EpisodeSlices(SliceSampler):
    """Samples slices of consecutive steps, each within an episode drawn uniformly; it may contain its end.

    Unlike the class that it extends, it knows where episodes lie, and need not read frames to find out.

    Args:
        steps: the dataset.
        num_slices: in a batch; or
        slice_len: the steps of each.
        strict: only of episodes that are long enough.
        replacement: False draws each episode once per epoch.
    """

    def __init__(
        self,
        steps: ReplayDataset,
        num_slices: int | None,
        slice_len: int | None,
        strict: bool,
        replacement: bool,
    ) -> None:
        super().__init__(
            num_slices=num_slices, slice_len=slice_len, strict_length=strict, end_key=("next", "done")
        )
        self._lengths = steps.episodes["length"].astype(np.int64)
        self._begins = np.cumsum(self._lengths) - self._lengths
        self._replacement = replacement
        self._left = np.empty(0, np.int64)
        self._ran_out = False

    @property
    def ran_out(self) -> bool:
        """Returns whether the last batch ended an epoch, without replacement."""
        return self._ran_out

    @ran_out.setter
    def ran_out(self, value: bool) -> None:
        self._ran_out = value

    def can_sample(self, storage: Storage, batch_size: int) -> bool:
        """Returns whether an episode is long enough."""
        length, _ = self._split(batch_size)
        return not self.strict_length or bool((self._lengths >= length).any())

    def sample(self, storage: Storage, batch_size: int) -> tuple[torch.Tensor, dict[Any, torch.Tensor]]:
        """Returns the numbers of a batch's steps, slice after slice, and flags that mark each slice's end."""
        length, count = self._split(batch_size)
        episodes = self._draw(length, count)
        lengths = np.minimum(self._lengths[episodes], length)
        room = self._lengths[episodes] - lengths + 1
        chance = torch.rand(len(episodes), generator=self._rng, dtype=torch.float64).numpy()
        starts = self._begins[episodes] + (chance * room).astype(np.int64)
        ends = lengths.cumsum()
        within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        truncated = np.zeros(ends[-1], bool)
        truncated[ends - 1] = True
        flags = torch.from_numpy(truncated)
        index = torch.from_numpy(np.repeat(starts, lengths) + within)
        return index, {("next", "truncated"): flags, ("next", "done"): flags.clone()}

    def _split(self, batch_size: int) -> tuple[int, int]:
        """Returns the number of steps in a slice, and the number of slices."""
        length, count = self._adjusted_batch_size(batch_size)
        assert length is not None and count is not None
        return length, count

    def _draw(self, length: int, count: int) -> np.ndarray:
        if self._replacement:
            chosen = self._long_enough(length)
            return chosen[torch.randint(len(chosen), (count,), generator=self._rng).numpy()]
        if not len(self._left):
            chosen = self._long_enough(length)
            self._left = chosen[torch.randperm(len(chosen), generator=self._rng).numpy()]
        drawn, self._left = self._left[:count], self._left[count:]
        self._ran_out = not len(self._left)
        return drawn

    def _long_enough(self, length: int) -> np.ndarray:
        if not self.strict_length:
            return np.arange(len(self._lengths))
        chosen = np.flatnonzero(self._lengths >= length)
        if not len(chosen):
            raise DatasetError(
                f"no episode has {length:,} steps, the longest has {self._lengths.max():,}; take shorter "
                f"slices, or strict_len=False"
            )
        return chosen
