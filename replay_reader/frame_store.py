"""Steps of a shard in one mapped file, frames compressed eight at a time, so that any step is near.

The file holds, one after another: the chunks of frames, each compressed by itself with LZ4; where each chunk
begins (int64), the rewards (float32), the steps' numbers in their episodes (int32), the actions (uint8);
and a footer of a mark and the number of rows. Nothing is unpacked to open it, and all processes that map it
share its memory.

pyarrow's LZ4 takes 4 to 6 µs for the five frames of a transition. zstd would take half the space and twice
the time, and pyarrow's, which sets up a context for every chunk, five times.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from ..builder.files import replacing
from ..builder.format.protocol import FRAME_SHAPE
from .block_pool import FRAME_BYTES
from .errors import DatasetError
from .step_shards import StepShard

CHUNK = 8
"""Frames that are compressed together."""
BLOCK_ROWS = 2048
"""Rows that are read at once: a row group of a built dataset, and a multiple of CHUNK."""
SUFFIX = ".frames"

_CODEC = pa.Codec("lz4_raw")
_FOOTER = np.dtype([("mark", "S8"), ("rows", "<i8")])
_MARK = b"frames 1"
_NUMBERS = {"reward": np.dtype("<f4"), "step": np.dtype("<i4"), "action": np.dtype("u1")}
"""In the order of the file, the widest first, so that each is aligned."""


class FrameStore:
    """A file that `write_store` wrote, mapped.

    Pickled, it is its path: a worker maps the file again.

    Raises:
        DatasetError: the file is gone or cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with pa.memory_map(str(path)) as file:
                self._buffer = file.read_buffer()
            self._map()
        except (OSError, ValueError, IndexError) as error:
            raise DatasetError(f"{path}: cannot be read ({error}); open the dataset again") from None

    def _map(self) -> None:
        footer = self._section(_FOOTER, 1, self.size)[0]
        if footer["mark"] != _MARK:
            raise ValueError("it is cut short")
        self.rows = int(footer["rows"])
        end = self.size - _FOOTER.itemsize
        numbers = {}
        for name, dtype in reversed(_NUMBERS.items()):
            numbers[name] = self._section(dtype, self.rows, end)
            end -= numbers[name].nbytes
        self.reward: np.ndarray = numbers["reward"]
        """(rows,) float32."""
        self.step: np.ndarray = numbers["step"]
        """(rows,) int32: 0, 1, … within the episode."""
        self.action: np.ndarray = numbers["action"]
        """(rows,) uint8."""
        self._bounds = self._section(np.dtype(np.int64), -(-self.rows // CHUNK) + 1, end)
        if not 0 <= end - self._bounds.nbytes - self._bounds[-1] < 8:
            raise ValueError("its parts do not fit together")

    def _section(self, dtype: np.dtype, count: int, end: int) -> np.ndarray:
        """So many numbers, the last of which lies before byte `end`."""
        return np.frombuffer(self._buffer, dtype, count, end - count * dtype.itemsize)

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return FrameStore, (self.path,)

    def chunk(self, number: int) -> np.ndarray:
        """Frames 8 · number to 8 · number + 7; the last chunk is filled up with zeros.

        Returns:
            (8, 7056) uint8.

        Raises:
            DatasetError: the file is damaged.
        """
        start, stop = int(self._bounds[number]), int(self._bounds[number + 1])
        try:
            frames = _CODEC.decompress(self._buffer.slice(start, stop - start), CHUNK * FRAME_BYTES)
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.path}: is damaged ({error}); delete it and open it again") from None
        return np.frombuffer(frames, np.uint8).reshape(CHUNK, FRAME_BYTES)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._buffer.size


def write_store(
    shard: StepShard, path: Path, threads: int, progress: Callable[[int], object] = lambda steps: None
) -> None:
    """Read a shard from beginning to end and write its store; the file appears whole or not at all.

    Args:
        shard: to read.
        path: of the new file.
        threads: that read, decode and compress.
        progress: called with the number of steps done since the last call.

    Raises:
        DatasetError: the shard is damaged, or its frames are not 84×84.
        OSError: the file cannot be written.
    """
    numbers = {name: np.empty(shard.rows, dtype) for name, dtype in _NUMBERS.items()}
    lengths = [0]
    # Not a `with`: leaving one waits for all that was submitted, even at Ctrl-C.
    executor = ThreadPoolExecutor(threads, thread_name_prefix="frame-store")
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            starts = range(0, shard.rows, BLOCK_ROWS)
            blocks = executor.map(lambda start: _compress_block(shard, start, numbers), starts)
            for start, chunks in zip(starts, blocks, strict=True):
                lengths += [chunk.size for chunk in chunks]
                file.writelines(chunks)
                progress(min(BLOCK_ROWS, shard.rows - start))
            _write_rest(file, np.cumsum(lengths, dtype=np.int64), numbers)
    finally:
        executor.shutdown(cancel_futures=True)


def copy_frames(
    stores: list[FrameStore], shards: np.ndarray, rows: np.ndarray, places: np.ndarray, out: np.ndarray
) -> None:
    """Copy frame `rows[k]` of `stores[shards[k]]` to `out[places[k]]`, for every k.

    Each chunk is decompressed once, and frames that are neighbours in both are copied as one.

    Args:
        stores: by their numbers.
        shards: (n,) int.
        rows: (n,) int.
        places: (n,) int.
        out: (…, 7056) uint8.
    """
    if not len(rows):
        return
    chunks = rows // CHUNK
    jumps = (np.diff(rows) != 1) | (np.diff(places) != 1) | (np.diff(chunks) != 0) | (np.diff(shards) != 0)
    first = np.concatenate([[0], np.flatnonzero(jumps) + 1])
    count = np.diff(first, append=len(rows))
    order = np.lexsort((chunks[first], shards[first]))
    first, count = first[order], count[order]
    runs = (shards[first], chunks[first], rows[first] % CHUNK, places[first], count)
    held, frames = (-1, -1), np.empty((0, FRAME_BYTES), np.uint8)
    for shard, chunk, start, place, length in zip(*(run.tolist() for run in runs), strict=True):
        if held != (shard, chunk):
            held, frames = (shard, chunk), stores[shard].chunk(chunk)
        out[place : place + length] = frames[start : start + length]


def _compress_block(shard: StepShard, start: int, numbers: dict[str, np.ndarray]) -> list[pa.Buffer]:
    """Chunks of the rows from `start` on; their numbers are put where they belong."""
    stop = min(start + BLOCK_ROWS, shard.rows)
    columns = shard.read(start, stop, ["observation", *numbers])
    for name, array in numbers.items():
        array[start:stop] = columns[name]
    frames = columns["observation"]
    short = -len(frames) % CHUNK
    if short:
        frames = np.concatenate([frames, np.zeros((short, *FRAME_SHAPE), np.uint8)])
    return [
        _CODEC.compress(pa.py_buffer(frames[chunk : chunk + CHUNK])) for chunk in range(0, len(frames), CHUNK)
    ]


def _write_rest(file: BinaryIO, bounds: np.ndarray, numbers: dict[str, np.ndarray]) -> None:
    file.write(bytes(-int(bounds[-1]) % 8))
    file.write(bounds.tobytes())
    for array in numbers.values():
        file.write(array.tobytes())
    rows = len(numbers["step"])
    file.write(np.array([(_MARK, rows)], _FOOTER).tobytes())
