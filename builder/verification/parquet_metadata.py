"""What a Parquet file states of its values, against the values: other readers decide by it what to skip.

`load_dataset(filters=…)`, DuckDB, Polars and DataFusion leave out row groups and pages by the statistics and
the page index, and the page index leads browsers to the bytes of a row. Field numbers come from
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import mmap
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..shards.parquet.stitching import footer_of
from ..shards.parquet.thrift_compact import read_struct

_FILE_ROWS, _ROW_GROUPS = 3, 4
_COLUMNS, _GROUP_ROWS, _SORTING_COLUMNS = 1, 3, 4
_FILE_PATH, _CHUNK, _OFFSET_INDEX, _COLUMN_INDEX = 1, 3, 4, 6
_KIND, _NAME, _VALUES, _COMPRESSED, _DATA, _DICTIONARY, _STATISTICS, _BLOOM_FILTER = 1, 3, 5, 7, 9, 11, 12, 14
_PAGE_KIND, _PAGE_COMPRESSED, _CRC, _DATA_PAGE, _DATA_PAGE_V2 = 1, 3, 4, 5, 8
_PAGE_VALUES, _PAGE_STATISTICS, _PAGE_V2_STATISTICS = 1, 5, 8
_DICTIONARY_PAGE = 2
_LOCATIONS, _OFFSET, _SIZE, _FIRST_ROW = 1, 1, 2, 3
_NULL_PAGES, _MINIMA, _MAXIMA, _ORDER, _NULL_COUNTS = 1, 2, 3, 4, 5
_OLD_MAXIMUM, _OLD_MINIMUM, _NULLS, _DISTINCT, _MAXIMUM, _MINIMUM = 1, 2, 3, 4, 5, 6
_ASCENDING, _DESCENDING = 1, 2

_FORMATS = {0: "?", 1: "<i", 2: "<q", 4: "<f", 5: "<d"}
"""How a bound is stored, by the physical type of the column; other types are stored as they are."""

_MALFORMED = (IndexError, KeyError, TypeError, ValueError, RecursionError, struct.error)


def metadata_faults(path: Path, columns: Mapping[str, np.ndarray]) -> list[str]:
    """Returns what a Parquet file states of its values that is not so.

    Args:
        path: the file.
        columns: the values of its columns, without nulls, by name. Of others, nothing may be stated.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return list(_faults(data, columns))
        except _MALFORMED as error:
            return [f"its metadata cannot be read ({type(error).__name__}: {error})"]


