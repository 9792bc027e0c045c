"""Lays out a Parquet page of frames as stored PNGs, in memory that is reused for the next page.

Allocating and clearing new memory takes longer than writing the frames into it.
"""

import struct

import numpy as np

from ...format.frames import BLANK_PNG, PNG_BYTES, fill_pngs

_LENGTH = struct.pack("<I", PNG_BYTES)
_LEVELS_ROOM = 64
"""Bytes reserved for the definition levels, which take fewer and end where the frames begin."""


class FramesPage:
    """Reusable memory for a page of frames."""

    def __init__(self) -> None:
        self._memory = np.empty(_LEVELS_ROOM, np.uint8)

    def lay_out(self, levels: bytes, frames: list[np.ndarray]) -> np.ndarray:
        """Returns the page, valid until the next call; clears the list of frames."""
        rows = sum(map(len, frames))
        if len(self._values()) < rows:
            self._memory = np.empty(_LEVELS_ROOM + rows * len(_LENGTH + BLANK_PNG), np.uint8)
            self._values()[:] = np.frombuffer(_LENGTH + BLANK_PNG, np.uint8)
        values = self._values()[:rows]
        fill_pngs(values[:, len(_LENGTH) :], frames)
        frames.clear()
        page = self._memory[_LEVELS_ROOM - len(levels) : _LEVELS_ROOM + values.size]
        page[: len(levels)] = np.frombuffer(levels, np.uint8)
        return page

    def _values(self) -> np.ndarray:
        return self._memory[_LEVELS_ROOM:].reshape(-1, len(_LENGTH + BLANK_PNG))
