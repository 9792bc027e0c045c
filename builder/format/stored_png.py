"""Lays out PNGs whose pixels are stored, not deflated: all of one format have the same length and layout.

The layout follows the PNG specification (ISO/IEC 15948), with one IDAT chunk that holds stored deflate blocks
(RFC 1951) of rows with filter 0. A block holds at most 65,535 bytes, here whole rows; frames up to 255×255
grey or 147×147 RGB need only one.
"""

import functools
import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from isal import isal_zlib

from .frame_format import FrameFormat

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_IN_BLOCK = 65_535
"""The most bytes in a stored deflate block."""
COLOUR_TYPES = {1: 0, 3: 2}
"""PNG's colour type for a number of channels: greyscale or truecolour."""
_HEADER = struct.Struct(">IIBB")
_HEADER_AT = len(SIGNATURE) + 8


class Band(NamedTuple):
    """Consecutive rows of pixels that one deflate block stores, and where in the PNG."""

    rows: slice
    """The rows of the frame."""
    place: slice
    """The bytes of the PNG: for each row a filter byte, which is 0, and its pixels."""


class StoredPng:
    """The layout of all stored PNGs of one format; get it from `stored_png`."""

    def __init__(self, frame_format: FrameFormat) -> None:
        self.format = frame_format
        self._row_bytes = 1 + frame_format.width * frame_format.channels
        raw = frame_format.height * self._row_bytes
        most = MOST_IN_BLOCK // self._row_bytes
        firsts = range(0, frame_format.height, most)
        blocks = b"\x78\x01"  # zlib's header
        colour = COLOUR_TYPES[frame_format.channels]
        header = _HEADER.pack(frame_format.width, frame_format.height, 8, colour) + bytes(3)
        idat = struct.pack(">I", len(blocks) + 5 * len(firsts) + raw + 4) + b"IDAT"
        head = SIGNATURE + png_chunk(b"IHDR", header) + idat
        self.bands: list[Band] = []
        """The deflate blocks, in order."""
        for first in firsts:
            rows = min(most, frame_format.height - first)
            size = rows * self._row_bytes
            blocks += struct.pack("<BHH", first + rows == frame_format.height, size, size ^ 0xFFFF)
            start = len(head) + len(blocks)
            self.bands.append(Band(slice(first, first + rows), slice(start, start + size)))
            blocks += bytes(size)
        self.pixels = self.bands[0].place.start
        """Where the first row begins."""
        self.adler = len(head) + len(blocks)
        """Where the Adler-32 of the rows lies, and behind it the CRC-32 of the chunk."""
        self.crc = self.adler + 4
        self.blank = head + blocks + bytes(4 + 4) + png_chunk(b"IEND", b"")
        """The bytes common to all PNGs of the format, with zeros for the pixels and their checksums."""
        self._crc_of_head = isal_zlib.crc32(self.blank[len(head) - 4 : self.pixels])
        self._fixed = np.frombuffer(self.blank, np.uint8)

    def __len__(self) -> int:
        return len(self.blank)

    def fill(self, pngs: np.ndarray, blocks: Iterable[np.ndarray]) -> None:
        """Write frames into PNGs: copies of `blank`, or PNGs whose frames are overwritten.

        Args:
            pngs: shape (n, bytes), uint8.
            blocks: arrays of n frames in all, each of shape (m, *format.shape), uint8.

        Raises:
            ValueError: the frames have the wrong shape or dtype.
        """
        start = 0
        for frames in blocks:
            if frames.dtype != np.uint8 or frames.shape[1:] != self.format.shape:
                raise ValueError(
                    f"expected frames of shape {('n', *self.format.shape)} and dtype uint8, got "
                    f"{frames.shape} {frames.dtype}"
                )
            stop = start + len(frames)
            whole = np.ascontiguousarray(frames)
            for band in self.bands:
                pixels = self._rows(pngs[start:stop], band)[:, :, 1:]
                # Copied as items of a whole row each, which takes half the time that bytes take.
                row = np.dtype((np.void, pixels.shape[-1]))
                pixels.view(row)[:] = whole[:, band.rows].reshape(pixels.shape).view(row)
            start = stop
        self._write(pngs, self.adler, self._adlers(pngs))
        checked = pngs[:, self.pixels : self.crc]
        self._write(pngs, self.crc, (isal_zlib.crc32(row, self._crc_of_head) for row in checked))

    def frames_in(self, pngs: np.ndarray) -> np.ndarray | None:
        """Returns the frames of PNGs of shape (n, bytes): a view, or None if they have another layout."""
        start = 0
        for band in self.bands:
            if (pngs[:, start : band.place.start] != self._fixed[start : band.place.start]).any():
                return None
            start = band.place.stop
        bands = [self._rows(pngs, band) for band in self.bands]
        if any(rows[:, :, 0].any() for rows in bands):
            return None
        pixels = [rows[:, :, 1:] for rows in bands]
        together = pixels[0] if len(pixels) == 1 else np.concatenate(pixels, axis=1)
        return together.reshape(len(pngs), *self.format.shape) if self.format.channels > 1 else together

    def _rows(self, pngs: np.ndarray, band: Band) -> np.ndarray:
        """Returns a view of a band of PNGs, of shape (n, rows, row_bytes)."""
        count = band.rows.stop - band.rows.start
        return pngs[:, band.place].reshape(len(pngs), count, self._row_bytes)

    def _adlers(self, pngs: np.ndarray) -> Iterable[int]:
        first, *others = [pngs[:, band.place] for band in self.bands]
        sums: Iterable[int] = map(isal_zlib.adler32, first)
        for rows in others:
            sums = map(isal_zlib.adler32, rows, sums)
        return sums

    def _write(self, pngs: np.ndarray, place: int, sums: Iterable[int]) -> None:
        numbers = np.fromiter(sums, np.uint32, len(pngs))
        pngs[:, place : place + 4] = numbers.astype(">u4")[:, None].view(np.uint8)


@functools.cache
def stored_png(frame_format: FrameFormat) -> StoredPng:
    """Returns the layout of stored PNGs of a format."""
    return StoredPng(frame_format)


def format_in_header(png: bytes | memoryview) -> FrameFormat | None:
    """Returns the format that a PNG's header states; None if it is not grey or RGB with 8 bits a channel."""
    if len(png) < _HEADER_AT + _HEADER.size or bytes(png[: len(SIGNATURE)]) != SIGNATURE:
        return None
    width, height, depth, colour = _HEADER.unpack_from(png, _HEADER_AT)
    channels = {colour: channels for channels, colour in COLOUR_TYPES.items()}.get(colour)
    try:
        return FrameFormat(height, width, channels) if channels and depth == 8 else None
    except ValueError:
        return None


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Returns a chunk of a PNG: its length, name, data and CRC-32."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
