"""The one way in which Parquet files are written."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ZSTD_LEVEL = 9
WHOLE_ROW_GROUP = 1 << 30
"""Page size: zstd finds a frame's likeness only within its page. See benchmarks/storage.py."""


def write_shard(path: Path, blocks: Iterable[pa.Table], schema: pa.Schema) -> int:
    """Write each block as a row group, compressed on a thread while the next is made; gives the rows."""
    rows = 0
    with _parquet_writer(path, schema) as writer, ThreadPoolExecutor(1) as executor:
        pending: Future[None] | None = None
        for block in blocks:
            if pending is not None:
                pending.result()
            pending = executor.submit(writer.write_table, block)
            rows += len(block)
        if pending is not None:
            pending.result()
    return rows


def _parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    numbers = [name for name in schema.names if not pa.types.is_struct(schema.field(name).type)]
    counters = [name for name in numbers if name == "step"]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=[name for name in numbers if name not in counters],  # pyright: ignore[reportArgumentType]
        column_encoding=dict.fromkeys(counters, "DELTA_BINARY_PACKED"),
        write_statistics=numbers,  # pyright: ignore[reportArgumentType]
        write_page_index=True,
        write_page_checksum=True,
        data_page_size=WHOLE_ROW_GROUP,
    )
