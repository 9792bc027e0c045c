"""Encodes single pictures as deflated PNGs; columns of frames have PNGs that are stored, see `frames`."""

import struct
import zlib

import numpy as np

from .stored_png import COLOUR_TYPES, SIGNATURE, png_chunk

_HEADER = struct.Struct(">8sI4sIIBBBBB")

LEVEL = 6
"""zlib's level: 9 makes a map of Crafter 4 % smaller, and takes three times as long."""


def packed_png(image: np.ndarray) -> bytes:
    """Returns a picture as a PNG, which depends on the pixels and the version of zlib alone.

    Args:
        image: shape (height, width) or (height, width, 3), uint8.
    """
    height, width, *channels = image.shape
    colour = COLOUR_TYPES[channels[0] if channels else 1]
    rows = np.zeros((height, 1 + image[0].size), np.uint8)  # each row begins with the number of its filter
    rows[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), LEVEL)), (b"IEND", b""))
    return SIGNATURE + b"".join(png_chunk(name, data) for name, data in chunks)


def read_shape(png: bytes) -> tuple[int, ...]:
    """Returns the shape of such a picture, by its header alone: (height, width) or (height, width, 3).

    Raises:
        ValueError: it begins as no such PNG does.
    """
    channels = {
        (8, colour, 0, 0, 0): () if count == 1 else (count,) for count, colour in COLOUR_TYPES.items()
    }
    if len(png) < _HEADER.size or (header := _HEADER.unpack_from(png))[:3] != (SIGNATURE, 13, b"IHDR"):
        raise ValueError("it does not begin as a PNG does")
    width, height, *kind = header[3:]
    if tuple(kind) not in channels:
        raise ValueError("it is not of 8 bits, grey or RGB")
    return height, width, *channels[tuple(kind)]
