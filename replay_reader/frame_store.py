"""Stores a shard's steps in one mapped file, frames compressed eight at a time, for quick access to any step.

The file holds, in order: the chunks of frames, each compressed separately with LZ4; the offset (int64) and
checksum (uint64) of each chunk, the rewards (float32), the steps' numbers in their episodes (int32), the
actions and the ends (uint8); the format of the frames if it is not 84×84 grey (height, width, channels,
int64); and a footer with a magic number, the number of rows, and the checksum of the
file's name and of everything except the chunks. Opening it decompresses nothing, and all processes that map
it share its memory.

Checksums are XXH3 of 64 bits. The one of the numbers is checked whenever the file is opened; the one of a
chunk when a process first reads the chunk. Later changes on disk are not noticed.

pyarrow's LZ4 takes 4 to 6 µs for the five frames of a transition. zstd would take half the space and twice
the time; pyarrow's zstd, which sets up a context for every chunk, would take five times as long.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import xxhash

from ..builder.files import replacing
from ..builder.format.features import PROB
from ..builder.format.frame_format import GREY84, FrameFormat
from .errors import DatasetError
from .step_checks import check_actions
from .step_shards import Columns, StepShard

CHUNK = 8
"""The number of frames compressed together."""
AHEAD = 2
"""Blocks beyond one for each thread that may wait to be written."""
SUFFIX = ".frames"

_CODEC = pa.Codec("lz4_raw")
_FOOTER = np.dtype([("mark", "S8"), ("rows", "<i8"), ("checksum", "<u8")])
_MARK = b"frames 2"
_MARK_WITH_FORMAT = b"frames 3"
_MARK_WITH_PROBS = b"frames 4"
"""States the format as well."""
_FORMAT = np.dtype("<i8")
_NUMBERS = {
    "reward": np.dtype("<f4"),
    "step": np.dtype("<i4"),
    "action": np.dtype("u1"),
    "end": np.dtype("u1"),
}
"""The numeric arrays in file order, the widest first, so that each is aligned."""

_NUMBERS_WITH_PROBS = {PROB: np.dtype("<f4"), **_NUMBERS}
"""Those of a shard that has the probability with which each action was chosen."""

_READ = ("observation", "reward", "step", "action", "terminated", "truncated")

_ROW_BITS = 40
"""Of a row's number, where one number says the store and the row."""
_CHUNKS = (1 << _ROW_BITS) // CHUNK
"""The most that a store may have."""

TERMINATED, TRUNCATED = 1, 2
"""The values of `end` at an episode's last step; 0 elsewhere."""


class FrameStore:
    """A mapped file that `write_store` wrote.

    It pickles as its path: a worker maps the file again.

    Raises:
        DatasetError: the file is missing, truncated or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.exists() and not path.is_file():  # a pipe would keep the opening waiting
                raise OSError("not a regular file")
            with pa.memory_map(str(path)) as file:
                self._buffer = file.read_buffer()
            self._map()
        except (OSError, ValueError, IndexError) as error:
            raise DatasetError(f"{path}: cannot be read ({error}); open the dataset again") from None

    def _map(self) -> None:
        footer = self._section(_FOOTER, 1, self.size)[0]
        mark = footer["mark"]
        if mark not in (_MARK, _MARK_WITH_FORMAT, _MARK_WITH_PROBS) or footer["rows"] < 0:
            raise ValueError("it is cut short")
        self.rows = int(footer["rows"])
        end = self.size - _FOOTER.itemsize
        self.frame_format = GREY84
        """The format of the frames."""
        if mark != _MARK:
            stated = self._section(_FORMAT, 3, end)
            self.frame_format = FrameFormat(*stated.tolist())
            end -= stated.nbytes
        numbers = {}
        arrays = _NUMBERS_WITH_PROBS if mark == _MARK_WITH_PROBS else _NUMBERS
        for name, dtype in reversed(arrays.items()):
            numbers[name] = self._section(dtype, self.rows, end)
            end -= numbers[name].nbytes
        self.reward: np.ndarray = numbers["reward"]
        """(rows,) float32."""
        self.prob: np.ndarray | None = numbers.get(PROB)
        """(rows,) float32: the probability with which each action was chosen; None if the shard has none."""
        self.step: np.ndarray = numbers["step"]
        """(rows,) int32: 0, 1, … within the episode."""
        self.action: np.ndarray = numbers["action"]
        """(rows,) uint8."""
        self.end: np.ndarray = numbers["end"]
        """(rows,) uint8: TERMINATED or TRUNCATED at an episode's last step, else 0."""
        chunks = -(-self.rows // CHUNK)
        self._checksums = self._section(np.dtype("<u8"), chunks, end)
        end -= self._checksums.nbytes
        bounds = self._section(np.dtype("<i8"), chunks + 1, end)
        self._bounds = bounds.astype(np.int64, copy=False).data  # a memoryview, whose items are ints
        end -= bounds.nbytes
        checksum = xxhash.xxh3_64(self.path.name.encode())
        checksum.update(self._buffer.slice(end, self.size - _FOOTER.itemsize - end))
        if checksum.intdigest() != footer["checksum"]:
            raise ValueError("its numbers are damaged")
        if not 0 <= end - self._bounds[-1] < 8:
            raise ValueError("its parts do not fit together")
        self._checked = bytearray(chunks)
        """Which chunks this process has verified."""

    def _section(self, dtype: np.dtype, count: int, end: int) -> np.ndarray:
        """Returns `count` numbers, the last of which ends before byte `end`."""
        return np.frombuffer(self._buffer, dtype, count, end - count * dtype.itemsize)

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return FrameStore, (self.path,)

    def chunk(self, number: int) -> np.ndarray:
        """Returns frames 8 · number to 8 · number + 7; the last chunk is padded with zeros.

        Returns:
            (8, frame_format.nbytes) uint8.

        Raises:
            DatasetError: the file is damaged.
        """
        start = self._bounds[number]
        data = self._buffer.slice(start, self._bounds[number + 1] - start)
        try:
            if not self._checked[number]:
                if xxhash.xxh3_64_intdigest(data) != self._checksums[number]:
                    raise ValueError(f"frames {CHUNK * number:,} to {CHUNK * (number + 1) - 1:,} changed")
                self._checked[number] = 1
            frames = _CODEC.decompress(data, CHUNK * self.frame_format.nbytes)
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.path}: is damaged ({error}); delete it and open it again") from None
        return np.ndarray((CHUNK, self.frame_format.nbytes), np.uint8, frames)

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return self._buffer.size


