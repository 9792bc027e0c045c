"""The log of a DQN agent: a ring of transitions, dumped to disk once per lap.

Replaces, array for array, the writer of the DQN Replay Dataset, which was Dopamine's
`OutOfGraphReplayBuffer` (`dopamine/replay_memory/circular_replay_buffer.py`) under batch_rl's logger
(`batch_rl/baselines/replay_memory/logged_replay_buffer.py`).
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError, ReplayLogError
from ..files import TEMPORARY_SUFFIX, replacing
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
        self.observation = np.zeros((capacity, *observation_shape), np.uint8)
        self.action = np.zeros(capacity, np.int32)
        self.reward = np.zeros(capacity, np.float32)
        self.terminal = np.zeros(capacity, np.uint8)
        self.episode_starts = True
        """Whether the next transition begins an episode."""

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
        if self.episode_starts:
            for _ in range(PADDING_ROWS):
                self._write(0, 0, 0.0, False)
        self._write(observation, action, clip(reward), terminal)
        self.episode_starts = terminal
        if self.cursor == self.capacity - 1:
            self._dump()

    def finish(self) -> None:
        """End the log as the logger did after training: set `add_count` to the cursor and dump the ring.

        Raises:
            OSError: a file cannot be written.
        """
        self.add_count = self.cursor
        self._dump()

    def resume(self, dumps: int, *, episode_starts: bool) -> None:
        """Go on from the moment just after dump number `dumps - 1`; remove the files of later ones.

        Args:
            dumps: how often the ring had been dumped.
            episode_starts: whether the next transition begins an episode, which no file says.

        Raises:
            ReplayLogError: a file of that dump is missing, damaged or of another size.
        """
        self.forget_later_dumps(dumps)
        for name, array in self._arrays().items():
            array[...] = read_array(self.folder / f"{name}_ckpt.{dumps - 1}.gz", array)
        add_count = read_array(self.folder / f"add_count_ckpt.{dumps - 1}.gz", np.array(0, np.int64))
        self.add_count, self.dumps, self.episode_starts = int(add_count), dumps, episode_starts

    def forget_later_dumps(self, dumps: int) -> None:
        """Remove the files of dump number `dumps` and of all after it, whole or not."""
        for path in self.folder.glob("*_ckpt.*"):
            number = path.name.split("_ckpt.")[1].removesuffix(TEMPORARY_SUFFIX).removesuffix(".gz")
            if not number.isdecimal() or int(number) >= dumps:
                path.unlink()

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {
            "$store$_observation": self.observation,
            "$store$_action": self.action,
            "$store$_reward": self.reward,
            "$store$_terminal": self.terminal,
        }

    def _write(
        self, observation: NDArray[np.uint8] | int, action: int, reward: float, terminal: bool
    ) -> None:
        row = self.cursor
        self.observation[row] = observation
        self.action[row] = action
        self.reward[row] = reward
        self.terminal[row] = terminal
        self.add_count += 1

    def _dump(self) -> None:
        arrays = {
            **self._arrays(),
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


def new_ring(folder: Path, size: int) -> RingBuffer:
    """Returns a ring of `size` rows.

    Raises:
        OutputError: they do not fit in memory.
    """
    try:
        return RingBuffer(folder, size)
    except (MemoryError, ValueError):  # ValueError: more than NumPy can count
        needed = size * math.prod(FRAME_SHAPE) / 1e9
        raise OutputError(
            f"checkpoint size {size:,} is too large: the ring would need {needed:,.0f} GB of memory"
        ) from None


def clip(reward: float) -> float:
    """Returns the reward as it is logged, clipped to [-1, 1]."""
    return min(max(reward, -1.0), 1.0)


def write_array(path: Path, array: NDArray[np.generic], compression: int = COMPRESSION) -> None:
    """Write a gzipped `.npy` that depends only on the array: it stores no name and no time of day."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", compression, file, mtime=0) as packed:
        np.save(packed, array, allow_pickle=False)


def read_array(path: Path, like: NDArray[np.generic]) -> NDArray[np.generic]:
    """Returns the array that `write_array` wrote, of the shape and dtype of another.

    Raises:
        ReplayLogError: the file is missing, damaged, or holds something else.
    """
    try:
        with gzip.open(path) as packed:
            array = np.load(packed, allow_pickle=False)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ReplayLogError(
            f"{path}: cannot be read ({error}); restore it, or play from the beginning"
        ) from None
    if array.shape != like.shape or array.dtype != like.dtype:
        raise ReplayLogError(
            f"{path}: found {array.dtype} of shape {array.shape}, expected {like.dtype} of shape {like.shape}"
        )
    return array
