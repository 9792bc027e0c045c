"""Lays out a Parquet page of frames as stored PNGs, in memory that is reused for the next page.

Allocating and clearing new memory takes longer than writing the frames into it.
"""

import struct

import numpy as np

from ...format.frame_format import FrameFormat
from ...format.stored_png import stored_png

_LEVELS_ROOM = 64
"""Bytes reserved for the definition levels, which take fewer and end where the frames begin."""


class FramesPage:
    """Reusable memory for a page of frames of one format."""

    def __init__(self, frame_format: FrameFormat) -> None:
        self._png = stored_png(frame_format)
        self._value = struct.pack("<I", len(self._png)) + self._png.blank
        self._memory = np.empty(_LEVELS_ROOM, np.uint8)

    def lay_out(self, levels: bytes, frames: list[np.ndarray]) -> np.ndarray:
        """Returns the page, valid until the next call; clears the list of frames."""
        rows = sum(map(len, frames))
        if len(self._values()) < rows:
            self._memory = np.empty(_LEVELS_ROOM + rows * len(self._value), np.uint8)
            self._values()[:] = np.frombuffer(self._value, np.uint8)
        values = self._values()[:rows]
        self._png.fill(values[:, -len(self._png) :], frames)
        frames.clear()
        page = self._memory[_LEVELS_ROOM - len(levels) : _LEVELS_ROOM + values.size]
        page[: len(levels)] = np.frombuffer(levels, np.uint8)
        return page

    def _values(self) -> np.ndarray:
        return self._memory[_LEVELS_ROOM:].reshape(-1, len(self._value))
