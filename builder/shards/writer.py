"""Writes Parquet files, with several row groups of steps made at once.

Each finished file is opened again, so every file has been read once before it is renamed into place.
"""

import functools
import warnings
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pyarrow as pa

from ..format.compression import SMALL
from ..format.frame_format import GREY84, FrameFormat
from .parquet.checking import check_parquet
from .parquet.compression import COMPRESSIONS, Compression
from .parquet.stitching import RowGroup, StitchedFile
from .row_groups import RowGroupMaker, is_layout_known
from .settings import Options, file_of, parquet_writer, writer_options
from .steps import Columns, even_blocks, steps_tables

MOST_THREADS = 2
"""Threads that compress at once: each takes some 30 MB, and more workers use additional cores better."""


def write_steps(
    path: Path,
    blocks: Iterable[Columns],
    schema: pa.Schema,
    compression: Compression = COMPRESSIONS[SMALL],
    options: Options | None = None,
    frame_format: FrameFormat = GREY84,
) -> int:
    """Write steps in row groups of `rows_in_group`, several made at once; return the number of rows.

    The bytes are those of `write_shard` except for how frames are compressed, whatever the number of threads.
    Memory holds one row group more than threads, including the one whose steps are being read. If pyarrow
    lays files out differently than `parquet` expects, `write_shard` writes the file, with a warning.

    Args:
        path: the file to write.
        blocks: consecutive steps, split in any way.
        schema: the schema of the file; its first column holds the frames.
        compression: how to compress the frames.
        options: writer settings that differ from those of all shards.
        frame_format: the format of the frames.

    Raises:
        OutputError: the finished file cannot be read.
    """
    settings = {**writer_options(schema), **(options or {})}
    if not is_layout_known(schema, settings, frame_format):
        _warn_of_layout(pa.__version__)
        level = {"compression_level": compression.level}
        return write_shard(path, steps_tables(blocks, schema), schema, {**(options or {}), **level})
    threads = min(pa.cpu_count(), MOST_THREADS)
    with path.open("wb") as file, ThreadPoolExecutor(threads, "write-parquet") as executor:
        shard = StitchedFile(file, file_of(schema, options=options))
        pending: deque[Future[RowGroup]] = deque()
        free: SimpleQueue[RowGroupMaker] = SimpleQueue()
        for _ in range(threads):
            free.put(RowGroupMaker(schema, frame_format, compression.compressor(), options))
        for held in even_blocks(blocks):
            pending.append(executor.submit(_make, free, held))
            # One waits, so that no thread does while the next is read.
            if len(pending) > threads:
                shard.append(pending.popleft().result())
        for future in pending:
            shard.append(future.result())
        rows = shard.finish()
    check_parquet(path, schema, rows)
    return rows


def _make(free: SimpleQueue[RowGroupMaker], held: list[Columns]) -> RowGroup:
    maker = free.get()  # there are as many as threads
    try:
        return maker.make(held)
    finally:
        free.put(maker)


def write_shard(
    path: Path, tables: Iterable[pa.Table], schema: pa.Schema, options: Options | None = None
) -> int:
    """Write each table as a row group; return the number of rows.

    Raises:
        OutputError: the finished file cannot be read.
    """
    rows = 0
    with parquet_writer(path, schema, options) as writer:
        for table in tables:
            writer.write_table(table)
            rows += len(table)
    check_parquet(path, schema, rows)
    return rows


@functools.cache
def _warn_of_layout(version: str) -> None:
    """Warn about pyarrow's layout, once in a process."""
    warnings.warn(
        f"pyarrow {version} lays Parquet files out differently than this version of atari-dqn-replay "
        "expects; they are written by pyarrow alone, which is as exact, but slower and a few percent larger",
        stacklevel=3,
    )
