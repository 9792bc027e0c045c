"""Locates each episode, from an episodes table or from the steps, and checks that the result is possible."""

import numpy as np
import pyarrow as pa

from ..builder.format.arrow_columns import array_of_column
from .checkpoint_files import CheckpointFiles
from .errors import DatasetError
from .step_shards import StepShard

EPISODE_FIELDS = np.dtype(
    [
        ("shard", "<i4"),
        ("first_row", "<i8"),
        ("length", "<i8"),
        ("checkpoint", "<i4"),
        ("episode", "<i4"),
        ("return", "<f4"),
        ("terminated", "?"),
        ("truncated", "?"),
        ("complete", "?"),
        ("start_unknown", "?"),
    ]
)
"""One entry per episode; `first_row` counts within the shard.

`start_unknown`: no episodes table lists it, so nothing says whether it began at a reset; then `complete` is
False, however it ended.
"""

AGAIN = "fetch or build this checkpoint again"


def episodes_of_table(checkpoint: CheckpointFiles, table: pa.Table) -> np.ndarray:
    """Returns the episodes of the selection's shards, according to their table.

    Returns:
        (n,) of dtype EPISODE_FIELDS.

    Raises:
        DatasetError: a row belongs to another checkpoint, or has impossible values.
    """
    where = checkpoint.table
    columns = {name: table[name] for name in table.column_names}
    numbers = {
        name: array_of_column(columns[name])
        for name in ("run", "checkpoint", "episode", "length", "return", "first_row")
    }
    flags = {name: array_of_column(columns[name]) for name in ("terminated", "truncated", "complete")}
    _check_place(checkpoint, columns["game"].to_pylist(), numbers, where)
    _check_rows(where, "length", numbers["length"], numbers["length"] < 1, "1 or more")
    _check_rows(where, "first_row", numbers["first_row"], numbers["first_row"] < 0, "0 or more")
    both = flags["terminated"] & flags["truncated"]
    _check_rows(where, "truncated", flags["truncated"], both, "False where terminated")
    ended = flags["terminated"] | flags["truncated"]
    _check_rows(where, "complete", flags["complete"], flags["complete"] & ~ended, "False where neither ended")
    shards, is_there = _shard_numbers(checkpoint, columns["file"].to_pylist())
    episodes = np.zeros(len(table), EPISODE_FIELDS)
    episodes["shard"] = shards
    for name, values in {**numbers, **flags}.items():
        if name != "run":
            episodes[name] = values
    return episodes[is_there]


def _check_place(
    checkpoint: CheckpointFiles, games: list[str], numbers: dict[str, np.ndarray], where: str
) -> None:
    """Check that rows belong to the path's game, run and checkpoint, with episodes numbered in order."""
    for name in set(games):
        if name != checkpoint.id.game.name:
            row = games.index(name)
            raise DatasetError(
                f"{where}: row {row:,}: game is {name!r}, expected {checkpoint.id.game}; {AGAIN}"
            )
    expected = {
        "run": checkpoint.id.run,
        "checkpoint": checkpoint.id.number,
        "episode": np.arange(len(games)),
    }
    for name, values in expected.items():
        wrong = np.flatnonzero(numbers[name] != values)
        if len(wrong):
            right = np.broadcast_to(values, len(games))[wrong[0]]
            raise DatasetError(
                f"{where}: row {wrong[0]:,}: {name} is {numbers[name][wrong[0]]}, expected {right}; {AGAIN}"
            )


def _check_rows(where: str, name: str, values: np.ndarray, wrong: np.ndarray, expected: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise DatasetError(
            f"{where}: row {rows[0]:,}: {name} is {values[rows[0]]}, expected {expected}; {AGAIN}"
        )


def _shard_numbers(checkpoint: CheckpointFiles, files: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns each row's shard within the selection, and whether the selection contains it."""
    known = {f"{checkpoint.id.folder}/{name}": number for name, number in checkpoint.shards.items()}
    count = next(iter(checkpoint.shards)).rpartition("-of-")[2]
    for row, file in enumerate(files):
        # Files outside the selection were left out when the files were chosen; see check_names.
        folder, _, name = file.rpartition("/")
        if file not in known and (folder != checkpoint.id.folder or not name.endswith(f"-of-{count}")):
            listed = ", ".join(sorted(known))
            raise DatasetError(
                f"{checkpoint.table}: row {row:,}: file is {file!r}, expected one of {listed}; {AGAIN}"
            )
    numbers = np.array([known.get(file, -1) for file in files], np.int64)
    return numbers, numbers >= 0


def check_tiling(shard: StepShard, episodes: np.ndarray, table: str) -> None:
    """Check that a shard's episodes fill its rows without a gap or an overlap.

    Args:
        shard: the shard that holds the rows.
        episodes: the episodes, (n,) of dtype EPISODE_FIELDS, in the table's order.
        table: the table that describes them, for messages.

    Raises:
        DatasetError: the episodes do not fill the rows exactly.
    """
    described = int(episodes["length"].sum())
    if shard.rows != described:
        raise DatasetError(
            f"{shard.name}: has {shard.rows:,} rows, the episodes tables describe {described:,}; {AGAIN}"
        )
    first = np.cumsum(episodes["length"]) - episodes["length"]
    wrong = np.flatnonzero(episodes["first_row"] != first)
    if len(wrong):
        at = wrong[0]
        raise DatasetError(
            f"{table}: episode {episodes['episode'][at]:,} begins in row {episodes['first_row'][at]:,} of "
            f"{shard.name}, expected {first[at]:,}, where the one before ends; {AGAIN}"
        )


def episodes_of_shard(shard: StepShard, number: int) -> np.ndarray:
    """Returns a shard's episodes from its numeric columns, for use where there is no episodes table.

    Args:
        shard: the shard to read.
        number: the shard's number within its selection.

    Returns:
        (n,) of dtype EPISODE_FIELDS.

    Raises:
        DatasetError: the steps are not in order of play, or do not begin with an episode's first.
    """
    columns = shard.read_numbers(["step", "checkpoint", "episode", "reward", "terminated", "truncated"])
    starts = np.flatnonzero(columns["step"] == 0)
    if shard.rows and (len(starts) == 0 or starts[0] != 0):
        raise DatasetError(
            f"{shard.name}: does not begin with the first step of an episode; give it whole, and share it "
            f"between processes with rank and world_size"
        )
    ends = np.append(starts[1:], shard.rows) if len(starts) else starts
    if not (columns["step"] == np.arange(shard.rows) - np.repeat(starts, ends - starts)).all():
        raise DatasetError(f"{shard.name}: steps are not in order of play; do not shuffle before reading")
    episodes = np.zeros(len(starts), EPISODE_FIELDS)
    episodes["shard"], episodes["first_row"], episodes["length"] = number, starts, ends - starts
    if len(starts):
        for name in ("checkpoint", "episode"):
            episodes[name] = columns[name][starts]
        for name in ("terminated", "truncated"):
            episodes[name] = columns[name][ends - 1]
        episodes["return"] = np.add.reduceat(columns["reward"].astype(np.float64), starts)
    # What is missing before step 0 leaves no trace in the steps, so `complete` stays False.
    episodes["start_unknown"] = True
    return episodes
