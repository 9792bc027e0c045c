"""Recognises episodes that a store holds twice.

A run's final dump repeats most of the dump before it. Cut after terminal rows, it gives the same episodes
again, and before them the end of one that the final dump's newer rows have partly overwritten.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import xxhash

from .stored import BLOCK_ROWS, EpisodeStore, StoredEpisode

_TAIL_ROWS = 16
"""Rows at the end of an episode by which others like it are looked up; fewer may be alike by chance."""


class _Seen(NamedTuple):
    place: int
    rows: int


class Repeats:
    """The episodes of a store that have been read so far; 24 bytes for each.

    Args:
        store: the store.
    """

    def __init__(self, store: EpisodeStore) -> None:
        self._store = store
        self._seen: dict[bytes, list[_Seen]] = defaultdict(list)
        """For a digest of the last numbers of an episode, those that end with them."""

    def has(self, place: int, episode: StoredEpisode, *, may_be_cut: bool) -> bool:
        """Returns whether an episode that was read earlier has the same rows, and adds it if not.

        Args:
            place: the episode's place in the store.
            episode: the episode, whose frames may have been read already.
            may_be_cut: whether it may be the end of a longer one.
        """
        like = self._seen[_digest_of_tail(episode)]
        rows = len(episode)
        may_be_cut = may_be_cut and rows >= _TAIL_ROWS
        for seen in like:
            if (seen.rows == rows or (may_be_cut and seen.rows > rows)) and self._are_same(place, seen):
                return True
        like.append(_Seen(place, rows))
        return False

    def _are_same(self, place: int, seen: _Seen) -> bool:
        """Returns whether an episode is the end of one that was read earlier, or all of it."""
        with self._store.open(place) as one, self._store.open(seen.place) as other:
            skipped = len(other) - len(one)
            if not (
                np.array_equal(one.action, other.action[skipped:])
                and np.array_equal(one.reward, other.reward[skipped:])
            ):
                return False
            for start in range(0, skipped, BLOCK_ROWS):
                other.frames.read(min(BLOCK_ROWS, skipped - start))
            blocks = (min(BLOCK_ROWS, len(one) - start) for start in range(0, len(one), BLOCK_ROWS))
            return all(np.array_equal(one.frames.read(rows), other.frames.read(rows)) for rows in blocks)


def _digest_of_tail(episode: StoredEpisode) -> bytes:
    numbers = episode.action[-_TAIL_ROWS:].tobytes() + episode.reward[-_TAIL_ROWS:].tobytes()
    return xxhash.xxh3_64_digest(numbers)
