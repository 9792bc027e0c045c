"""Checks, while a shard is read, that its rows are those of its episodes."""

from typing import NamedTuple

import numpy as np

from .errors import DatasetError
from .step_shards import Columns, StepShard

CHECKED = ("action", "terminated", "truncated", "checkpoint", "episode", "step")
"""The columns that `check_steps` examines."""


class Places(NamedTuple):
    """The positions of rows in their episodes; for rows in no episode, the values are meaningless."""

    episodes: np.ndarray
    """Each row's episode."""
    step: np.ndarray
    remaining: np.ndarray
    """The steps to the episode's end, including this one."""
    inside: np.ndarray
    """Whether the row lies in one of the episodes."""


def place_rows(episodes: np.ndarray, first: int, last: int) -> Places:
    """Locate rows first to last - 1 of a shard in its selected episodes, of which there is at least one."""
    rows = np.arange(first, last)
    of_row = episodes[np.maximum(0, np.searchsorted(episodes["first_row"], rows, "right") - 1)]
    step = rows - of_row["first_row"]
    remaining = of_row["length"] - step
    return Places(of_row, step, remaining, (step >= 0) & (remaining > 0))


def check_steps(shard: StepShard, columns: Columns, places: Places, first: int) -> None:
    """Compare rows with the episodes that they should belong to.

    Args:
        shard: the shard that was read.
        columns: the columns CHECKED, of consecutive rows.
        places: the places of these rows.
        first: the index in the shard of the first row.

    Raises:
        DatasetError: a row differs from the episodes table, or its action is not one of the game's.
    """
    check_actions(shard, columns["action"], first)
    ends = places.remaining == 1
    expected = {
        "step": places.step,
        "checkpoint": places.episodes["checkpoint"],
        "episode": places.episodes["episode"],
        "terminated": ends & places.episodes["terminated"],
        "truncated": ends & places.episodes["truncated"],
    }
    for name, values in expected.items():
        wrong = (columns[name] != values) & places.inside
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise DatasetError(
                f"{shard.name}: row {first + at:,}: {name} is {columns[name][at]}, expected {values[at]}: "
                f"episodes lie elsewhere than the episodes table says; build it again"
            )


def check_actions(shard: StepShard, actions: np.ndarray, first: int) -> None:
    """Check that the game has all actions in consecutive rows, the first of which is row `first`.

    Raises:
        DatasetError: an action is not one of the game's.
    """
    count = len(shard.action_names)
    if len(actions) and (actions.min() < 0 or actions.max() >= count):
        at = int(np.flatnonzero((actions < 0) | (actions >= count))[0])
        raise DatasetError(
            f"{shard.name}: row {first + at:,}: action is {actions[at]}, expected 0 to {count - 1}; "
            f"fetch or build it again"
        )
