"""The log of a DQN agent: a ring of transitions, dumped to disk once per lap.

Replaces, array for array, the writer of the DQN Replay Dataset, which was Dopamine's
`OutOfGraphReplayBuffer` (`dopamine/replay_memory/circular_replay_buffer.py`) under batch_rl's logger
(`batch_rl/baselines/replay_memory/logged_replay_buffer.py`).
"""

import gzip
import io
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import zstandard
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray

from ..errors import OutputError, ReplayLogError
from ..files import TEMPORARY_SUFFIX, replacing
from ..format.frame_format import GREY84, FrameFormat
from ..format.protocol import PADDING_ROWS, STACK_SIZE
from .dump_writer import OBSERVATION, DumpWriter

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

        $store$_observation   (capacity, 84, 84) uint8, or of another frame format
        $store$_action        (capacity,) int32
        $store$_reward        (capacity,) float32, clipped to [-1, 1]
        $store$_terminal      (capacity,) uint8
        $store$_prob          (capacity,) float32, with `probabilities` only
        add_count             () int64, rows written so far
        invalid_range         (5,) int64, rows around the cursor that cannot be sampled

    The same transitions produce the same bytes, and a file appears whole or not at all. A thread writes the
    files while play goes on; see `flush` and `close`.

    Args:
        folder: where the files go; the bucket calls it `<Game>/<run>/replay_logs`.
        capacity: rows in the ring, which is also a checkpoint's size: 1,000,000 in the original.
        observation_shape: shape of one frame.
        compression: zlib's level, 0 to 9.
        probabilities: whether to log with which probability each action was chosen. The original did not;
            the off-policy DQN of batch_rl's authors' fork reads this array, and other loaders ignore it.
        final_observations: whether to log what is seen after an episode's last step, which the original did
            not, as `final_observation-<number>.npy.zst`: (episodes that ended since the dump before, *shape),
            in order. Its name is such that no loader takes the file for a part of a checkpoint.

    Raises:
        OutputError: `capacity` is smaller than `SMALLEST_CAPACITY`, as in Dopamine.
    """

    def __init__(
        self,
        folder: Path,
        capacity: int,
        *,
        observation_shape: tuple[int, ...] = GREY84.shape,
        compression: int = COMPRESSION,
        probabilities: bool = False,
        final_observations: bool = False,
    ) -> None:
        if capacity < SMALLEST_CAPACITY:
            raise OutputError(
                f"a ring of {capacity} rows is too small: it needs at least {SMALLEST_CAPACITY}"
            )
        self.folder = folder
        self.capacity = capacity
        self.add_count = 0
        """Rows written so far, padding included."""
        self.dumps = 0
        """How often the ring has been dumped so far, which is also the number of the next file."""
        self.observation = np.zeros((capacity, *observation_shape), np.uint8)
        self.action = np.zeros(capacity, np.int32)
        self.reward = np.zeros(capacity, np.float32)
        self.terminal = np.zeros(capacity, np.uint8)
        self.prob = np.zeros(capacity, np.float32) if probabilities else None
        self.episode_starts = True
        """Whether the next transition begins an episode."""
        self._finals: list[tuple[int, NDArray[np.uint8]]] | None = [] if final_observations else None
        """The final observations that were not dumped yet, each with its row's number since the start."""
        self._writer = DumpWriter(folder, compression)

    @property
    def cursor(self) -> int:
        """The row that is written next."""
        return self.add_count % self.capacity

    def add(
        self,
        observation: NDArray[np.uint8],
        action: int,
        reward: float,
        terminal: bool,
        prob: float = 1.0,
        final_observation: NDArray[np.uint8] | None = None,
    ) -> None:
        """Add a transition, after padding if it begins an episode; begin to dump the ring if it is time.

        `terminal` ends the episode, for whatever reason: the log does not tell a time limit from another end.
        `prob` is the probability with which the action was chosen, `final_observation` what was seen after a
        terminal step, which a ring that logs it needs.

        Raises:
            OSError: a file cannot be written.
        """
        if self.episode_starts:
            for _ in range(PADDING_ROWS):
                self._write(0, 0, 0.0, False, 0.0)
        self._write(observation, action, clip(reward), terminal, prob)
        self.episode_starts = terminal
        if terminal and self._finals is not None:
            assert final_observation is not None
            self._finals.append((self.add_count - 1, final_observation))
        if self.cursor == self.capacity - 1:
            self._dump(self.add_count - self.capacity)

    def finish(self) -> None:
        """End the log as the logger did after training: set `add_count` to the cursor and dump the ring.

        Raises:
            OSError: a file cannot be written.
        """
        first = self.add_count - self.capacity
        self.add_count = self.cursor
        self._dump(first)
        self.flush()

    def after_dump(self, function: Callable[[], object]) -> None:
        """Call a function once the last dump is complete, on the thread that writes it.

        If the dump fails, it is not called.
        """
        self._writer.then(function)

    def flush(self) -> None:
        """Wait until each dump so far is complete, and what is to follow it.

        Raises:
            OSError: a file cannot be written.
        """
        self._writer.flush()

    def close(self) -> None:
        """Abandon a dump that is not complete, and stop the thread."""
        self._writer.close()

    def resume(self, dumps: int, *, episode_starts: bool) -> None:
        """Go on from the moment just after dump number `dumps - 1`; remove the files of later ones.

        Args:
            dumps: how often the ring had been dumped.
            episode_starts: whether the next transition begins an episode, which no file says.

        Raises:
            ReplayLogError: a file of that dump is missing, damaged or of another size.
        """
        self.forget_later_dumps(dumps)
        for name, array in {OBSERVATION: self.observation, **self._small_arrays()}.items():
            array[...] = read_array(self.folder / f"{name}_ckpt.{dumps - 1}.gz", array)
        add_count = read_array(self.folder / f"add_count_ckpt.{dumps - 1}.gz", np.array(0, np.int64))
        self.add_count, self.dumps, self.episode_starts = int(add_count), dumps, episode_starts

    def forget_later_dumps(self, dumps: int) -> None:
        """Remove the files of dump number `dumps` and of all after it, whole or not."""
        for path in self.folder.glob("*_ckpt.*"):
            number = path.name.split("_ckpt.")[1].removesuffix(TEMPORARY_SUFFIX).removesuffix(".gz")
            if not number.isdecimal() or int(number) >= dumps:
                path.unlink()
        for path in self.folder.glob("final_observation-*"):
            number = path.name.removeprefix("final_observation-").partition(".")[0]
            if not number.isdecimal() or int(number) >= dumps:
                path.unlink()

    def _small_arrays(self) -> dict[str, NDArray[np.generic]]:
        return {
            "$store$_action": self.action,
            "$store$_reward": self.reward,
            "$store$_terminal": self.terminal,
            **({} if self.prob is None else {"$store$_prob": self.prob}),
        }

    def _write(
        self, observation: NDArray[np.uint8] | int, action: int, reward: float, terminal: bool, prob: float
    ) -> None:
        row = self.cursor
        self._writer.before_overwriting(row)
        self.observation[row] = observation
        self.action[row] = action
        self.reward[row] = reward
        self.terminal[row] = terminal
        if self.prob is not None:
            self.prob[row] = prob
        self.add_count += 1

    def _dump(self, first: int) -> None:
        """Dump the ring, whose oldest row is the one of this number since the start."""
        arrays = {
            **self._small_arrays(),
            "add_count": np.array(self.add_count, np.int64),
            "invalid_range": self._invalid_range(),
        }
        self._writer.write(self.dumps, self.observation, arrays)
        if self._finals is not None:
            frames = [frame for number, frame in self._finals if number >= first]
            path, shape = self.folder / f"final_observation-{self.dumps}.npy.zst", self.observation.shape[1:]
            self._writer.then(lambda: write_zstd(path, frames, shape))
            self._finals.clear()
        self.dumps += 1

    def _invalid_range(self) -> NDArray[np.int64]:
        around_cursor = np.arange(-UPDATE_HORIZON, STACK_SIZE)
        return (self.cursor + around_cursor) % self.capacity


