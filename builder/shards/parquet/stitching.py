"""Joins row groups, each from its own Parquet file, into the very bytes that a single writer produces.

pyarrow lays a file out as the pages of all row groups, then their column indexes, then their offset indexes,
then the footer. Pages and column indexes are copied; offsets are adjusted. Field numbers come from
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Iterable
from mmap import mmap
from typing import BinaryIO, NamedTuple

from .thrift_compact import Seen, encode_structs, field_span, one_by_one, rewrite

MAGIC = b"PAR1"
COLUMNS = 1
CHUNK_OFFSET, CHUNK = 2, 3
PAGE_OFFSETS = (9, 10, 11)
"""The fields of a column chunk that hold the offsets of its data, index and dictionary pages."""
PAGES, PAGE_OFFSET = 1, 1
_LENGTH_BYTES = 4
_FILE_ROWS, ROW_GROUPS = 3, 4
_GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 3, 5, 7
OFFSET_INDEX_OFFSET, _OFFSET_INDEX_LENGTH, _COLUMN_INDEX_OFFSET = 4, 5, 6


class RowGroup(NamedTuple):
    """A row group from a file that holds no other."""

    pages: bytes
    metadata: bytes
    """The metadata, with page offsets as if they followed MAGIC, and index offsets as in the file."""
    rows: int
    indexes_start: int
    """The offset of the indexes in the row group's file."""
    column_indexes: bytes
    offset_indexes: list[bytes]

    @classmethod
    def of(cls, file: bytes) -> "RowGroup":
        """Returns the row group of a Parquet file that has a page index."""
        rows, column_indexes, offset_indexes = Seen(), Seen(), Seen()
        column = {OFFSET_INDEX_OFFSET: offset_indexes, _COLUMN_INDEX_OFFSET: column_indexes}
        footer = footer_of(file)
        start, _ = field_span(footer, ROW_GROUPS)
        # The list's first byte shows that it has one element.
        metadata, _ = rewrite(footer, {COLUMNS: column, _GROUP_ROWS: rows}, start + 1)
        indexes_start = min(column_indexes + offset_indexes)
        return cls(
            file[len(MAGIC) : indexes_start],
            metadata,
            rows[0],
            indexes_start,
            file[indexes_start : offset_indexes[0]],
            [rewrite(file, {}, index)[0] for index in offset_indexes],
        )


class StitchedFile:
    """A Parquet file that grows by whole row groups.

    Args:
        file: the file to write, from its start.
        empty: a Parquet file without rows, written with the same schema and settings.
    """

    def __init__(self, file: BinaryIO, empty: bytes) -> None:
        self._file = file
        self._empty_footer = footer_of(empty)
        self._groups: list[RowGroup] = []
        self._position = 0
        self._write(MAGIC)

    def append(self, group: RowGroup) -> None:
        """Add a row group that was written with the same schema and settings."""
        distance = self._position - len(MAGIC)

        def moved(offset: int) -> int:
            return offset + distance if offset else 0  # 0 means that there is none

        column = {CHUNK_OFFSET: moved, CHUNK: dict.fromkeys(PAGE_OFFSETS, moved)}
        ordinal = len(self._groups)
        changes = {COLUMNS: column, _GROUP_OFFSET: moved, _ORDINAL: lambda _: ordinal}
        page = {PAGES: {PAGE_OFFSET: moved}}
        self._write(group.pages)
        self._groups.append(
            group._replace(
                pages=b"",  # already written
                metadata=rewrite(group.metadata, changes)[0],
                offset_indexes=[rewrite(index, page)[0] for index in group.offset_indexes],
            )
        )

    def finish(self) -> int:
        """Write everything after the pages, and return the number of rows."""
        column_indexes = [self._write(group.column_indexes) for group in self._groups]
        offset_indexes = [list(map(self._write, group.offset_indexes)) for group in self._groups]
        groups = list(map(_placed, self._groups, column_indexes, offset_indexes))
        rows = sum(group.rows for group in self._groups)
        footer, _ = rewrite(self._empty_footer, {_FILE_ROWS: lambda _: rows})
        start, stop = field_span(footer, ROW_GROUPS)
        footer = footer[:start] + encode_structs(groups) + footer[stop:]
        self._write(footer + len(footer).to_bytes(_LENGTH_BYTES, "little") + MAGIC)
        return rows

    def _write(self, data: bytes) -> int:
        """Write the data and return its offset in the file."""
        position = self._position
        self._position += self._file.write(data)
        return position


def _placed(group: RowGroup, column_indexes: int, offset_indexes: Iterable[int]) -> bytes:
    """Returns the metadata of a row group whose indexes have these offsets."""
    column = {
        OFFSET_INDEX_OFFSET: one_by_one(offset_indexes),
        _OFFSET_INDEX_LENGTH: one_by_one(map(len, group.offset_indexes)),
        _COLUMN_INDEX_OFFSET: lambda offset: offset - group.indexes_start + column_indexes,
    }
    return rewrite(group.metadata, {COLUMNS: column})[0]


def footer_of(file: bytes | mmap) -> bytes:
    """Returns the footer of a Parquet file: a Thrift struct, FileMetaData."""
    end = len(file) - len(MAGIC) - _LENGTH_BYTES
    return file[end - int.from_bytes(file[end : end + _LENGTH_BYTES], "little") : end]
