"""Parquet files of one row group each, joined into one: the very bytes that a single writer writes.

pyarrow lays a file out as the pages of all row groups, then their column indexes, then their offset indexes,
then the footer. Pages and column indexes are copied; what tells where something lies is moved. The numbers
of the fields are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Callable, Iterable
from typing import BinaryIO, NamedTuple

from .thrift_compact import encode_structs, field_span, rewrite

_MAGIC = b"PAR1"
_LENGTH_BYTES = 4
_FILE_ROWS, _ROW_GROUPS = 3, 4
_COLUMNS, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 3, 5, 7
_CHUNK_OFFSET, _CHUNK, _OFFSET_INDEX_OFFSET, _OFFSET_INDEX_LENGTH, _COLUMN_INDEX_OFFSET = 2, 3, 4, 5, 6
_DATA_PAGE_OFFSET, _INDEX_PAGE_OFFSET, _DICTIONARY_PAGE_OFFSET = 9, 10, 11
_PAGES, _PAGE_OFFSET = 1, 1


class _RowGroup(NamedTuple):
    metadata: bytes
    """Has the pages' places in the whole file, but the indexes' places in the file that it came in."""
    rows: int
    indexes_start: int
    """In the file that it came in."""
    column_indexes: bytes
    offset_indexes: list[bytes]


class StitchedFile:
    """A Parquet file that grows by whole row groups.

    Args:
        file: what is written to, from its start.
        empty: a Parquet file without rows, written with the same schema and settings.
    """

    def __init__(self, file: BinaryIO, empty: bytes) -> None:
        self._file = file
        self._empty_footer = _footer(empty)
        self._groups: list[_RowGroup] = []
        self._position = 0
        self._write(_MAGIC)

    def append(self, piece: bytes) -> None:
        """Add the row group of a Parquet file that holds one row group, with its page index."""
        distance = self._position - len(_MAGIC)

        def moved(offset: int) -> int:
            return offset + distance if offset else 0  # 0 says that there is none

        rows, column_indexes, offset_indexes = _Seen(), _Seen(), _Seen()
        column = {
            _CHUNK_OFFSET: moved,
            _CHUNK: dict.fromkeys((_DATA_PAGE_OFFSET, _INDEX_PAGE_OFFSET, _DICTIONARY_PAGE_OFFSET), moved),
            _OFFSET_INDEX_OFFSET: offset_indexes,
            _COLUMN_INDEX_OFFSET: column_indexes,
        }
        ordinal = len(self._groups)
        group = {_COLUMNS: column, _GROUP_ROWS: rows, _GROUP_OFFSET: moved, _ORDINAL: lambda _: ordinal}
        footer = _footer(piece)
        start, _ = field_span(footer, _ROW_GROUPS)
        metadata, _ = rewrite(footer, group, start + 1)  # the list's first byte says that it has one
        indexes_start = min(column_indexes + offset_indexes)
        self._write(piece[len(_MAGIC) : indexes_start])
        self._groups.append(
            _RowGroup(
                metadata,
                rows[0],
                indexes_start,
                piece[indexes_start : offset_indexes[0]],
                [rewrite(piece, {_PAGES: {_PAGE_OFFSET: moved}}, index)[0] for index in offset_indexes],
            )
        )

    def finish(self) -> int:
        """Write what comes after the pages; gives the number of rows."""
        column_indexes = [self._write(group.column_indexes) for group in self._groups]
        offset_indexes = [list(map(self._write, group.offset_indexes)) for group in self._groups]
        groups = list(map(_placed, self._groups, column_indexes, offset_indexes))
        rows = sum(group.rows for group in self._groups)
        footer, _ = rewrite(self._empty_footer, {_FILE_ROWS: lambda _: rows})
        start, stop = field_span(footer, _ROW_GROUPS)
        footer = footer[:start] + encode_structs(groups) + footer[stop:]
        self._write(footer + len(footer).to_bytes(_LENGTH_BYTES, "little") + _MAGIC)
        return rows

    def _write(self, data: bytes) -> int:
        """Where it lies in the file."""
        position = self._position
        self._position += self._file.write(data)
        return position


class _Seen(list[int]):
    """Takes note of numbers, and leaves them as they are."""

    def __call__(self, number: int) -> int:
        self.append(number)
        return number


def _placed(group: _RowGroup, column_indexes: int, offset_indexes: Iterable[int]) -> bytes:
    """The metadata of a row group whose indexes lie there."""
    column = {
        _OFFSET_INDEX_OFFSET: _one_by_one(offset_indexes),
        _OFFSET_INDEX_LENGTH: _one_by_one(map(len, group.offset_indexes)),
        _COLUMN_INDEX_OFFSET: lambda offset: offset - group.indexes_start + column_indexes,
    }
    return rewrite(group.metadata, {_COLUMNS: column})[0]


def _one_by_one(numbers: Iterable[int]) -> Callable[[int], int]:
    iterator = iter(numbers)
    return lambda _: next(iterator)


def _footer(file: bytes) -> bytes:
    end = len(file) - len(_MAGIC) - _LENGTH_BYTES
    return file[end - int.from_bytes(file[end : end + _LENGTH_BYTES], "little") : end]
