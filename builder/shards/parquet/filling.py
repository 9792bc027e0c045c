"""Fills values into a row group written with empty ones; only the compression differs from pyarrow's bytes.

pyarrow copies values twice before it compresses a page, each time into new memory; frames make up most of the
data, and can be laid out as a page directly. Field numbers come from
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import itertools
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from isal import isal_zlib

from .compression import Compress
from .stitching import CHUNK, CHUNK_OFFSET, COLUMNS, MAGIC, PAGE_OFFSET, PAGE_OFFSETS, PAGES, RowGroup
from .thrift_compact import Seen, rewrite

_HEADER_UNCOMPRESSED, _HEADER_COMPRESSED, _HEADER_CRC = 2, 3, 4
_GROUP_UNCOMPRESSED, _GROUP_COMPRESSED = 2, 6
_CHUNK_UNCOMPRESSED, _CHUNK_COMPRESSED, _CHUNK_SIZE_STATISTICS = 6, 7, 16
_STATISTICS_BYTES, _INDEX_BYTES = 1, 2
_PAGE_COMPRESSED = 2
_LENGTH_BYTES = 4

LayOut = Callable[[bytes], np.ndarray]
"""Makes a page that begins with these bytes, its definition levels, followed by the values: each is a length
of four bytes, little endian, and that many bytes."""


def fill_first_column(group: RowGroup, lay_out: LayOut, compress: Compress) -> RowGroup:
    """Returns the row group with values in its first column.

    Args:
        group: a row group whose first column holds empty byte strings in one plain page, with codec zstd.
        lay_out: lays out the page with the values.
        compress: compresses the page into a zstd frame.
    """
    sizes = Seen()
    header, start = rewrite(group.pages, {_HEADER_UNCOMPRESSED: sizes, _HEADER_COMPRESSED: sizes})
    empty_bytes, empty_compressed = sizes
    stop = start + empty_compressed
    empty = pa.decompress(group.pages[start:stop], empty_bytes, codec="zstd", asbytes=True)
    page = lay_out(empty[: _LENGTH_BYTES + int.from_bytes(empty[:_LENGTH_BYTES], "little")])
    content = compress(page)
    crc = isal_zlib.crc32(content)
    numbers = {
        _HEADER_UNCOMPRESSED: lambda _: page.nbytes,
        _HEADER_COMPRESSED: lambda _: len(content),
        _HEADER_CRC: lambda _: crc - (crc >> 31 << 32),  # as a signed number
    }
    header, _ = rewrite(header, numbers)
    return _grown(
        group._replace(pages=b"".join([header, content, group.pages[stop:]])),
        values=page.nbytes - empty_bytes,
        header=len(header) - start,
        content=len(content) - empty_compressed,
    )


def _grown(group: RowGroup, *, values: int, header: int, content: int) -> RowGroup:
    """Returns the row group with metadata for a first page that is longer by these numbers of bytes.

    Args:
        group: the row group, unchanged except for its pages.
        values: bytes added to the uncompressed page.
        header: bytes added to the page's header.
        content: bytes added to the compressed page.
    """
    uncompressed, compressed = header + values, header + content

    def moved(offset: int) -> int:
        return offset + compressed if offset > len(MAGIC) else offset

    chunk = {
        _CHUNK_UNCOMPRESSED: _first_grows(uncompressed),
        _CHUNK_COMPRESSED: _first_grows(compressed),
        _CHUNK_SIZE_STATISTICS: {_STATISTICS_BYTES: _first_grows(values)},
        **dict.fromkeys(PAGE_OFFSETS, moved),
    }
    changes = {
        COLUMNS: {CHUNK_OFFSET: moved, CHUNK: chunk},
        _GROUP_UNCOMPRESSED: lambda size: size + uncompressed,
        _GROUP_COMPRESSED: lambda size: size + compressed,
    }
    index = {
        PAGES: {PAGE_OFFSET: moved, _PAGE_COMPRESSED: _first_grows(compressed)},
        _INDEX_BYTES: _first_grows(values),
    }
    return group._replace(
        metadata=rewrite(group.metadata, changes)[0],
        offset_indexes=[rewrite(offsets, index)[0] for offsets in group.offset_indexes],
    )


def _first_grows(more: int) -> Callable[[int], int]:
    """Returns a function that adds to the first number that it receives, the first column's."""
    amounts = itertools.chain([more], itertools.repeat(0))
    return lambda number: number + next(amounts)
