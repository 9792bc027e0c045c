"""Which step lies in each row of an original log file: the way back from whole episodes to the ring's dumps.

Let x be all steps of a run in order of play, with three blank rows before each episode. The file with number
N holds, in a ring of C rows, row r < c of x[N·C + r] and row r ≥ c of x[(N - 1)·C + r], where c is the ring's
cursor when it was dumped: C - 1 for all files but the last, which is dumped at the end of training.
"""

import contextlib
from collections.abc import Sequence

import fsspec
import numpy as np

from ..builder.format.checkpoint_id import CheckpointId
from ..builder.format.games import Game
from ..builder.format.layout import split_name
from ..builder.format.manifest import Manifest
from ..builder.format.protocol import PADDING_ROWS
from ..builder.sources.run import describe_numbers
from ..replay_reader.catalog import open_catalog
from ..replay_reader.errors import DatasetError
from .selection import Place, find_dataset

BLANK = -1
"""The step of a row that holds none: padding, or what was never written."""


def ring_rows(lengths: np.ndarray, capacity: int, number: int, cursor: int) -> np.ndarray:
    """For each row of a file the step that it holds, counted over the whole run.

    Args:
        lengths: steps of the run's episodes, in order of play from its beginning.
        capacity: rows of the ring.
        number: the file's.
        cursor: the ring's row that would have been written next.

    Returns:
        (capacity,) int64; BLANK where there is none.
    """
    row = np.arange(capacity)
    place = row + capacity * np.where(row < cursor, number, number - 1)
    ends = np.cumsum(lengths + PADDING_ROWS)
    episode = np.minimum(np.searchsorted(ends, place, "right"), len(lengths) - 1)
    within = place - (ends[episode] - lengths[episode])
    step = np.cumsum(lengths)[episode] - lengths[episode] + within
    blank = (place < 0) | (within < 0) | (within >= lengths[episode])
    return np.where(blank, BLANK, step)


class DumpRows:
    """The rows of one log file, as other loaders read them: padding, row order and repetitions as they were.

    Args:
        dataset: a folder or a repo; None takes it from the environment.
        game: which one.
        run: 1 to 5.
        number: the file's.

    Raises:
        DatasetError: the dataset lacks the file's checkpoint or one before it, was not made from such files,
            or its log has a hole, so that rows cannot be placed.
    """

    def __init__(self, dataset: Place | None, game: Game, run: int, number: int) -> None:
        catalog = open_catalog(find_dataset(dataset), f"{game.slug}-full", split_name(run))
        where = f"the rows of file {number} of {game}/{run}"
        folders = dict.fromkeys(shard.name.rsplit("/", 1)[0] for shard in catalog.shards)
        manifests = _manifests(list(folders), number, where)
        self.step: np.ndarray = _checked_rows(catalog.episodes["length"], manifests, where)
        """(C,) for each row its step in the run, or BLANK."""
        held = self.step[self.step != BLANK]
        ends = np.cumsum(catalog.episodes["length"])
        first, last = np.searchsorted(ends, [held.min(), held.max()], "right")
        self.checkpoints: list[int] = sorted(set(catalog.episodes["checkpoint"][first : last + 1].tolist()))
        """Those in which the file's episodes began."""
        begun = catalog.episodes["checkpoint"] < self.checkpoints[0]
        self.first_step: int = int(catalog.episodes["length"][begun].sum())
        """The run's step that is the first one of these checkpoints."""


def _manifests(folders: Sequence[str], number: int, where: str) -> list[Manifest]:
    """Those of the checkpoints up to a number, none of which may be missing."""
    manifests: dict[int, Manifest] = {}
    for folder in folders:
        manifest = _read_manifest(folder, where)
        manifests[manifest.checkpoint] = manifest
    missing = [each for each in range(number + 1) if each not in manifests]
    if missing:
        raise DatasetError(
            f"{where} need checkpoints 0 to {number}; the dataset has {describe_numbers(sorted(manifests))}. "
            f"Build those too, or take the clean rows"
        )
    return [manifests[each] for each in range(number + 1)]


def _read_manifest(folder: str, where: str) -> Manifest:
    """That of the checkpoint whose shards lie in a folder."""
    root, _, place = folder.rpartition("/data/")
    checkpoint = CheckpointId.at(place)
    paths = [f"{root}/{path}" for path in checkpoint.manifests] if checkpoint is not None else [folder]
    for path in paths:
        with contextlib.suppress(FileNotFoundError), fsspec.open(path, "rb") as file:
            return Manifest.from_json(file.read(), path)  # pyright: ignore[reportAttributeAccessIssue]
    raise DatasetError(f"{paths[0]} is missing, and {where} cannot be placed without it")


def _checked_rows(lengths: np.ndarray, manifests: Sequence[Manifest], where: str) -> np.ndarray:
    """The rows of the last file, if all before it hold what the episodes say."""
    last, number = manifests[-1], len(manifests) - 1
    capacity = last.capacity
    if capacity is None:
        raise DatasetError(
            f"{where} cannot be placed: the dataset was not made from dumps of a replay buffer"
        )
    counts = [manifest.row_counts for manifest in manifests]
    written = sum(count.transitions + count.padding for count in counts)
    cursor = written - number * capacity if last.partial else capacity - 1
    rows = ring_rows(lengths, capacity, number, cursor)
    padding = _padding_before(lengths, number * capacity + cursor)
    if written != number * capacity + cursor or padding != sum(count.padding for count in counts):
        raise DatasetError(
            f"{where} cannot be placed: its log has a hole (a lap that was never dumped, or a lost file); "
            f"take the clean rows"
        )
    return rows


def _padding_before(lengths: np.ndarray, rows: int) -> int:
    """How many of so many rows of the run are padding."""
    begins = np.cumsum(lengths + PADDING_ROWS) - lengths - PADDING_ROWS
    return int(np.clip(rows - begins, 0, PADDING_ROWS).sum())
