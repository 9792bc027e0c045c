"""Sets how pyarrow writes all Parquet files of a dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .steps import TABLE_ROWS

ZSTD_LEVEL = 9
"""The level for all columns except the frames; see `parquet.compression`."""
WHOLE_ROW_GROUP = 1 << 30
"""The page size: zstd finds similar frames only within a page. See benchmarks/storage.py."""


Options = Mapping[str, Any]
"""Options of pyarrow's writer, by its own names."""


def file_of(schema: pa.Schema, *tables: pa.Table, options: Options | None = None) -> bytes:
    """Returns a Parquet file of some tables, each a row group."""
    file = pa.BufferOutputStream()
    with parquet_writer(file, schema, options) as writer:
        for table in tables:
            writer.write_table(table)
    return file.getvalue().to_pybytes()


def parquet_writer(
    file: Path | pa.NativeFile, schema: pa.Schema, options: Options | None = None
) -> pq.ParquetWriter:
    """Returns a writer with the settings of all shards; each table written becomes a row group."""
    return pq.ParquetWriter(file, schema, **{**writer_options(schema), **(options or {})})


def writer_options(schema: pa.Schema) -> dict[str, Any]:
    """Returns the settings of all shards."""
    numbers = [name for name in schema.names if not pa.types.is_struct(schema.field(name).type)]
    counters = [name for name in numbers if name == "step"]
    return {
        "compression": "zstd",
        "compression_level": ZSTD_LEVEL,
        "use_dictionary": [name for name in numbers if name not in counters],
        "column_encoding": dict.fromkeys(counters, "DELTA_BINARY_PACKED"),
        "write_statistics": numbers,
        "write_page_index": True,
        "write_page_checksum": True,
        "data_page_size": WHOLE_ROW_GROUP,
        # A page's values are then taken at once, so that their buffer does not grow by copies.
        "write_batch_size": TABLE_ROWS,
    }
