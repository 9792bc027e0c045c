"""The batches of a training, gathered on a thread while the agent learns from those before."""

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from ..replay_reader.replay_dataset import ReplayDataset
from .agent import TensorBatch
from .joined_games import JoinedGames
from .trajectories import Trajectories

AHEAD = 8
"""Batches that are gathered before they are needed."""


class TrainingBatches:
    """Uniform batches by the number of the update: the same seed and number give the same batch.

    So a training goes on from its number of updates alone.

    Args:
        data: the transitions.
        batch_size: the transitions in a batch, drawn with replacement.
        seed: the seed of what is drawn.
        device: where the batches go; for a GPU through pinned memory, beside what runs there.
        first: the number of the first update.
        trajectories: the steps from each transition on, for an agent that `uses_trajectories`.
    """

    def __init__(
        self,
        data: ReplayDataset | JoinedGames,
        batch_size: int,
        *,
        seed: int,
        device: torch.device,
        first: int = 0,
        trajectories: Trajectories | None = None,
    ) -> None:
        self._data, self._batch_size, self._seed, self._device = data, batch_size, seed, device
        self._trajectories = trajectories
        self._upcoming = first
        self._thread = ThreadPoolExecutor(1, "training-batches")
        self._ahead: deque[Future[TensorBatch]] = deque()
        self.waited = 0.0
        """Seconds for which `take` had to wait for a batch."""

    def take(self) -> TensorBatch:
        """Returns the next update's batch, on the device."""
        while len(self._ahead) <= AHEAD:
            self._ahead.append(self._thread.submit(self._gather, self._upcoming))
            self._upcoming += 1
        began = time.perf_counter()
        batch = self._ahead.popleft().result()
        self.waited += time.perf_counter() - began
        return batch.to(self._device)

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _gather(self, update: int) -> TensorBatch:
        random = np.random.default_rng([self._seed, update])
        indices = random.integers(len(self._data), size=self._batch_size)
        batch = TensorBatch.of(self._data.gather(indices))
        if self._trajectories is not None:
            batch = batch._replace(trajectory=self._trajectories.gather(indices))
        return batch.pinned() if self._device.type == "cuda" else batch
