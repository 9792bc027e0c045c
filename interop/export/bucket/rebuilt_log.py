"""The dumps of a run as they were: which files there are, and the rows of each."""

from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256

import numpy as np

from ....builder.errors import OutputError
from ....builder.sources.dataset_repo.run import RepoRun
from ....builder.sources.run import Run
from ....builder.terminal.progress import progress_bar
from ..record import made_from
from ..steps_in_order import Columns, StepsInOrder
from .lay_out import CheckpointFacts, lay_out
from .lay_out_anew import lay_out_anew
from .log_layout import Blank, EpisodeId, FileLayout, LogLayout, Piece
from .write_file import Stored, stored_arrays

CAPACITY = 1_000_000
"""Rows of the original's ring: taken where a dataset was not built from dumps."""

BLOCK_ROWS = 512
"""Blank rows that are held at a time: 3.6 MB of frames."""


class RebuiltLog:
    """The log of one run, rebuilt from its episodes.

    Args:
        run: of a built dataset, or of any source.
        capacity: rows of the ring, where none is recorded.
    """

    def __init__(self, run: Run, capacity: int = CAPACITY) -> None:
        self.run = run
        recorded = run.capacity()
        self.is_recorded = recorded is not None
        self.capacity = recorded or capacity
        self._steps = StepsInOrder(run)
        self._finals: dict[EpisodeId, np.ndarray | None] = {}
        """What was seen after the episodes that end in the file read last."""
        self.stored = stored_arrays(run)
        """The arrays of each dump with a row for each of the ring."""

    @cached_property
    def layout(self) -> LogLayout:
        """Where each transition lay.

        Of a source all frames are read for this, of a dataset none.
        """
        facts = checkpoint_facts(self.run)
        if self.is_recorded:
            return lay_out(facts, self.capacity)
        return lay_out_anew(facts, self.capacity)

    def blocks(self, file: FileLayout) -> Iterator[tuple[Columns, Piece]]:
        """Yield the rows of one file in order, block by block, each with the piece that it is part of."""
        self._finals.clear()
        # It comes first in order of play.
        (last,) = self._read(file.last_row)
        self._keep_final_observation(file, file.last_row)
        for piece in file.rows:
            for block in self._read(piece):
                yield block, piece
            self._keep_final_observation(file, piece)
        yield last, file.last_row

    def final_observations(self, file: FileLayout) -> np.ndarray:
        """Returns what was seen after each episode that ends in a file whose blocks were just read.

        Returns:
            (episodes, *frame_format.shape) uint8, in order of play.

        Raises:
            OutputError: one of them is not there.
        """
        frames = np.empty((len(file.ended), *self.run.frame_format.shape), np.uint8)
        for place, (checkpoint, number) in enumerate(file.ended):
            found = self._finals.get((checkpoint, number))
            if found is None:
                raise OutputError(
                    f"{self.run.where}: episode {number} of checkpoint {checkpoint} has no final "
                    f"observation, though its manifest counts one for each that ended; build the checkpoint "
                    f"again"
                )
            frames[place] = found
        return frames

    def digest(self, file: FileLayout) -> str:
        """Returns what changes when the file's content does."""
        pieces = (*file.rows, file.last_row)
        checkpoints = sorted({piece.checkpoint for piece in pieces if not isinstance(piece, Blank)})
        return sha256(f"{file!r} {made_from(self.run, checkpoints)}".encode()).hexdigest()

    def close(self) -> None:
        """Close the files."""
        self._steps.close()

    def _keep_final_observation(self, file: FileLayout, piece: Piece) -> None:
        if file.has_final_observations and not isinstance(piece, Blank):
            self._finals[piece.checkpoint, piece.episode] = self._steps.final_observation

    def _read(self, piece: Piece) -> Iterator[Columns]:
        if isinstance(piece, Blank):
            return _blank_blocks(len(piece), self.stored)
        return self._steps.read(piece.checkpoint, piece.episode, piece.start, piece.stop)


def checkpoint_facts(run: Run) -> Iterator[CheckpointFacts]:
    """Yield what must be known of each checkpoint, in order."""
    partial = run.partial_checkpoints()
    if isinstance(run, RepoRun):
        yield from (_recorded_facts(run, number) for number in run.checkpoints)
        return
    reader = run.reader()
    try:
        reader.expect(list(run.checkpoints))
        for number in progress_bar(run.checkpoints, description="count rows", unit=" checkpoints"):
            checkpoint = reader.checkpoint(number)
            lengths, ended = [], False
            for episode in checkpoint.episodes():
                lengths.append(len(episode))
                ended = episode.terminated or episode.truncated
            yield CheckpointFacts(
                number,
                number in partial,
                checkpoint.row_counts,
                checkpoint.step_counts,
                tuple(lengths),
                ended,
                checkpoint.add_count,
            )
    finally:
        reader.close()


def _recorded_facts(run: RepoRun, number: int) -> CheckpointFacts:
    manifest, episodes = run.manifest(number), run.recorded(number)
    return CheckpointFacts(
        number,
        manifest.partial,
        manifest.row_counts,
        manifest.step_counts,
        tuple(episode.length for episode in episodes),
        any(episode.terminated or episode.truncated for episode in episodes[-1:]),
        manifest.add_count,
    )


def _blank_blocks(rows: int, stored: Stored) -> Iterator[Columns]:
    for start in range(0, rows, BLOCK_ROWS):
        count = min(BLOCK_ROWS, rows - start)
        yield {name: np.zeros((count, *shape), dtype) for name, (dtype, shape) in stored.items()}
