"""Tells an episode's padding from its first frames.

Loaders that cut the bucket's dumps after each terminal row save the three blank rows before each episode with
it, except where a dump begins in the middle: that episode lacks its beginning. Stores written from whole
episodes have no padding. A game's own first frames can be black too, so blank rows alone prove nothing: which
kind of store it is, the majority of its episodes shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...format.protocol import PADDING_ROWS


@dataclass(frozen=True)
class Beginning:
    """How a stored episode begins."""

    blank: int
    """The number of leading rows that are zero in every array, at most PADDING_ROWS."""
    black: int
    """The number of leading black frames among those that were looked at."""

    @classmethod
    def of(cls, frames: np.ndarray, action: np.ndarray, reward: np.ndarray) -> "Beginning":
        """Returns the beginning of an episode, of which the first frames are given."""
        is_black = np.asarray(~frames.any(axis=(1, 2)))
        is_blank = is_black & (action[: len(frames)] == 0) & (reward[: len(frames)] == 0)
        return cls(_leading(is_blank[:PADDING_ROWS]), _leading(is_black))


def is_padded(beginnings: Sequence[Beginning]) -> bool:
    """Returns whether a store keeps padding, judging by some of its episodes."""
    padded = sum(beginning.blank == PADDING_ROWS for beginning in beginnings)
    return 2 * padded > len(beginnings)


def padding_rows(beginning: Beginning, usual_black: int) -> int:
    """Returns how many rows at the beginning of an episode are padding, in a store that keeps padding.

    Fewer than PADDING_ROWS are left where a dump began between them. Then black frames of the game itself,
    which may follow, are told from them by their usual number. So many blank rows are taken for padding even
    if some could be the game's: an episode that is cut there is rare, and black frames may vary in number.

    Args:
        beginning: how the episode begins.
        usual_black: the number of black frames with which an episode of this store usually begins, padding
            included.
    """
    if beginning.blank == PADDING_ROWS:
        return PADDING_ROWS
    return max(0, min(beginning.blank, beginning.black - (usual_black - PADDING_ROWS)))


def _leading(flags: np.ndarray) -> int:
    """Returns the number of leading flags that are set."""
    unset = np.flatnonzero(~flags)
    return int(unset[0]) if len(unset) else len(flags)
