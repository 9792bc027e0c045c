"""Draws moments of play from the first to the last checkpoint: a column of frames for each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...format.numbers import spread
from .webp import still

COLUMNS = 10
"""Checkpoints on a sheet."""
ROWS = 3
"""Moments of each."""

_GAP = 4
_CAPTION = 18
_CAPTION_WIDTH = 84
_BACKGROUND, _INK = 255, 90


@dataclass(frozen=True)
class Moments:
    """Frames of one checkpoint."""

    checkpoint: int
    frames: Sequence[NDArray[np.uint8]]
    """Up to ROWS frames, all of one shape, in order of play."""


def contact_sheet(moments: Sequence[Moments], *, columns: int = COLUMNS, rows: int = ROWS) -> bytes:
    """Returns the sheet as a WebP file.

    Args:
        moments: those of up to COLUMNS checkpoints, in order.
        columns: the number of checkpoints to show, evenly spaced among them.
        rows: the number of frames to show of each.
    """
    shown = [moments[place] for place in spread(len(moments), columns)]
    count = max(min(rows, len(each.frames)) for each in shown)
    example = shown[0].frames[0]
    height, width = example.shape[:2]
    cell = max(width, _CAPTION_WIDTH)
    size = len(shown) * (cell + _GAP) + _GAP, _CAPTION + count * (height + _GAP)
    sheet = Image.new("L", size, _BACKGROUND)
    if example.ndim == 3:
        sheet = sheet.convert("RGB")
    ink = _INK if example.ndim == 2 else (_INK,) * 3
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, each in enumerate(shown):
        left = _GAP + column * (cell + _GAP)
        caption = f"checkpoint {each.checkpoint}"
        draw.text((left + cell / 2, _CAPTION / 2), caption, fill=ink, font=font, anchor="mm")
        for row, place in enumerate(spread(len(each.frames), rows)):
            sheet.paste(
                Image.fromarray(each.frames[place]),
                (left + (cell - width) // 2, _CAPTION + row * (height + _GAP)),
            )
    return still(sheet)