def write_store(
    shard: StepShard, path: Path, threads: int, progress: Callable[[int], object] = lambda steps: None
) -> None:
    """Read a shard from beginning to end and write its store; the file appears complete or not at all.

    Args:
        shard: the shard to read.
        path: the path of the new file.
        threads: the number of threads that read, decode and compress.
        progress: called with the number of steps done since the last call.

    Raises:
        DatasetError: the shard is damaged, its frames are not of one format, its steps are not in order of
            play, or an action is not one of the game's.
        OSError: the file cannot be written.
    """
    arrays = _NUMBERS_WITH_PROBS if shard.has_probs else _NUMBERS
    numbers = {name: np.empty(shard.rows, dtype) for name, dtype in arrays.items()}
    lengths, checksums = [0], []
    # Not a `with`: leaving one waits for all submitted tasks, even on Ctrl-C.
    executor = ThreadPoolExecutor(threads, thread_name_prefix="frame-store")
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            frame_format = shard.frame_format or GREY84
            rows = frame_format.rows_in_group  # a multiple of CHUNK
            starts = range(0, shard.rows, rows)
            blocks = _compress_blocks(shard, starts, numbers, executor, threads + AHEAD)
            for start, chunks in zip(starts, blocks, strict=True):
                lengths += [chunk.size for chunk in chunks]
                checksums += [xxhash.xxh3_64_intdigest(chunk) for chunk in chunks]
                file.writelines(chunks)
                progress(min(rows, shard.rows - start))
            _check_order(shard, numbers)
            bounds = np.cumsum(lengths, dtype="<i8")
            _write_rest(file, path.name, bounds, np.array(checksums, "<u8"), numbers, frame_format)
    finally:
        executor.shutdown(cancel_futures=True)


