"""Estimates what a publication will take, from the first steps that it would make."""

import contextlib
import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import SourceError
from ..format.checkpoint_id import CheckpointId
from ..format.compression import SMALL
from ..format.features import steps_features
from ..format.layout import POLITE_CARD_BYTES
from ..shards.parquet.compression import COMPRESSIONS, Compression
from ..shards.steps import Columns, episode_columns, even_blocks
from ..shards.writer import write_steps
from ..sources.run import Checkpoint, Run
from ..terminal.sizes import size_text
from .plan import Plan

TRIALS = 10
"""Number of checkpoints to try until one can be read."""

TRIAL_BLOCKS = 8
"""Row groups made to measure a rate: 16,384 steps."""

WORKER_MEMORY = 400e6
"""Bytes of memory that a worker takes at most; see benchmarks/build.py."""

_FILES_PER_CHECKPOINT = 4
_CARD_BYTES_PER_RUN = 650
MOST_FILES = 100_000
POLITE_BYTES = 300e9
"""The Hub's advice: fewer than MOST_FILES files in a repo, and to ask before it exceeds these bytes."""


@dataclass(frozen=True)
class Estimate:
    """What a plan will take; its text is what `--dry-run` prints."""

    checkpoint: CheckpointId
    """The checkpoint whose first steps were made to measure the rates."""
    trial_rows: int
    rows: int
    """Number of rows to build."""
    rows_per_second: float
    """Rows per second of one worker."""
    bytes_per_row: float
    workers: int
    worker_disk: float
    """Bytes that one worker has on disk at most."""
    warnings: Sequence[str]

    @property
    def seconds(self) -> float:
        """Seconds of building, without uploads that the network slows down."""
        return self.rows / self.rows_per_second / self.workers

    @property
    def bytes(self) -> float:
        """Number of bytes to publish."""
        return self.rows * self.bytes_per_row

    def __str__(self) -> str:
        workers = f"{self.workers} worker{'s' * (self.workers > 1)}"
        return "\n".join(
            [
                f"about {size_text(self.bytes)} to publish, {_duration(self.seconds)} of building with "
                f"{workers}, {size_text(self.worker_disk * self.workers)} of disk and "
                f"{size_text(WORKER_MEMORY * self.workers)} of memory at a time",
                f"(measured on {self.trial_rows:,} steps of {self.checkpoint}: {self.rows_per_second:,.0f} "
                f"rows/s, {self.bytes_per_row:.0f} bytes each; games and checkpoints differ, and the network "
                f"may be slower)",
                *(f"warning: {warning}" for warning in self.warnings),
            ]
        )


def estimate(plan: Plan, workers: int = 1) -> Estimate | None:
    """Make the first steps of the first checkpoint that can be read, and estimate what all will take.

    Returns None if there is nothing to make, or nothing that can be read.
    """
    for checkpoint in plan.to_build[:TRIALS]:
        with contextlib.suppress(SourceError):
            return _estimate(plan, workers, checkpoint)
    return None


def _estimate(plan: Plan, workers: int, checkpoint: CheckpointId) -> Estimate:
    rows, seconds, size = _try(
        plan.run_of(checkpoint), checkpoint.number, COMPRESSIONS[plan.compression or SMALL]
    )
    total = sum(map(plan.rows, plan.to_build))
    runs = dict.fromkeys(map(plan.run_of, plan.to_build))
    bytes_per_row = size / max(rows, 1)
    return Estimate(
        checkpoint=checkpoint,
        trial_rows=rows,
        rows=total,
        rows_per_second=max(rows, 1) / seconds,
        bytes_per_row=bytes_per_row,
        workers=workers,
        worker_disk=max(_worker_disk(plan, run, bytes_per_row) for run in runs),
        warnings=list(_warnings(plan, total * bytes_per_row)),
    )


def _worker_disk(plan: Plan, run: Run, bytes_per_row: float) -> float:
    rows = max(plan.rows(each) for each in plan.to_build if plan.run_of(each) is run)
    sizes = run.file_sizes().values()
    source = sum(size or 0 for size in sizes) / len(run.checkpoints)
    is_remote = "://" in plan.source.url and not plan.source.url.startswith("file://")
    # Any game's frames take hardly more than gzip makes of them. What is read twice is kept: a checkpoint's
    # files, and at a run's end also those of the one before.
    return max(rows * bytes_per_row, source) + (2 * source if is_remote else 0)


def _try(run: Run, number: int, compression: Compression) -> tuple[int, float, int]:
    """Returns the rows, seconds and bytes of a trial."""
    reader = run.reader()
    try:
        reader.expect([number])
        part = reader.part(number)
        schema = steps_features(run.game, run.optional_columns).arrow_schema
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trial.parquet"
            blocks = itertools.islice(even_blocks(_steps(part)), TRIAL_BLOCKS)
            first = next(blocks, [])
            began = time.perf_counter()
            rows = write_steps(
                path,
                itertools.chain(first, itertools.chain.from_iterable(blocks)),
                schema,
                compression,
                frame_format=run.frame_format,
            )
            return rows, time.perf_counter() - began, path.stat().st_size
    finally:
        reader.close()


def _steps(part: Checkpoint) -> Iterator[Columns]:
    """Yield steps of the episodes that begin in the checkpoint: those of an earlier one may come late."""
    episodes = (episode for episode in part.episodes() if not episode.follows)
    return (columns for episode in episodes for columns in episode_columns(episode))


def _warnings(plan: Plan, new_bytes: float) -> Iterator[str]:
    if plan.place.repo_id is None or plan.place.for_each_game:
        return
    size = new_bytes + sum(file.size for manifest in plan.published for file in manifest.files())
    files = _FILES_PER_CHECKPOINT * (len(plan.to_build) + len(plan.prepared) + len(plan.published))
    advice = f"the Hub advises one repo per game: --repo-id '{plan.place.repo_id}-{{game}}'"
    if size > POLITE_BYTES:
        yield f"the repo would hold {size_text(size)}, more than {size_text(POLITE_BYTES)}; {advice}"
    if files > MOST_FILES:
        yield f"the repo would hold {files:,} files, more than {MOST_FILES:,}; {advice}"
    runs = {(each.game, each.run) for each in (*plan.to_build, *plan.prepared, *plan.done)}
    if (card := _CARD_BYTES_PER_RUN * len(runs)) > POLITE_CARD_BYTES:
        yield f"the card would have {size_text(card)}, and the Hub refuses large ones; {advice}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