def _faults(data: mmap.mmap, columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    footer, _ = read_struct(footer_of(data))
    first = 0
    for number, group in enumerate(footer[_ROW_GROUPS]):
        rows = group[_GROUP_ROWS]
        where = f"row group {number}"
        if group.get(_SORTING_COLUMNS):
            yield f"{where}: is said to be sorted, expected no such claim"
        for column in group[_COLUMNS]:
            chunk = _Chunk(data, column)
            values = columns.get(chunk.name)
            part = None if values is None else values[first : first + rows]
            yield from (f"{where}, {chunk.name}: {fault}" for fault in chunk.faults(rows, part))
        first += rows
    if footer[_FILE_ROWS] != first:
        yield f"found {footer[_FILE_ROWS]:,} rows stated, expected the {first:,} of the row groups"


@dataclass(frozen=True)
class _Page:
    header: Mapping[int, Any]
    offset: int
    size: int
    """The bytes of the page and its header."""
    first_row: int

    @property
    def body(self) -> Mapping[int, Any]:
        return self.header[_DATA_PAGE] if _DATA_PAGE in self.header else self.header[_DATA_PAGE_V2]

    @property
    def rows(self) -> int:
        # All columns are flat: a value, or a null, for each row.
        return self.body[_PAGE_VALUES]

    @property
    def statistics(self) -> Mapping[int, Any]:
        field = _PAGE_STATISTICS if _DATA_PAGE in self.header else _PAGE_V2_STATISTICS
        return self.body.get(field, {})


class _Chunk:
    """A column of a row group."""

    def __init__(self, data: mmap.mmap, column: Mapping[int, Any]) -> None:
        self._data, self._column = data, column
        self._metadata = column[_CHUNK]
        self.name = b".".join(self._metadata[_NAME]).decode()

    def faults(self, rows: int, values: np.ndarray | None) -> Iterator[str]:
        """Yield what is stated of these values, or of unknown ones, and is not so."""
        if self._column.get(_FILE_PATH):
            yield "is said to lie in another file, expected this one"
            return
        if self._metadata.get(_BLOOM_FILTER):
            yield "has a Bloom filter, expected none"
        yield from self._faults_of(self._metadata.get(_STATISTICS, {}), values, "")
        pages = list(self._pages())
        if self._metadata[_VALUES] != rows or sum(page.rows for page in pages) != rows:
            yield f"found other numbers of values than the {rows:,} rows"
            return
        for page in pages:
            part = None if values is None else values[page.first_row : page.first_row + page.rows]
            if _CRC not in page.header:
                yield f"the page at byte {page.offset:,} has no checksum"
            yield from self._faults_of(page.statistics, part, "in a page: ")
        if self._column.get(_OFFSET_INDEX):
            yield from self._faults_of_places(pages)
        if self._column.get(_COLUMN_INDEX):
            yield from self._faults_of_bounds(pages, values)

    def _pages(self) -> Iterator[_Page]:
        """Yield the pages of data as they lie in the file."""
        start, end = self._metadata[_DATA], self._metadata[_COMPRESSED]
        if self._metadata.get(_DICTIONARY):
            start = min(start, self._metadata[_DICTIONARY])
        end += start
        row = 0
        while start < end:
            header, body = read_struct(self._data, start)
            page = _Page(header, start, body - start + header[_PAGE_COMPRESSED], row)
            if page.size <= 0:
                raise ValueError(f"a page of {page.size} bytes at byte {start:,}")
            start += page.size
            if header[_PAGE_KIND] != _DICTIONARY_PAGE:
                row += page.rows
                yield page
        if start != end:
            raise ValueError(f"the pages end at byte {start:,}, expected {end:,}")

    def _faults_of_places(self, pages: Sequence[_Page]) -> Iterator[str]:
        index, _ = read_struct(self._data, self._column[_OFFSET_INDEX])
        found = [(place[_OFFSET], place[_SIZE], place[_FIRST_ROW]) for place in index[_LOCATIONS]]
        expected = [(page.offset, page.size, page.first_row) for page in pages]
        if found != expected:
            yield f"the page index leads to other pages (found {_some(found)}, expected {_some(expected)})"

    def _faults_of_bounds(self, pages: Sequence[_Page], values: np.ndarray | None) -> Iterator[str]:
        index, _ = read_struct(self._data, self._column[_COLUMN_INDEX])
        if values is None:
            yield "the page index has bounds, expected none"
            return
        minima, maxima = index[_MINIMA], index[_MAXIMA]
        nulls = index.get(_NULL_COUNTS, [0] * len(pages))
        if not len(pages) == len(minima) == len(maxima) == len(nulls) == len(index[_NULL_PAGES]):
            yield f"the page index has bounds of {len(minima)} pages, expected {len(pages)}"
            return
        for place, page in enumerate(pages):
            part = values[page.first_row : page.first_row + page.rows]
            stated = {_MINIMUM: minima[place], _MAXIMUM: maxima[place], _NULLS: nulls[place]}
            if index[_NULL_PAGES][place]:
                yield "in the page index: a page is said to hold nulls only"
            yield from self._faults_of(stated, part, "in the page index: ")
        bounds = [list(map(self._decoded, each)) for each in (minima, maxima)]
        order = index.get(_ORDER, 0)
        if (order == _ASCENDING and bounds != [sorted(each) for each in bounds]) or (
            order == _DESCENDING and bounds != [sorted(each, reverse=True) for each in bounds]
        ):
            yield "in the page index: the bounds are said to be in an order that they are not in"

    def _faults_of(self, stated: Mapping[int, Any], values: np.ndarray | None, where: str) -> Iterator[str]:
        """Yield how a minimum, a maximum and a count of nulls differ from the values'."""
        if values is None:
            if stated.keys() & {_OLD_MAXIMUM, _OLD_MINIMUM, _MAXIMUM, _MINIMUM, _NULLS}:
                yield f"{where}found statistics, expected none"
            return
        if stated.get(_NULLS):
            yield f"{where}found {stated[_NULLS]} nulls stated, expected none"
        if _DISTINCT in stated and stated[_DISTINCT] != len(np.unique(values)):
            yield f"{where}found {stated[_DISTINCT]} distinct values stated"
        for name, fields, bound in (
            ("minimum", (_MINIMUM, _OLD_MINIMUM), np.min),
            ("maximum", (_MAXIMUM, _OLD_MAXIMUM), np.max),
        ):
            for field in fields:
                if field in stated and len(values):
                    found, expected = self._decoded(stated[field]), bound(values)
                    if found != expected:
                        yield f"{where}found {name} {found} stated, expected {expected}"

    def _decoded(self, bound: bytes) -> Any:
        layout = _FORMATS.get(self._metadata[_KIND])
        return bound.decode() if layout is None else struct.unpack(layout, bound)[0]


def _some(places: Sequence[tuple[int, ...]]) -> str:
    return f"{', '.join(map(str, places[:2]))}{', …' if len(places) > 2 else ''}"