def copy_frames(stores: list[FrameStore], shards: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Copy frame `rows[k]` of `stores[shards[k]]` to `out[k]`, for every k.

    Each chunk is decompressed once, and frames that are adjacent in both are copied together.

    Args:
        stores: the stores, by number.
        shards: the store of each frame, (n,) int.
        rows: the row of each frame in its store, (n,) int.
        out: the destination, (n, bytes of a frame) uint8.
    """
    if not len(rows):
        return
    at = (shards.astype(np.int64) << _ROW_BITS) + rows
    begins = (at[1:] - at[:-1] != 1) | (at[1:] % CHUNK == 0)
    bounds = np.concatenate([[0], np.flatnonzero(begins) + 1, [len(at)]])
    first, count = bounds[:-1], bounds[1:] - bounds[:-1]
    order = at[first].argsort(kind="stable")
    first, count = first[order], count[order]
    held, frames = -1, np.empty((0, 0), np.uint8)
    for row, place, length in zip(at[first].tolist(), first.tolist(), count.tolist(), strict=True):
        chunk, start = divmod(row, CHUNK)
        if held != chunk:
            held, frames = chunk, stores[row >> _ROW_BITS].chunk(chunk % _CHUNKS)
        out[place : place + length] = frames[start : start + length]


def check_formats(stores: Sequence[FrameStore], frame_format: FrameFormat) -> None:
    """Check that the frames of all stores have this format.

    Raises:
        DatasetError: those of one have another.
    """
    for store in stores:
        if store.frame_format != frame_format and store.rows:
            raise DatasetError(
                f"{store.path}: its frames are {store.frame_format.describe()}, expected "
                f"{frame_format.describe()}; read data of one format at a time"
            )


def _compress_blocks(
    shard: StepShard,
    starts: Sequence[int],
    numbers: dict[str, np.ndarray],
    executor: Executor,
    most: int,
) -> Iterator[list[pa.Buffer]]:
    """The chunks of the blocks in order; at most so many blocks are in memory while one is written."""
    waiting = iter(starts)
    blocks: deque[Future[list[pa.Buffer]]] = deque()

    def submit(count: int) -> None:
        for start in islice(waiting, count):
            blocks.append(executor.submit(_compress_block, shard, start, numbers))

    submit(most)
    while blocks:
        chunks = blocks.popleft().result()
        submit(1)
        yield chunks


def _compress_block(shard: StepShard, start: int, numbers: dict[str, np.ndarray]) -> list[pa.Buffer]:
    """Returns the chunks of the rows from `start` on, and copies their numbers into place."""
    assert shard.frame_format is not None
    stop = min(start + shard.frame_format.rows_in_group, shard.rows)
    columns = shard.read(start, stop, (*_READ, PROB) if PROB in numbers else _READ)
    check_actions(shard, columns["action"], start)
    columns["end"] = _ends(shard, columns, start)
    for name, array in numbers.items():
        array[start:stop] = columns[name]
    frames = columns["observation"]
    short = -len(frames) % CHUNK
    if short:
        frames = np.concatenate([frames, np.zeros((short, *shard.frame_format.shape), np.uint8)])
    return [
        _CODEC.compress(pa.py_buffer(frames[chunk : chunk + CHUNK])) for chunk in range(0, len(frames), CHUNK)
    ]


def _ends(shard: StepShard, columns: Columns, first: int) -> np.ndarray:
    """Returns TERMINATED, TRUNCATED or 0 for each row."""
    both = np.flatnonzero(columns["terminated"] & columns["truncated"])
    if len(both):
        raise DatasetError(
            f"{shard.name}: row {first + both[0]:,}: is terminated and truncated; build it again"
        )
    return np.where(columns["terminated"], TERMINATED, np.where(columns["truncated"], TRUNCATED, 0))


def _check_order(shard: StepShard, numbers: dict[str, np.ndarray]) -> None:
    """Check that steps count up from 0, and that ends occur only at an episode's last step."""
    step, end = numbers["step"], numbers["end"]
    expected = np.zeros(len(step), np.int64)
    expected[1:] = step[:-1].astype(np.int64) + 1
    wrong = np.flatnonzero((step != expected) & (step != 0))
    if len(wrong):
        raise DatasetError(
            f"{shard.name}: row {wrong[0]:,}: step is {step[wrong[0]]}, expected {expected[wrong[0]]} or 0: "
            f"episodes lie elsewhere than the episodes table says; build it again"
        )
    wrong = np.flatnonzero(end[:-1].astype(bool) & (step[1:] != 0))
    if len(wrong):
        raise DatasetError(
            f"{shard.name}: row {wrong[0]:,}: is an episode's end, expected its last step; build it again"
        )


def _write_rest(
    file: BinaryIO,
    name: str,
    bounds: np.ndarray,
    checksums: np.ndarray,
    numbers: dict[str, np.ndarray],
    frame_format: FrameFormat,
) -> None:
    file.write(bytes(-int(bounds[-1]) % 8))
    checksum = xxhash.xxh3_64(name.encode())
    mark, stated = _MARK, []
    if frame_format != GREY84 or PROB in numbers:
        sides = (frame_format.height, frame_format.width, frame_format.channels)
        mark = _MARK_WITH_PROBS if PROB in numbers else _MARK_WITH_FORMAT
        stated = [np.array(sides, _FORMAT)]
    for array in (bounds, checksums, *numbers.values(), *stated):
        checksum.update(array.tobytes())
        file.write(array.tobytes())
    file.write(np.array([(mark, len(numbers["step"]), checksum.intdigest())], _FOOTER).tobytes())
