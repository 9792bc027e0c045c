"""Opens a finished Parquet file again, as a reader would, before anyone relies on it."""

import mmap
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import OutputError
from .stitching import COLUMNS, MAGIC, OFFSET_INDEX_OFFSET, PAGE_OFFSET, PAGES, ROW_GROUPS, footer_of
from .thrift_compact import Seen, rewrite

_PAGE_COMPRESSED = 2


def check_parquet(path: Path, schema: pa.Schema, rows: int) -> None:
    """Check a newly written file: its footer, page index, row count, and page checksums.

    Only the pages of the first and last row groups are read: wrongly computed offsets would be wrong there.

    Args:
        path: the file to check.
        schema: the expected schema.
        rows: the expected number of rows.

    Raises:
        OutputError: the file is not as expected.
    """
    try:
        fault = next(_faults(path, schema, rows), None)
    except Exception as error:  # damaged bytes, misread, may raise anything
        fault = str(error) or type(error).__name__
    if fault:
        raise OutputError(
            f"{path}: was not written as it should be ({fault}); check the disk and run the same command "
            f"again, and if it happens again, report it with the versions of pyarrow ({pa.__version__}) and "
            f"of this package"
        )


def _faults(path: Path, schema: pa.Schema, rows: int) -> Iterator[str]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        metadata = file.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        if not file.schema_arrow.equals(schema, check_metadata=True):
            yield f"its schema is {file.schema_arrow.to_string()}, expected {schema.to_string()}"
        if not rows == metadata.num_rows == sum(group.num_rows for group in groups):
            yield f"it holds {metadata.num_rows:,} rows, expected {rows:,}"
        yield from _faults_of_pages(path, groups)
        for number in sorted({0, len(groups) - 1} if groups else ()):
            if len(file.read_row_group(number, use_threads=False)) != groups[number].num_rows:
                yield f"row group {number} does not hold its {groups[number].num_rows:,} rows"


def _faults_of_pages(path: Path, groups: list[pq.RowGroupMetaData]) -> Iterator[str]:
    """Yield faults: column chunks must be contiguous from the file's start, and the page index complete."""
    indexes = _page_index(path)
    position = len(MAGIC)
    for number, group in enumerate(groups):
        for leaf in range(group.num_columns):
            chunk = group.column(leaf)
            where = f"column {chunk.path_in_schema} of row group {number}"
            first = chunk.dictionary_page_offset or chunk.data_page_offset
            if first != position:
                yield f"{where} begins at byte {first:,}, expected {position:,}"
            position += chunk.total_compressed_size
            if not chunk.has_offset_index:
                yield f"{where} has no page index"
            pages = next(indexes)
            expected = chunk.data_page_offset
            for offset, size in pages:
                if offset != expected:
                    yield f"a page of {where} begins at byte {expected:,}, its page index says {offset:,}"
                expected += size
            if expected != position or not pages:
                yield f"the pages of {where} end at byte {position:,}, its page index says {expected:,}"


def _page_index(path: Path) -> Iterator[list[tuple[int, int]]]:
    """Yield the offset and size in the file of each page, one list for each column chunk."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        indexes = Seen()
        rewrite(footer_of(data), {ROW_GROUPS: {COLUMNS: {OFFSET_INDEX_OFFSET: indexes}}})
        for index in indexes:
            offsets, sizes = Seen(), Seen()
            rewrite(data, {PAGES: {PAGE_OFFSET: offsets, _PAGE_COMPRESSED: sizes}}, index)
            yield list(zip(offsets, sizes, strict=True))
