"""Writes Parquet files: all with the same settings, several row groups at once."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .parquet_stitching import StitchedFile
from .steps import TABLE_ROWS

ZSTD_LEVEL = 9
WHOLE_ROW_GROUP = 1 << 30
"""Page size: zstd finds a frame's likeness only within its page. See benchmarks/storage.py."""

MOST_THREADS = 2
"""That compress at once: each takes some 80 MB, and more cores are better used by more workers."""


def write_shard(path: Path, blocks: Iterable[pa.Table], schema: pa.Schema) -> int:
    """Write each block as a row group, several of them compressed at once; gives the number of rows.

    The bytes are the same however many threads there are. In hand are no more blocks than threads, the one
    that is being made among them.
    """
    threads = min(pa.cpu_count(), MOST_THREADS)
    with path.open("wb") as file, ThreadPoolExecutor(threads, "write-parquet") as executor:
        shard = StitchedFile(file, _file_of(schema))
        pending: deque[Future[bytes]] = deque()
        # A loop over the blocks would hold the last one while the next is made.
        for future in map(partial(executor.submit, _file_of, schema), blocks):
            pending.append(future)
            if len(pending) == threads:
                shard.append(pending.popleft().result())
        for future in pending:
            shard.append(future.result())
        return shard.finish()


def _file_of(schema: pa.Schema, *tables: pa.Table) -> bytes:
    """A Parquet file of some tables, each a row group."""
    file = pa.BufferOutputStream()
    with parquet_writer(file, schema) as writer:
        for table in tables:
            writer.write_table(table)
    return file.getvalue().to_pybytes()


def parquet_writer(file: pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer with the settings of all shards; each table that it is given becomes a row group."""
    numbers = [name for name in schema.names if not pa.types.is_struct(schema.field(name).type)]
    counters = [name for name in numbers if name == "step"]
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=[name for name in numbers if name not in counters],  # pyright: ignore[reportArgumentType]
        column_encoding=dict.fromkeys(counters, "DELTA_BINARY_PACKED"),
        write_statistics=numbers,  # pyright: ignore[reportArgumentType]
        write_page_index=True,
        write_page_checksum=True,
        data_page_size=WHOLE_ROW_GROUP,
        # A page's values are then taken at once: the room for them does not grow by copies.
        write_batch_size=TABLE_ROWS,
    )
