"""What `verify` says of maps that are no proper PNGs, such as those of strangers' datasets."""

import struct
import tracemalloc
import zlib

import numpy as np
import pyarrow as pa
import pytest
from atari_dqn_replay.builder.format.packed_png import packed_png
from atari_dqn_replay.builder.verification.pngs import check_pictures


def maps(*pngs: bytes | None) -> pa.ChunkedArray:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    return pa.chunked_array([pa.array([{"bytes": png, "path": None} for png in pngs], kind)])


def with_chunk(png: bytes, name: bytes, data: bytes) -> bytes:
    """The PNG with other data in a chunk, and the right checksum."""
    place = png.index(name)
    end = place + 4 + struct.unpack(">I", png[place - 4 : place])[0] + 4
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return png[: place - 4] + chunk + png[end:]


GOOD = packed_png(np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3))


def test_a_map_that_inflates_to_more_than_its_pixels_takes_no_memory() -> None:
    bomb = with_chunk(GOOD, b"IDAT", zlib.compress(bytes(100_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="pixels end too early or too late"):
            check_pictures(maps(GOOD, bomb))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_map_is_not_larger_than_4096_by_4096() -> None:
    large = with_chunk(GOOD, b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2, 8, 2, 0, 0, 0))
    with pytest.raises(ValueError, match=r"2,147,483,647×2 pixels, expected at most 4096×4096"):
        check_pictures(maps(large))


def test_a_map_that_is_null_is_reported() -> None:
    with pytest.raises(ValueError, match="an image is null"):
        check_pictures(maps(GOOD, None))
