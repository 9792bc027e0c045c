"""Finds out with which stack_size a log was written, from the blank rows at the beginnings of episodes.

Dopamine's buffer writes stack_size - 1 rows of zeros before each episode: 3 in the original, of stack_size 4.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ...format.protocol import PADDING_ROWS

ROWS_EXAMINED = 1 << 16
"""The rows at the beginning of a dump in which beginnings of episodes are looked for."""
MOST_PADDING = 16
"""The most blank rows that are counted at a beginning."""
_BEGINNINGS = 4
"""The beginnings whose frames are looked at, where the numbers do not decide."""
_FEWEST = 2
"""The fewest beginnings from which another stack_size than the original's is concluded."""

ReadFrames = Callable[[int], Iterator[np.ndarray]]
"""Yields the frames of a dump's first rows, as many as are asked for, in blocks."""


def find_padding(
    numbers: np.ndarray, read_frames: ReadFrames, *, may_be_partial: bool, black: int
) -> int | None:
    """Returns how many rows of padding come before each episode; None if too few episodes show it.

    Args:
        numbers: actions, rewards and terminals of a dump's first rows, without its last row.
        read_frames: reads their frames, if they are needed.
        may_be_partial: whether one terminal row may be where the newest row meets older ones.
        black: the black frames with which the game itself begins.
    """
    ends = np.flatnonzero(numbers["terminal"])
    begins = ends[ends < len(numbers) - MOST_PADDING - 1] + 1
    blank = (numbers["action"] == 0) & (numbers["reward"] == 0) & (numbers["terminal"] == 0)
    runs = [_leading(blank[begin : begin + MOST_PADDING]) for begin in begins]
    if may_be_partial and runs:
        seam = int(np.argmin(runs))
        begins, runs = np.delete(begins, seam), [*runs[:seam], *runs[seam + 1 :]]
    if not runs:
        return None
    if min(runs) == PADDING_ROWS:
        return PADDING_ROWS  # no more rows can be padding, and the original has no fewer
    begins = begins[:_BEGINNINGS]
    frames = _black_frames(begins, read_frames)
    runs = [min(run, frame_run) for run, frame_run in zip(runs, frames, strict=False)]
    found = min(runs)
    if PADDING_ROWS <= found <= PADDING_ROWS + black:
        return PADDING_ROWS
    if len(runs) < _FEWEST:
        return None
    return found if found < PADDING_ROWS else found - black


def _black_frames(begins: np.ndarray, read_frames: ReadFrames) -> list[int]:
    """Returns the number of black frames at each of these rows."""
    lit = np.ones(int(begins[-1]) + MOST_PADDING, bool)
    start = 0
    for block in read_frames(len(lit)):
        lit[start : start + len(block)] = block.any(axis=tuple(range(1, block.ndim)))
        start += len(block)
    return [_leading(~lit[begin : begin + MOST_PADDING]) for begin in begins]


def _leading(flags: np.ndarray) -> int:
    unset = np.flatnonzero(~flags)
    return int(unset[0]) if len(unset) else len(flags)
