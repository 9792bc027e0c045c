"""Encodes columns of frames as PNGs and decodes them: any PNG reader shows them, and zstd sees their pixels.

Every frame of a format becomes a PNG with the same length and layout (7,208 bytes for 84×84 grey), so a whole
column is written and read with array slices.
"""

import io
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..errors import AtariReplayError
from .frame_format import GREY84, LARGEST_SIDE, FrameFormat
from .stored_png import format_in_header, stored_png

if TYPE_CHECKING:
    from PIL import Image

_UNREADABLE = (OSError, ValueError, SyntaxError)
"""What Pillow raises for damaged images."""

IMAGE_TYPE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
"""The Arrow type that `datasets.Image` is stored as."""


def encode_frames(*blocks: np.ndarray) -> pa.StructArray:
    """Encode frames as an Arrow column of images, as `datasets.Image` stores them.

    Args:
        blocks: arrays to encode one after another, each of shape (n, height, width) or (n, height, width, 3)
            and dtype uint8; all frames have the same format.

    Raises:
        ValueError: the blocks have the wrong shape or dtype, or hold more than the 2 GiB of images that fit
            in a column: 297,000 frames of 84×84 grey.
    """
    png = stored_png(FrameFormat.of_shape(blocks[0].shape[1:]) if blocks else GREY84)
    rows = sum(map(len, blocks))
    if rows * len(png) >= 1 << 31:
        raise ValueError(f"{rows:,} frames are more than one Arrow column can hold; encode them in blocks")
    pngs = np.empty((rows, len(png)), np.uint8)
    pngs[:] = np.frombuffer(png.blank, np.uint8)
    png.fill(pngs, blocks)
    return _image_column(pngs)


def decode_frames(column: pa.Array | pa.ChunkedArray, frame_format: FrameFormat | None = None) -> np.ndarray:
    """Decode an Arrow column of observations into an array of uint8: (n, 84, 84) for 84×84 grey frames.

    The column is what `with_format("arrow")` returns: `batch["observation"]`. Grey frames come as
    (n, height, width), colour ones as (n, height, width, 3). Stored PNGs are sliced without an image library;
    images that another tool has rewritten are decoded with Pillow.

    Args:
        column: the images, all of one format.
        frame_format: the expected format; by default that of the first image, and 84×84 grey for a column
            without rows.

    Raises:
        AtariReplayError: `column` is not a column of images, or a row is null, or not a grey or RGB PNG with
            8 bits per channel, of the expected format.
    """
    if not isinstance(column, (pa.Array, pa.ChunkedArray)):
        raise AtariReplayError(
            f'expected an Arrow column of images, as with_format("arrow") gives; got {type(column).__name__}'
        )
    chunks = [
        _pngs_of(chunk) for chunk in (column.chunks if isinstance(column, pa.ChunkedArray) else [column])
    ]
    if frame_format is None:
        firsts = (chunk[0].as_py() for chunk in chunks if len(chunk))
        first = next(firsts, None)
        frame_format = GREY84 if first is None else _format_of(first)
    frames = np.empty((len(column), *frame_format.shape), np.uint8)
    start = 0
    for chunk in chunks:
        frames[start : start + len(chunk)] = _decode_chunk(chunk, frame_format)
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


def _pngs_of(chunk: pa.Array) -> pa.BinaryArray | pa.LargeBinaryArray:
    """Returns the images' bytes.

    Raises:
        AtariReplayError: `chunk` is not a column of images, or a row is null.
    """
    is_struct = pa.types.is_struct(chunk.type) and chunk.type.get_field_index("bytes") >= 0
    data = chunk.field("bytes") if is_struct else chunk
    if not pa.types.is_large_binary(data.type) and not pa.types.is_binary(data.type):
        raise AtariReplayError(f"expected a column of images (struct of bytes and path), got {chunk.type}")
    if chunk.null_count or data.null_count:
        raise AtariReplayError("the column of observations has rows without an image")
    return data


def _decode_chunk(data: pa.BinaryArray | pa.LargeBinaryArray, frame_format: FrameFormat) -> np.ndarray:
    offset_type = np.int64 if pa.types.is_large_binary(data.type) else np.int32
    offsets = np.frombuffer(data.buffers()[1], offset_type)[data.offset : data.offset + len(data) + 1]
    png = stored_png(frame_format)
    if len(data) and (np.diff(offsets) == len(png)).all():
        values = np.frombuffer(data.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
        frames = png.frames_in(values.reshape(len(data), len(png)))
        if frames is not None:
            return frames
    decoded = [_decode_with_pillow(value.as_py(), frame_format) for value in data]
    return np.array(decoded, np.uint8).reshape(-1, *frame_format.shape)


def _format_of(png: bytes) -> FrameFormat:
    found = format_in_header(png)
    if found is not None:
        return found
    image = _open(png)
    raise AtariReplayError(
        f"an observation is an image of {image.width}×{image.height} pixels in mode {image.mode}, expected a "
        f"grey or RGB PNG with 8 bits per channel, of up to {LARGEST_SIDE}×{LARGEST_SIDE} pixels"
    )


def _decode_with_pillow(png: bytes, frame_format: FrameFormat) -> np.ndarray:
    image = _open(png)
    expected = (frame_format.width, frame_format.height), ("L" if frame_format.channels == 1 else "RGB")
    if (image.size, image.mode) != expected:
        raise AtariReplayError(
            f"an observation is an image of {image.height}×{image.width} in mode {image.mode}, expected "
            f"{frame_format.describe()}"
        )
    try:
        return np.asarray(image)
    except _UNREADABLE as error:
        raise _unreadable(error) from None


def _open(png: bytes) -> "Image.Image":
    from PIL import Image

    try:
        return Image.open(io.BytesIO(png), formats=["PNG"])
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> AtariReplayError:
    return AtariReplayError(f"an observation is not an image that can be read ({error})")
