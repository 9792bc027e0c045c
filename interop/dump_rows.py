"""Which step lies in each row of an original log file, as loaders that take the dumps as they are read it."""

from dataclasses import dataclass

import numpy as np

from ..builder.format.games import Game
from ..builder.sources.dataset_repo.run import RepoRun
from ..builder.sources.run import describe_numbers
from ..replay_reader.errors import DatasetError
from .export.bucket.log_layout import Blank, FileLayout
from .export.bucket.rebuilt_log import RebuiltLog
from .selection import Place, open_built

BLANK = -1
"""The step of a row that holds none: padding, or what was never written."""


@dataclass(frozen=True)
class DumpRows:
    """The rows of one log file: padding, order and repetitions as they were."""

    step: np.ndarray
    """(C,) int64: for each row its step among those of the checkpoints, in order of play, or BLANK."""
    checkpoints: list[int]
    """Those in which the file's episodes began."""


def find_dump_rows(dataset: Place | None, game: Game, run: int, number: int) -> DumpRows:
    """Returns which step lies in each row of a log file.

    Args:
        dataset: a folder or a repo; None takes it from the environment.
        game: which one.
        run: 1 to 5.
        number: the file's.

    Raises:
        DatasetError: the dataset lacks the file's checkpoint or one that it goes on from, or was not made
            from such files, so that rows cannot be placed.
    """
    opened = open_built(dataset).open_run(game, run)
    where = f"the rows of file {number} of {game}/{run}"
    log = RebuiltLog(opened)
    if not log.is_recorded:
        raise DatasetError(
            f"{where} cannot be placed: the dataset was not made from dumps of a replay buffer; take the "
            f"clean rows"
        )
    if number not in opened.checkpoints:
        raise DatasetError(
            f"{where} need checkpoint {number}; the dataset has {describe_numbers(opened.checkpoints)}. "
            f"Build it too, or take the clean rows"
        )
    if number not in log.layout.files:
        raise DatasetError(f"{where} cannot be placed: {log.layout.left_out[number]}; take the clean rows")
    file = log.layout.files[number]
    if any(isinstance(piece, Blank) and piece.unknown for piece in file.rows):
        raise DatasetError(
            f"{where} need the checkpoint before, where their first episode began; the dataset has "
            f"{describe_numbers(opened.checkpoints)}. Build it too, or take the clean rows"
        )
    return _place(file, opened)


def _place(file: FileLayout, run: RepoRun) -> DumpRows:
    pieces = (*file.rows, file.last_row)
    checkpoints = sorted({piece.checkpoint for piece in pieces if not isinstance(piece, Blank)})
    begins, steps = {}, 0
    for checkpoint in checkpoints:
        lengths = np.array([episode.length for episode in run.recorded(checkpoint)], np.int64)
        begins[checkpoint] = steps + np.cumsum(lengths) - lengths
        steps += int(lengths.sum())
    rows = [
        np.full(len(piece), BLANK, np.int64)
        if isinstance(piece, Blank)
        else begins[piece.checkpoint][piece.episode] + np.arange(piece.start, piece.stop)
        for piece in pieces
    ]
    return DumpRows(np.concatenate(rows), checkpoints)
