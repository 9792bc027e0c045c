"""The values of steps by their numbers, from compressed frames or from memory."""

from typing import NamedTuple, Protocol

import numpy as np

from ...replay_reader.replay_dataset import ReplayDataset


class Rows(NamedTuple):
    """What is known of some steps."""

    observation: np.ndarray
    """(B, 84, 84) uint8."""
    action: np.ndarray
    """(B,) int32."""
    next_observation: np.ndarray
    """(B, 84, 84) uint8, zeros after an episode's last step."""
    reward: np.ndarray
    """(B,) float32."""
    ends: np.ndarray
    """(3, B) bool: terminated, truncated, and either."""


class RowReader(Protocol):
    """Reads the rows of a dataset."""

    def read(self, numbers: np.ndarray) -> Rows:
        """Returns the steps with these numbers, (B,) int, in their order; negative ones count from the end.

        Raises:
            IndexError: a number is out of range.
            TypeError: a number is not an integer.
        """
        ...


class StoredRows:
    """The rows of a dataset whose frames are compressed."""

    def __init__(self, steps: ReplayDataset) -> None:
        self._steps = steps

    def read(self, numbers: np.ndarray) -> Rows:
        """Returns the steps with these numbers, as `RowReader` says."""
        batch = self._steps.gather(numbers)
        return Rows(
            batch["observation"][:, 0],
            batch["action"].astype(np.int32),
            batch["next_observation"][:, 0],
            batch["reward"],
            _ends(batch),
        )


class HeldRows:
    """The rows of a dataset whose frames are in memory; all but the copying is done beforehand.

    It pickles as `StoredRows`, so that no frames travel to another process.

    Args:
        steps: the dataset.
        frames: its `held_frames`.
    """

    def __init__(self, steps: ReplayDataset, frames: np.ndarray) -> None:
        self._steps, self._frames = steps, frames
        numbers = steps.numbers()
        self._action, self._reward = numbers["action"].astype(np.int32), numbers["reward"]
        self._ends = _ends(numbers)

    def __reduce__(self) -> tuple[type[StoredRows], tuple[ReplayDataset]]:
        return StoredRows, (self._steps,)

    def read(self, numbers: np.ndarray) -> Rows:
        """Returns the steps with these numbers, as `RowReader` says."""
        numbers = numbers.astype(np.int64, casting="same_kind", copy=False)
        ends = self._ends.take(numbers, axis=1)
        last = ends[2]
        observation = self._frames.take(numbers, axis=0)
        next_observation = self._frames.take(numbers + ~last, axis=0)
        next_observation[last] = 0
        return Rows(
            observation, self._action.take(numbers), next_observation, self._reward.take(numbers), ends
        )


def open_rows(steps: ReplayDataset) -> RowReader:
    """Returns the reader of a dataset's rows that is faster."""
    frames = steps.held_frames
    return StoredRows(steps) if frames is None else HeldRows(steps, frames)


def _ends(batch: dict[str, np.ndarray]) -> np.ndarray:
    terminated, truncated = batch["terminated"], batch["truncated"]
    return np.stack([terminated, truncated, terminated | truncated])
