"""The checksums of PNGs, which decoders other than ours compare."""

import itertools
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ..format.frame_format import FrameFormat
from ..format.frames import encode_frames
from ..format.stored_png import SIGNATURE

_AROUND = 12
"""The bytes of a chunk besides its data: the length, the name and the CRC."""
_LARGEST_PICTURE = 4096 * (1 + 3 * 4096)
"""The most bytes that a picture may inflate to; the maps of Crafter have 1024×1024 pixels."""


def check_images(column: pa.ChunkedArray | pa.Array, frames: np.ndarray) -> None:
    """Check that any reader of PNGs decodes what ours does.

    Args:
        column: the images.
        frames: what they were decoded to, shape (n, height, width) or (n, height, width, 3), uint8.

    Raises:
        ValueError: an image has a wrong checksum, data after its end, or a path.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    frame_format = FrameFormat.of_shape(frames.shape[1:])
    size = frame_format.height * (1 + frame_format.width * frame_format.channels)
    start = 0
    for chunk in chunks:
        stop = start + len(chunk)
        if chunk.field("path").null_count != len(chunk):
            raise ValueError("an image has a path, expected its bytes alone")
        images, expected = chunk.field("bytes"), encode_frames(frames[start:stop]).field("bytes")
        if not images.equals(expected.cast(images.type)):
            for row in range(len(chunk)):
                _check_png(images[row].as_py(), size)
        start = stop


def check_pictures(column: pa.ChunkedArray) -> None:
    """Check PNGs of any size, grey or RGB, that are not frames: the maps of worlds.

    Raises:
        ValueError: one is missing, damaged or too large, or has data after its end or a path.
    """
    for picture in itertools.chain.from_iterable(column.chunks):
        fields = picture.as_py() or {"bytes": None, "path": None}
        if fields["path"] is not None:
            raise ValueError("an image has a path, expected its bytes alone")
        if (png := fields["bytes"]) is None:
            raise ValueError("an image is null, expected a PNG")
        header = png[len(SIGNATURE) + 8 :][:10]
        if len(header) < 10:
            raise ValueError("an image does not begin as a PNG does")
        width, height, _, colour = struct.unpack(">IIBB", header)
        size = height * (1 + width * (3 if colour == 2 else 1))
        if size > _LARGEST_PICTURE:
            raise ValueError(f"an image has {width:,}×{height:,} pixels, expected at most 4096×4096")
        _check_png(png, size)


def _check_png(png: bytes, size: int) -> None:
    if not png.startswith(SIGNATURE):
        raise ValueError("an image does not begin as a PNG does")
    chunks = list(_chunks(png))
    names = [name for name, _ in chunks]
    if names[0] != b"IHDR" or names[-1] != b"IEND" or b"IEND" in names[:-1]:
        raise ValueError("an image does not begin with IHDR and end with IEND")
    inflator = zlib.decompressobj()
    try:
        # One byte more than expected shows an excess; the rest of it is not inflated, however much it is.
        pixels = inflator.decompress(b"".join(data for name, data in chunks if name == b"IDAT"), size + 1)
    except zlib.error as error:
        raise ValueError(f"an image's pixels are damaged ({error})") from None
    if not inflator.eof or inflator.unused_data or len(pixels) != size:
        raise ValueError("an image's pixels end too early or too late")


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(SIGNATURE)
    while position < len(png):
        length = int.from_bytes(png[position : position + 4], "big")
        end = position + _AROUND + length
        if end > len(png):
            raise ValueError("an image ends within a chunk")
        name, data = png[position + 4 : position + 8], png[position + 8 : end - 4]
        if struct.unpack(">I", png[end - 4 : end])[0] != zlib.crc32(name + data):
            raise ValueError(f"an image's chunk {name.decode(errors='replace')} has a wrong checksum")
        yield name, data
        position = end
