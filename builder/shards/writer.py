"""Writes Parquet files; of steps, several row groups at once.

A file is opened again when it is finished, so what is renamed into its place has been read once.
"""

import functools
import itertools
import warnings
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from ..format.compression import SMALL
from .parquet.checking import check_parquet
from .parquet.compression import COMPRESSIONS, Compression
from .parquet.stitching import RowGroup, StitchedFile
from .row_groups import RowGroupMaker, is_layout_known
from .settings import Options, file_of, parquet_writer, writer_options
from .steps import Columns, even_blocks, steps_tables

MOST_THREADS = 2
"""That compress at once: each takes some 30 MB, and more cores are better used by more workers."""


def write_steps(
    path: Path,
    blocks: Iterable[Columns],
    schema: pa.Schema,
    compression: Compression = COMPRESSIONS[SMALL],
    options: Options | None = None,
) -> int:
    """Write steps in row groups of TABLE_ROWS, several of them made at once; returns the number of rows.

    The bytes are those of `write_shard` but for how frames are compressed, however many threads there are. In
    memory are no more row groups than threads, the one whose steps are being read among them. Where pyarrow
    lays files out otherwise than `parquet` expects, `write_shard` writes the file, with a warning.

    Args:
        path: of the file.
        blocks: consecutive steps, cut in any way.
        schema: of the file; its first column is that of the frames.
        compression: of the frames.
        options: settings that differ from those of all shards.

    Raises:
        OutputError: the finished file cannot be read.
    """
    settings = {**writer_options(schema), **(options or {})}
    if not is_layout_known(schema, settings):
        _warn_of_layout(pa.__version__)
        level = {"compression_level": compression.level}
        return write_shard(path, steps_tables(blocks, schema), schema, {**(options or {}), **level})
    threads = min(pa.cpu_count(), MOST_THREADS)
    with path.open("wb") as file, ThreadPoolExecutor(threads, "write-parquet") as executor:
        shard = StitchedFile(file, file_of(schema, options=options))
        pending: deque[Future[RowGroup]] = deque()
        makers = itertools.cycle(
            [RowGroupMaker(schema, compression.compressor(), options) for _ in range(threads)]
        )
        for held in even_blocks(blocks):
            # The maker whose turn it is made the row group that was taken last.
            pending.append(executor.submit(next(makers).make, held))
            if len(pending) == threads:
                shard.append(pending.popleft().result())
        for future in pending:
            shard.append(future.result())
        rows = shard.finish()
    check_parquet(path, schema, rows)
    return rows


def write_shard(
    path: Path, tables: Iterable[pa.Table], schema: pa.Schema, options: Options | None = None
) -> int:
    """Write each table as a row group; returns the number of rows.

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
    """Once in a process."""
    warnings.warn(
        f"pyarrow {version} lays Parquet files out otherwise than this version of atari-dqn-replay expects; "
        f"they are written by pyarrow alone, which is as exact, but slower and a few percent larger",
        stacklevel=3,
    )
