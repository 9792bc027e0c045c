"""Measures frames' size and speed of writing and reading, by zstd level, page size and row group.

Frames of real play (whole episodes; of Pong and Breakout partly good play) are written to Parquet files as
stored PNGs, in every layout of the grid. They are compared with the frames as they are, the source's own
gzip, and PNGs by Pillow as `datasets` writes them for the Hub. Sizes are of the whole file, with the share of
the source's in brackets. Rates are over all games, per second of processor time, the best of --repeats:
*write* from frames to file, *read* from file to frames, *one row* from opening the file to one frame, which
reads its whole row group. What the builder writes is bold, and includes opening each finished file again.

pyarrow checks a page's size only every `write_batch_size` rows: below 7 MB this must be less than the default
of 1,024.
"""

import gzip
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from atari_dqn_replay.builder.format.frames import IMAGE_TYPE, decode_frames, encode_frames
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.shards.parquet.compression import COMPRESSIONS
from atari_dqn_replay.builder.shards.settings import WHOLE_ROW_GROUP
from atari_dqn_replay.builder.shards.steps import TABLE_ROWS
from atari_dqn_replay.builder.shards.writer import write_steps
from common import GZIP_LEVEL, argument_parser, load_play, measure, print_table, scratch_folder

PAGE_BYTES = (1 << 17, 1 << 20, WHOLE_ROW_GROUP)
ROW_GROUPS = (1024, 2048, 4096)
RANDOM_ROWS = 16
"""The number of rows of each file that are read alone."""


@dataclass(frozen=True)
class Layout:
    """The layout of the Parquet file of stored PNGs."""

    level: int
    page_bytes: int
    row_group: int
    content_defined: bool = False
    """Whether page boundaries depend on the content, so that the Hub may store equal pages once."""

    def __str__(self) -> str:
        pages = "one page" if self.page_bytes == WHOLE_ROW_GROUP else f"pages of {self.page_bytes >> 10} KiB"
        chunking = ", content-defined" if self.content_defined else ""
        return f"zstd {self.level}, row groups of {self.row_group:,}, {pages}{chunking}"


SCHEMA = pa.schema([("observation", IMAGE_TYPE)])


def write_raw(frames: np.ndarray, path: Path) -> None:
    """Write the array as it is."""
    np.save(path, frames)


def read_raw(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames of `write_raw`, as one block."""
    yield np.load(path)


def read_raw_row(path: Path, row: int) -> np.ndarray:
    """Returns one frame of `write_raw`."""
    return np.array(np.load(path, mmap_mode="r")[row])


def write_gzip(frames: np.ndarray, path: Path) -> None:
    """Write frames as the source stores them."""
    with gzip.open(path, "wb", GZIP_LEVEL) as file:
        np.save(file, frames)


def read_gzip(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames of `write_gzip`, as one block."""
    with gzip.open(path) as file:
        yield np.load(file)


def write_pillow(frames: np.ndarray, path: Path) -> None:
    """Write images as `datasets` does for the Hub: PNGs by Pillow, in Parquet without compression."""
    features = datasets.Features({"observation": datasets.Image()})
    datasets.Dataset.from_dict({"observation": list(frames)}, features).to_parquet(path)


def write_as_builder(compression: str, frames: np.ndarray, path: Path) -> None:
    """Write with the builder's own writer, which compresses frames with parameters that suit them."""
    steps = {"observation": frames, "step": np.arange(len(frames))}
    write_steps(path, [steps], SCHEMA, COMPRESSIONS[compression])


def write_stored(layout: Layout, frames: np.ndarray, path: Path) -> None:
    """Write stored PNGs with pyarrow."""
    with pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        compression_level=layout.level,
        use_dictionary=False,
        write_statistics=False,
        write_page_index=True,
        data_page_size=layout.page_bytes,
        write_batch_size=1024 if layout.page_bytes == WHOLE_ROW_GROUP else 32,
        use_content_defined_chunking=layout.content_defined,
    ) as writer:
        for start in range(0, len(frames), layout.row_group):
            column = encode_frames(frames[start : start + layout.row_group])
            writer.write_table(pa.Table.from_arrays([column], schema=SCHEMA))


