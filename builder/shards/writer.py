"""Writes Parquet files, all with the same settings; of steps, several row groups at once."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..format.frames import empty_images
from .parquet.filling import fill_first_column
from .parquet.frames_compression import Compress, frames_compressor
from .parquet.frames_page import FramesPage
from .parquet.stitching import RowGroup, StitchedFile
from .steps import TABLE_ROWS, Columns, even_blocks, frames_of, table_of

ZSTD_LEVEL = 9
"""Of all columns but that of the frames; see `frames_compression`."""
WHOLE_ROW_GROUP = 1 << 30
"""Page size: zstd finds a frame's likeness only within its page. See benchmarks/storage.py."""

MOST_THREADS = 2
"""That compress at once: each takes some 30 MB, and more cores are better used by more workers."""


def write_steps(
    path: Path,
    blocks: Iterable[Columns],
    schema: pa.Schema,
    compressor: Callable[[], Compress] = frames_compressor,
) -> int:
    """Write steps in row groups of TABLE_ROWS, several of them made at once; gives the number of rows.

    The bytes are those of `write_shard` but for how frames are compressed, however many threads there are. In
    hand are no more row groups than threads, the one whose steps are being read among them.

    Args:
        path: of the file.
        blocks: consecutive steps, cut in any way.
        schema: of the file; its first column is that of the frames.
        compressor: makes what compresses the frames on one of the threads.
    """
    threads = min(pa.cpu_count(), MOST_THREADS)
    with path.open("wb") as file, ThreadPoolExecutor(threads, "write-parquet") as executor:
        shard = StitchedFile(file, file_of(schema))
        pending: deque[Future[RowGroup]] = deque()
        makers = itertools.cycle([_RowGroupMaker(schema, compressor()) for _ in range(threads)])
        for held in even_blocks(blocks):
            # The maker whose turn it is made the row group that was taken last.
            pending.append(executor.submit(next(makers).make, held))
            if len(pending) == threads:
                shard.append(pending.popleft().result())
        for future in pending:
            shard.append(future.result())
        return shard.finish()


def write_shard(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> int:
    """Write each table as a row group; gives the number of rows."""
    rows = 0
    with parquet_writer(path, schema) as writer:
        for table in tables:
            writer.write_table(table)
            rows += len(table)
    return rows


def file_of(schema: pa.Schema, *tables: pa.Table) -> bytes:
    """A Parquet file of some tables, each a row group."""
    file = pa.BufferOutputStream()
    with parquet_writer(file, schema) as writer:
        for table in tables:
            writer.write_table(table)
    return file.getvalue().to_pybytes()


def parquet_writer(file: Path | pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
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


class _RowGroupMaker:
    """Makes row groups, one after another in the same memory.

    pyarrow writes them with empty frames, and what it would make of the frames is put in their place.
    """

    def __init__(self, schema: pa.Schema, compress: Compress) -> None:
        self._schema = schema
        self._compress = compress
        self._page = FramesPage()

    def make(self, held: list[Columns]) -> RowGroup:
        """A row group of these steps, which are let go."""
        frames = frames_of(held)
        table = table_of(held, empty_images(sum(map(len, frames))), self._schema)
        group = RowGroup.of(file_of(self._schema, table))
        return fill_first_column(group, lambda levels: self._page.lay_out(levels, frames), self._compress)
