"""Stacks of frames that never reach across an episode's start."""

import numpy as np

from .block_pool import FRAME_BYTES, FRAME_SHAPE, BlockPool
from .errors import DatasetError

BLANK = 0
"""The pool's row of zeros."""


def check_stack(frame_stack: int) -> None:
    """Refuse a stack of no frames.

    Raises:
        DatasetError: it is one.
    """
    if frame_stack < 1:
        raise DatasetError(f"frame_stack={frame_stack}: expected 1 or more")


def take_stacks(
    pool: BlockPool, rows: np.ndarray, step: np.ndarray, frame_stack: int, exists: np.ndarray
) -> np.ndarray:
    """For each row the frames up to it, oldest first, in one gather.

    As in Dopamine, frames before the episode's start are zeros.

    Args:
        pool: holds the frames.
        rows: (n,) rows of the pool.
        step: (n,) steps since the episode's start.
        frame_stack: frames in a stack.
        exists: (n,) False gives a stack of zeros.

    Returns:
        (n, frame_stack, 84, 84) uint8.
    """
    back = np.arange(frame_stack - 1, -1, -1)
    inside = (back <= step[:, None]) & exists[:, None]
    places = np.where(inside, rows[:, None] - back, BLANK)
    flat = pool.frames.reshape(-1, FRAME_BYTES)
    return flat[places].reshape(len(rows), frame_stack, *FRAME_SHAPE)
