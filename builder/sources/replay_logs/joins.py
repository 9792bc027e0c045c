"""Proves that one dump follows another, where no add_count says so.

A lap is never dumped if the padding and the first transition of an episode were written across its end, over
both of its last two rows. So what follows a skipped lap in the next dump, beginning with its last row, is
what is left of such a beginning: at most all but one of the padding rows, or the first transition. Whatever
else is found there proves that the lap before was dumped; and as numbers of dumps do not skip, that dump is
the one with the number before.
"""

from collections.abc import Sequence

import numpy as np

FEWEST_BEGINNINGS = 3
"""The fewest beginnings of episodes, all with one frame, from which a first transition is known."""


def prove_join(
    *,
    ends_with_terminal: bool,
    blank_rows: int,
    padding: int,
    black: int,
    frame: np.ndarray,
    first_frames: Sequence[np.ndarray],
) -> str | None:
    """Returns why a dump follows the one with the number before; None if that is not certain.

    Args:
        ends_with_terminal: whether the earlier dump ends with the end of an episode.
        blank_rows: the number of blank rows with which the later dump begins, in order of play.
        padding: the rows of padding before each episode.
        black: the black frames with which the game begins.
        frame: the later dump's first frame in order of play, from its last row.
        first_frames: the frames with which episodes begin elsewhere in it.
    """
    if ends_with_terminal:
        if padding and not black and blank_rows == padding:
            return "an episode ends before it, and all padding of the next follows"
        return None
    if blank_rows or len(first_frames) < FEWEST_BEGINNINGS:
        return None
    if any(not np.array_equal(each, first_frames[0]) for each in first_frames):
        return None
    if np.array_equal(frame, first_frames[0]):
        return None
    return f"it begins in mid-episode: {len(first_frames)} episodes begin with one frame, and this is another"