def new_ring(
    folder: Path,
    size: int,
    frame_format: FrameFormat = GREY84,
    *,
    probabilities: bool = False,
    final_observations: bool = False,
) -> RingBuffer:
    """Returns a ring of `size` rows, for frames of a format; see `RingBuffer`.

    Raises:
        OutputError: they do not fit in memory.
    """
    try:
        return RingBuffer(
            folder,
            size,
            observation_shape=frame_format.shape,
            probabilities=probabilities,
            final_observations=final_observations,
        )
    except (MemoryError, ValueError):  # ValueError: more than NumPy can count
        needed = size * frame_format.nbytes / 1e9
        raise OutputError(
            f"checkpoint size {size:,} is too large: the ring would need {needed:,.0f} GB of memory"
        ) from None


def write_zstd(path: Path, frames: Sequence[NDArray[np.uint8]], shape: tuple[int, ...]) -> None:
    """Write frames of this shape as one `.npy`, compressed by zstd; it appears whole or not at all."""
    header = io.BytesIO()
    write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (len(frames), *shape)})
    size = header.tell() + len(frames) * math.prod(shape)
    with (
        replacing(path) as temporary,
        temporary.open("wb") as file,
        zstandard.ZstdCompressor(level=9).stream_writer(file, size=size) as packed,
    ):
        packed.write(header.getvalue())
        for frame in frames:
            packed.write(frame.tobytes())


def clip(reward: float) -> float:
    """Returns the reward as it is logged, clipped to [-1, 1]."""
    return min(max(reward, -1.0), 1.0)


def read_array(path: Path, like: NDArray[np.generic]) -> NDArray[np.generic]:
    """Returns the array of a dump's file, of the shape and dtype of another.

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
