"""Stacks frames without ever crossing an episode's start."""

import numpy as np

from .errors import DatasetError

BLANK = 0
"""The pool's row of zeros."""


def check_stack(frame_stack: int) -> None:
    """Check that a stack has at least one frame.

    Raises:
        DatasetError: the stack has no frames.
    """
    if frame_stack < 1:
        raise DatasetError(f"frame_stack={frame_stack}: expected 1 or more")


def stack_rows(rows: np.ndarray, step: np.ndarray, frame_stack: int) -> np.ndarray:
    """Returns the rows of the frames up to each row, oldest first.

    As in Dopamine, frames before the episode's start are blank.

    Args:
        rows: (…), rows of a pool.
        step: (…), the steps since the episode's start; below 0 for a stack that is all blank.
        frame_stack: the number of frames in a stack.

    Returns:
        (…, frame_stack) int64.
    """
    back = np.arange(frame_stack - 1, -1, -1)
    return np.where(back <= step[..., None], rows[..., None] - back, BLANK)
