"""Checks that a store's steps are those of the episodes that the tables say lie there."""

import numpy as np

from .errors import DatasetError
from .frame_store import TERMINATED, TRUNCATED, FrameStore


def check_places(name: str, store: FrameStore, episodes: np.ndarray) -> None:
    """Check that the episodes table agrees with the steps of a shard, which are known to count up.

    Args:
        name: the shard's name, for errors.
        store: its steps.
        episodes: its selected episodes, of dtype EPISODE_FIELDS.

    Raises:
        DatasetError: an episode begins, ends or is ended otherwise than the table says.
    """
    first, last = episodes["first_row"], episodes["first_row"] + episodes["length"] - 1
    after = np.minimum(last + 1, store.rows - 1)
    ends = np.where(episodes["terminated"], TERMINATED, np.where(episodes["truncated"], TRUNCATED, 0))
    wrong = (store.step[first] != 0) | (store.step[last] != episodes["length"] - 1)
    wrong |= ((last + 1 < store.rows) & (store.step[after] != 0)) | (store.end[last] != ends)
    if wrong.any():
        episode = episodes[wrong][0]
        last = episode["first_row"] + episode["length"] - 1
        raise DatasetError(
            f"{name}: episode {episode['episode']:,} of checkpoint {episode['checkpoint']} should lie in "
            f"rows {episode['first_row']:,} to {last:,} and be {_END_NAMES[int(ends[wrong][0])]}: found "
            f"steps {store.step[episode['first_row']]} to {store.step[last]}, "
            f"{_END_NAMES[int(store.end[last])]}: episodes lie elsewhere than the episodes table says; build "
            f"it again"
        )


_END_NAMES = {0: "cut off", TERMINATED: "terminated", TRUNCATED: "truncated"}