def read_parquet(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames of a Parquet file, row group by row group."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield _read_group(file, group)


def read_parquet_row(path: Path, row: int) -> np.ndarray:
    """Returns one frame of a Parquet file: its row group is read, and only the frame is decoded."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if row < rows:
                return _read_group(file, group, row, 1)[0]
            row -= rows
    raise IndexError(row)


def _read_group(file: pq.ParquetFile, group: int, start: int = 0, rows: int | None = None) -> np.ndarray:
    return decode_frames(file.read_row_group(group, use_threads=False)["observation"].slice(start, rows))


@dataclass(frozen=True)
class Format:
    """A way to store frames in a file."""

    write: Callable[[np.ndarray, Path], None]
    read: Callable[[Path], Iterator[np.ndarray]]
    read_row: Callable[[Path, int], np.ndarray] | None
    """Reads one row; None if that requires reading those before it."""


SOURCE = "`.npy` in gzip, as the source"


def all_formats(levels: Sequence[int]) -> dict[str, Format]:
    """Returns the references, the grid, and content-defined chunking at the builder's row group, by name."""
    grid = itertools.starmap(Layout, itertools.product(levels, PAGE_BYTES, ROW_GROUPS))
    chunked = itertools.starmap(Layout, itertools.product(levels, PAGE_BYTES, [TABLE_ROWS], [True]))
    return {
        "`.npy`": Format(write_raw, read_raw, read_raw_row),
        SOURCE: Format(write_gzip, read_gzip, None),
        "PNG by Pillow, as `push_to_hub`": Format(write_pillow, read_parquet, read_parquet_row),
        **{
            f"**`--compression {name}`**": Format(
                partial(write_as_builder, name), read_parquet, read_parquet_row
            )
            for name in COMPRESSIONS
        },
        **{
            str(layout): Format(partial(write_stored, layout), read_parquet, read_parquet_row)
            for layout in (*grid, *chunked)
        },
    }


class Trial(NamedTuple):
    """The result of one format on one game's frames."""

    bytes_per_frame: float
    write_seconds: float
    read_seconds: float
    row_seconds: float


Trials = dict[str, list[Trial]]
"""For each format, one trial for each game."""


def main() -> None:
    """Try every format on every game and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--games", nargs="+", default=["pong", "breakout", "seaquest", "ms-pacman"])
    parser.add_argument("--frames", type=int, default=20_480, help="of each game (default: %(default)s)")
    parser.add_argument("--levels", type=int, nargs="+", default=[3, 6, 9], help="of zstd (default: 3 6 9)")
    parser.add_argument("--repeats", type=int, default=2, help="the best counts (default: %(default)s)")
    options = parser.parse_args()
    games = [find_game(name) for name in options.games]
    for game in games:
        load_play(game, options.frames, options.cache)
    arguments = (games, options.frames, options.levels, options.repeats, options.cache)
    trials: Trials = measure(try_formats, *arguments, one_core=True).value
    rates = ("write, frames/s", "read, frames/s", "one row, ms")
    heads = ["bytes per frame (of the source's)", *map(str, games), *rates]
    print_table(heads, [_row(name, trials, options.frames) for name in trials])


def try_formats(games: list[Game], frames: int, levels: list[int], repeats: int, cache: Path) -> Trials:
    """Returns the trials of every format on every game."""
    datasets.disable_progress_bars()
    formats = all_formats(levels)
    trials: Trials = {name: [] for name in formats}
    with scratch_folder(cache) as folder:
        for game in games:
            observation = np.array(load_play(game, frames, cache).observation[:frames])
            for name, format in formats.items():
                tried = [_try_format(format, observation, folder / "frames.npy") for _ in range(repeats)]
                trials[name].append(Trial(*map(min, zip(*tried, strict=True))))
    return trials


def _try_format(format: Format, frames: np.ndarray, path: Path) -> Trial:
    start = time.process_time()
    format.write(frames, path)
    written = time.process_time()
    for _ in format.read(path):
        pass
    read = time.process_time()
    assert np.array_equal(np.concatenate(list(format.read(path))), frames)
    rows = [int(row) for row in np.random.default_rng(0).integers(len(frames), size=RANDOM_ROWS)]
    random_read = time.process_time()
    found = [format.read_row(path, row) for row in rows] if format.read_row else frames[rows]
    row_seconds = (time.process_time() - random_read) / len(rows)
    assert np.array_equal(found, frames[rows])
    return Trial(path.stat().st_size / len(frames), written - start, read - written, row_seconds)


def _row(name: str, trials: Trials, frames: int) -> list[str]:
    tried, source = trials[name], trials[SOURCE]
    sizes = [
        f"{trial.bytes_per_frame:,.0f} ({trial.bytes_per_frame / original.bytes_per_frame:.2f})"
        for trial, original in zip(tried, source, strict=True)
    ]
    total = frames * len(tried)
    write = f"{total / sum(trial.write_seconds for trial in tried):,.0f}"
    read = f"{total / sum(trial.read_seconds for trial in tried):,.0f}"
    row_seconds = sum(trial.row_seconds for trial in tried) / len(tried)
    one_row = "–" if name == SOURCE else f"{row_seconds * 1e3:.1f}"
    return [name, *sizes, write, read, one_row]


if __name__ == "__main__":
    main()
