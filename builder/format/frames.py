"""Encodes frames as PNGs with stored, not deflated, pixels: any PNG reader shows them, and zstd sees them.

Every 84×84 greyscale frame becomes 7,208 bytes with the same layout, so a whole column is written and read
with array slices. The layout follows the PNG specification (ISO/IEC 15948), with one IDAT chunk that holds
one stored deflate block (RFC 1951) of rows with filter 0.
"""

import io
import struct
import zlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from isal import isal_zlib

from ..errors import AtariReplayError
from .protocol import FRAME_SHAPE

HEIGHT, WIDTH = FRAME_SHAPE
_ROW = 1 + WIDTH
_RAW = HEIGHT * _ROW


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


_HEAD = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0))
_STORED = b"\x78\x01" + b"\x01" + struct.pack("<HH", _RAW, _RAW ^ 0xFFFF)
_IDAT = struct.pack(">I", len(_STORED) + _RAW + 4) + b"IDAT" + _STORED
_PIXELS = len(_HEAD) + len(_IDAT)
_ADLER = _PIXELS + _RAW
_CRC = _ADLER + 4
_CRC_OF_HEAD = isal_zlib.crc32(b"IDAT" + _STORED)
BLANK_PNG = _HEAD + _IDAT + bytes(_RAW + 4 + 4) + _chunk(b"IEND", b"")
"""The bytes common to all stored PNGs, with zeros for the pixels and their checksums."""
PNG_BYTES = len(BLANK_PNG)
"""The length in bytes of every stored PNG: 7,208."""

IMAGE_TYPE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
"""The Arrow type that `datasets.Image` is stored as."""


def encode_frames(*blocks: np.ndarray) -> pa.StructArray:
    """Encode frames as an Arrow column of images, as `datasets.Image` stores them.

    Args:
        blocks: arrays to encode one after another, each of shape (n, 84, 84), uint8.

    Raises:
        ValueError: the blocks have the wrong shape or dtype, or hold more than the 297,000 frames that fit in
            a column.
    """
    rows = sum(map(len, blocks))
    if rows * PNG_BYTES >= 1 << 31:
        raise ValueError(f"{rows:,} frames are more than one Arrow column can hold; encode them in blocks")
    pngs = np.empty((rows, PNG_BYTES), np.uint8)
    pngs[:] = np.frombuffer(BLANK_PNG, np.uint8)
    fill_pngs(pngs, blocks)
    return _image_column(pngs)


def fill_pngs(pngs: np.ndarray, blocks: Iterable[np.ndarray]) -> None:
    """Write frames into PNGs: copies of BLANK_PNG, or PNGs whose frames are overwritten.

    Args:
        pngs: shape (n, PNG_BYTES), uint8.
        blocks: arrays of n frames in all, each of shape (m, 84, 84), uint8.

    Raises:
        ValueError: the frames have the wrong shape or dtype.
    """
    raw = pngs[:, _PIXELS:_ADLER]
    start = 0
    for frames in blocks:
        if frames.dtype != np.uint8 or frames.shape[1:] != (HEIGHT, WIDTH):
            raise ValueError(
                f"expected frames of shape (n, 84, 84) and dtype uint8, got {frames.shape} {frames.dtype}"
            )
        stop = start + len(frames)
        raw[start:stop].reshape(len(frames), HEIGHT, _ROW)[:, :, 1:] = frames
        start = stop
    adler = np.fromiter(map(isal_zlib.adler32, raw), np.uint32, len(pngs))
    pngs[:, _ADLER:_CRC] = adler.astype(">u4")[:, None].view(np.uint8)
    checked = pngs[:, _PIXELS:_CRC]
    crc = np.fromiter((isal_zlib.crc32(row, _CRC_OF_HEAD) for row in checked), np.uint32, len(pngs))
    pngs[:, _CRC : _CRC + 4] = crc.astype(">u4")[:, None].view(np.uint8)


def decode_frames(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Decode an Arrow column of observations into an array of shape (n, 84, 84), uint8.

    The column is what `with_format("arrow")` returns: `batch["observation"]`. Stored PNGs are sliced without
    an image library; images that another tool has rewritten are decoded with Pillow.

    Raises:
        AtariReplayError: `column` is not a column of images, or a row is null or not an 84×84 greyscale PNG.
    """
    if not isinstance(column, (pa.Array, pa.ChunkedArray)):
        raise AtariReplayError(
            f'expected an Arrow column of images, as with_format("arrow") gives; got {type(column).__name__}'
        )
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    frames = np.empty((len(column), HEIGHT, WIDTH), np.uint8)
    start = 0
    for chunk in chunks:
        frames[start : start + len(chunk)] = _decode_chunk(chunk)
        start += len(chunk)
    return frames


def empty_images(rows: int) -> pa.StructArray:
    """Returns a column of images of zero bytes each, with the same type as a column of frames."""
    return _image_column(np.empty((rows, 0), np.uint8))


def _image_column(pngs: np.ndarray) -> pa.StructArray:
    rows, png_bytes = pngs.shape
    offsets = png_bytes * np.arange(rows + 1, dtype=np.int32)
    data = pa.BinaryArray.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(pngs)])
    return pa.StructArray.from_arrays([data, pa.nulls(rows, pa.string())], fields=list(IMAGE_TYPE))


def _decode_chunk(chunk: pa.Array) -> np.ndarray:
    is_struct = pa.types.is_struct(chunk.type) and chunk.type.get_field_index("bytes") >= 0
    data = chunk.field("bytes") if is_struct else chunk
    is_large = pa.types.is_large_binary(data.type)
    if not is_large and not pa.types.is_binary(data.type):
        raise AtariReplayError(f"expected a column of images (struct of bytes and path), got {chunk.type}")
    if chunk.null_count or data.null_count:
        raise AtariReplayError("the column of observations has rows without an image")
    offset_type = np.int64 if is_large else np.int32
    offsets = np.frombuffer(data.buffers()[1], offset_type)[data.offset : data.offset + len(data) + 1]
    if len(data) and (np.diff(offsets) == PNG_BYTES).all():
        values = np.frombuffer(data.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
        pngs = values.reshape(len(data), PNG_BYTES)
        if (pngs[:, :_PIXELS] == np.frombuffer(BLANK_PNG, np.uint8, _PIXELS)).all():
            rows = pngs[:, _PIXELS:_ADLER].reshape(len(data), HEIGHT, _ROW)
            if not rows[:, :, 0].any():
                return rows[:, :, 1:]
    return np.array([_decode_with_pillow(value.as_py()) for value in data], np.uint8).reshape(
        -1, HEIGHT, WIDTH
    )


def _decode_with_pillow(png: bytes) -> np.ndarray:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(png), formats=["PNG"])
        if image.size != (WIDTH, HEIGHT) or image.mode != "L":
            raise AtariReplayError(
                f"expected an 84×84 greyscale image, got {image.size} in mode {image.mode}"
            )
        return np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise AtariReplayError(f"an observation is not an image that can be read ({error})") from None
