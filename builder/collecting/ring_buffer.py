"""The log of a DQN agent: a ring of transitions, dumped to disk once per lap.

Replaces, array for array, the writer of the DQN Replay Dataset, which was Dopamine's
`OutOfGraphReplayBuffer` (`dopamine/replay_memory/circular_replay_buffer.py`) under batch_rl's logger
(`batch_rl/baselines/replay_memory/logged_replay_buffer.py`).
"""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError
from ..files import replacing
from ..format.protocol import FRAME_SHAPE, PADDING_ROWS, STACK_SIZE

UPDATE_HORIZON = 1
"""Steps over which the agent summed rewards; with the stack it determines the width of `invalid_range`."""

SMALLEST_CAPACITY = STACK_SIZE + UPDATE_HORIZON
"""Dopamine rejects a smaller ring."""

COMPRESSION = 6
"""zlib's level; 9, which the original used, takes 2.5 times as long and saves a seventh."""


class RingBuffer:
    """One agent's stream of transitions, of which the last `capacity` rows are held in memory.

    Row `add_count % capacity` is written next. Before an episode's first transition come `PADDING_ROWS`
    rows of padding, all zero. After a transition has been added with `add_count % capacity == capacity - 1`
    the ring is dumped, so its last row is one lap older than the others (in file 0 it was never written:
    zeros). Padding can step over that moment, and then the lap is never dumped. Dumps are numbered without
    gaps.

    A dump is one gzipped `.npy` for each of:

        $store$_observation   (capacity, 84, 84) uint8
        $store$_action        (capacity,) int32
        $store$_reward        (capacity,) float32, clipped to [-1, 1]
        $store$_terminal      (capacity,) uint8
        add_count             () int64, rows written so far
        invalid_range         (5,) int64, rows around the cursor that cannot be sampled

    The same transitions produce the same bytes, and a file appears whole or not at all.

    Args:
        folder: where the files go; the bucket calls it `<Game>/<run>/replay_logs`.
        capacity: rows in the ring, which is also a checkpoint's size: 1,000,000 in the original.
        observation_shape: shape of one frame.
        compression: zlib's level, 0 to 9.

    Raises:
        OutputError: `capacity` is smaller than `SMALLEST_CAPACITY`, as in Dopamine.
    """

    def __init__(
        self,
        folder: Path,
        capacity: int,
        *,
        observation_shape: tuple[int, ...] = FRAME_SHAPE,
        compression: int = COMPRESSION,
    ) -> None:
        if capacity < SMALLEST_CAPACITY:
            raise OutputError(
                f"a ring of {capacity} rows is too small: it needs at least {SMALLEST_CAPACITY}"
            )
        self.folder = folder
        self.capacity = capacity
        self.compression = compression
        self.add_count = 0
        """Rows written so far, padding included."""
        self.dumps = 0
        """How often the ring has been dumped so far, which is also the number of the next file."""
        self._observation = np.zeros((capacity, *observation_shape), np.uint8)
        self._action = np.zeros(capacity, np.int32)
        self._reward = np.zeros(capacity, np.float32)
        self._terminal = np.zeros(capacity, np.uint8)
        self._episode_starts = True

    @property
    def cursor(self) -> int:
        """The row that is written next."""
        return self.add_count % self.capacity

    def add(self, observation: NDArray[np.uint8], action: int, reward: float, terminal: bool) -> None:
        """Add a transition, after padding if it begins an episode; dump the ring if it is time.

        `terminal` ends the episode, for whatever reason: the log does not tell a time limit from another end.

        Raises:
            OSError: a file cannot be written.
        """
        if self._episode_starts:
            for _ in range(PADDING_ROWS):
                self._write(0, 0, 0.0, False)
        self._write(observation, action, clip(reward), terminal)
        self._episode_starts = terminal
        if self.cursor == self.capacity - 1:
            self._dump()

    def finish(self) -> None:
        """End the log as the logger did after training: set `add_count` to the cursor and dump the ring.

        Raises:
            OSError: a file cannot be written.
        """
        self.add_count = self.cursor
        self._dump()

    def _write(
        self, observation: NDArray[np.uint8] | int, action: int, reward: float, terminal: bool
    ) -> None:
        row = self.cursor
        self._observation[row] = observation
        self._action[row] = action
        self._reward[row] = reward
        self._terminal[row] = terminal
        self.add_count += 1

    def _dump(self) -> None:
        arrays = {
            "$store$_observation": self._observation,
            "$store$_action": self._action,
            "$store$_reward": self._reward,
            "$store$_terminal": self._terminal,
            "add_count": np.array(self.add_count, np.int64),
            "invalid_range": self._invalid_range(),
        }
        for name, array in arrays.items():
            with replacing(self.folder / f"{name}_ckpt.{self.dumps}.gz") as path:
                write_array(path, array, self.compression)
        self.dumps += 1

    def _invalid_range(self) -> NDArray[np.int64]:
        around_cursor = np.arange(-UPDATE_HORIZON, STACK_SIZE)
        return (self.cursor + around_cursor) % self.capacity


def clip(reward: float) -> float:
    """Returns the reward as it is logged, clipped to [-1, 1]."""
    return min(max(reward, -1.0), 1.0)


def write_array(path: Path, array: NDArray[np.generic], compression: int = COMPRESSION) -> None:
    """Write a gzipped `.npy` that depends only on the array: it stores no name and no time of day."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", compression, file, mtime=0) as packed:
        np.save(packed, array, allow_pickle=False)
