"""Numbers the actions of steps that `load_dataset` returned so that games fit together."""

from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ..builder.format.actions import FULL_ACTIONS
from ..builder.format.arrow_columns import column_of_list
from .errors import DatasetError
from .streams import is_stream, is_table

if TYPE_CHECKING:
    import datasets

Steps = TypeVar("Steps", "datasets.Dataset", "datasets.IterableDataset")


def align_actions(steps: Steps) -> Steps:
    """Returns the steps with actions numbered among ALE's 18 instead of the game's minimal set.

    An action's number means something else in each game: 2 is RIGHT in Pong and Breakout, UP in Seaquest. So
    `datasets` refuses to interleave or concatenate games as they are, and its `cast_column` renames actions
    instead of renumbering them.

    Args:
        steps: steps of one game, from `load_dataset` with or without `streaming=True`.

    Raises:
        DatasetError: it holds no steps, or an action is not one of ALE's 18.

    Example:

    ```python
    >>> from atari_dqn_replay import align_actions
    >>> from datasets import interleave_datasets, load_dataset
    >>> games = [
    ...     load_dataset("dataset", f"{game}-full", split="run_1", streaming=True)
    ...     for game in ("pong", "breakout")
    ... ]
    >>> both = interleave_datasets([align_actions(steps) for steps in games])
    ```
    """
    given: Any = steps
    feature: Any = (given.features or {}).get("action") if is_table(given) or is_stream(given) else None
    if not hasattr(feature, "names"):
        raise DatasetError(
            "align_actions: expected a Dataset or an IterableDataset of steps, as load_dataset returns it"
        )
    if unknown := [name for name in feature.names if name not in FULL_ACTIONS]:
        raise DatasetError(f"align_actions: action {unknown[0]!r} is not one of ALE's 18 actions")
    numbers = column_of_list([FULL_ACTIONS.index(name) for name in feature.names], pa.int64())

    def renumber(table: pa.Table) -> pa.Table:
        place = table.column_names.index("action")
        return table.set_column(place, "action", pc.take(numbers, table["action"]))

    features = given.features.copy()
    features["action"] = type(feature)(names=list(FULL_ACTIONS))
    # As Arrow tables: the frames need not be decoded.
    tables = given.with_format("arrow")
    if is_table(given):
        return tables.map(renumber, batched=True, features=features).with_format(None)
    # A stream that map is told the features of would no longer decode its images.
    return tables.map(renumber, batched=True).with_format(None).cast(features)
