"""Defines the shape and colour of a dataset's frames, which every stage takes from one small value."""

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UnknownNameError
from .protocol import FRAME_SHAPE

LARGEST_SIDE = 512
"""The largest height and width of a frame, in pixels."""
MOST_GROUP_ROWS = 2048
"""The most steps in a row group: 14 MB of 84×84 grey frames."""
_MOST_GROUP_BYTES = 1 << 24
"""The most bytes of frames in a row group: what the window of the compression spans."""
_GREY, _RGB = "grey", "rgb"
_NAME = re.compile(rf"({_GREY}|{_RGB})([1-9][0-9]{{0,3}})(?:x([1-9][0-9]{{0,3}}))?")


@dataclass(frozen=True)
class FrameFormat:
    """The height, width and colour of frames.

    Arrays of frames are laid out as in Gymnasium: (…, height, width) for grey ones, without an axis for the
    channel, and (…, height, width, 3) for colour ones; both uint8.

    Raises:
        ValueError: a side is not from 1 to 512 pixels, or there are not 1 or 3 channels.
    """

    height: int
    """In pixels."""
    width: int
    """In pixels."""
    channels: int = 1
    """1 for grey, 3 for RGB."""

    def __post_init__(self) -> None:
        if not (1 <= self.height <= LARGEST_SIDE and 1 <= self.width <= LARGEST_SIDE):
            raise ValueError(
                f"frames of {self.height}×{self.width} pixels: expected 1 to {LARGEST_SIDE} each way"
            )
        if self.channels not in (1, 3):
            raise ValueError(f"frames of {self.channels} channels: expected 1 (grey) or 3 (RGB)")

    @classmethod
    def parse(cls, name: str) -> "FrameFormat":
        """Returns the format of a name: `grey84`, `rgb64`, or with height and width `rgb210x160`.

        Raises:
            UnknownNameError: it is not the name of a format.
        """
        found = _NAME.fullmatch(name)
        try:
            if found is None:
                raise ValueError("expected grey or rgb and the size in pixels")
            colour, height, width = found.groups()
            return cls(int(height), int(width or height), 3 if colour == _RGB else 1)
        except ValueError as error:
            raise UnknownNameError(
                f"unknown frame format {name!r} ({error}); for example grey84, rgb64 or rgb210x160"
            ) from None

    @classmethod
    def of_shape(cls, shape: Sequence[int]) -> "FrameFormat":
        """Returns the format of a frame's array: (height, width) or (height, width, 3).

        Raises:
            ValueError: no frame has this shape.
        """
        if len(shape) == 2:
            return cls(shape[0], shape[1])
        if len(shape) == 3 and shape[2] == 3:
            return cls(shape[0], shape[1], 3)
        raise ValueError(f"frames of shape {tuple(shape)}: expected (height, width) or (height, width, 3)")

    @property
    def name(self) -> str:
        """The name: `grey84`, `rgb64` or `rgb210x160`, which `parse` understands."""
        size = f"{self.height}" if self.height == self.width else f"{self.height}x{self.width}"
        return f"{_GREY if self.channels == 1 else _RGB}{size}"

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of a frame's array: (height, width) or (height, width, 3)."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, self.channels)

    @property
    def nbytes(self) -> int:
        """The number of bytes in a frame's array."""
        return math.prod(self.shape)

    @property
    def rows_in_group(self) -> int:
        """The number of steps in each row group but a shard's last: a power of two, 2,048 at most."""
        fit = _MOST_GROUP_BYTES // self.nbytes
        return min(1 << fit.bit_length() - 1, MOST_GROUP_ROWS)

    def describe(self) -> str:
        """Returns the format in words: `84×84 grey` or `210×160 RGB`, height first."""
        return f"{self.height}×{self.width} {'grey' if self.channels == 1 else 'RGB'}"

    def __str__(self) -> str:
        return self.name


GREY84 = FrameFormat(*FRAME_SHAPE)
"""The format of the DQN Replay Dataset, and the default everywhere."""
