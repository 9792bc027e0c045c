"""Stacks of frames that never reach across an episode's start."""

import numpy as np

from .errors import DatasetError

BLANK = 0
"""The row of zeros in a pool."""


def check_stack(frame_stack: int) -> None:
    """Refuse a stack of no frames.

    Raises:
        DatasetError: it is one.
    """
    if frame_stack < 1:
        raise DatasetError(f"frame_stack={frame_stack}: expected 1 or more")


def stack_rows(rows: np.ndarray, step: np.ndarray, frame_stack: int) -> np.ndarray:
    """The rows of the frames up to each row, oldest first.

    As in Dopamine, frames before the episode's start are blank.

    Args:
        rows: (…) rows of a pool.
        step: (…) steps since the episode's start; below 0 for a stack that is all blank.
        frame_stack: frames in a stack.

    Returns:
        (…, frame_stack) int64.
    """
    back = np.arange(frame_stack - 1, -1, -1)
    return np.where(back <= step[..., None], rows[..., None] - back, BLANK)
