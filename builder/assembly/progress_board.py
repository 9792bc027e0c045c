"""Shows a publication's progress: a bar and a line for each worker, or plain lines without a terminal."""

import contextlib
import sys
import threading
import time
from collections.abc import Collection, Sequence
from types import TracebackType

from tqdm import tqdm

from ..errors import OutputError
from ..format.checkpoint_id import CheckpointId
from ..terminal.progress import no_bars
from .plan import Plan
from .work_folder import WorkFolder
from .worker import PROGRESS, ProgressNote

_SECONDS, _REMOTE_SECONDS = 1.0, 15.0
"""Seconds between two looks at the work folder, on this machine or remote."""


class ProgressBoard:
    """Shows what is made and published, and what workers are doing; a context manager.

    It watches the work folder by itself, since the caller may be busy with its own task.

    Args:
        plan: the plan to be carried out.
    """

    def __init__(self, plan: Plan) -> None:
        self._work = plan.work
        self._job: WorkFolder | None = None
        self._rows = {checkpoint: plan.rows(checkpoint) for checkpoint in plan.unpublished}
        self._made = set(plan.prepared)
        self._published = 0
        self._began = time.monotonic()
        self._bar: tqdm | None = None
        self._lines: list[tqdm] = []
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._no_bars = no_bars()

    def __enter__(self) -> "ProgressBoard":
        if sys.stderr.isatty():
            total, made = sum(self._rows.values()), self._rows_made()
            self._bar = tqdm(total=total, initial=made, desc="building", unit=" rows", unit_scale=True)
        self._no_bars.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._no_bars.__exit__(None, None, None)
        if self._bar is not None:
            self._show([])
            for line in (*self._lines, self._bar):
                line.close()

    def watch(self, job: WorkFolder) -> None:
        """Show what the workers of this job do."""
        self._job = job

    def published(self, checkpoints: Collection[CheckpointId]) -> None:
        """Report checkpoints that were published."""
        with self._lock:
            self._tell_of(checkpoints)
            self._published += len(checkpoints)
            minutes = (time.monotonic() - self._began) / 60
            rate = self._rows_made() / max(minutes, 0.01)
            if self._bar is None:
                left = (sum(self._rows.values()) - self._rows_made()) / max(rate, 1)
                self.log(
                    f"published {self._published} of {len(self._rows)} after {minutes:.1f} minutes; "
                    f"{left:.0f} minutes of building left"
                )

    def log(self, text: str) -> None:
        """Print a line on stderr without disturbing the bars."""
        tqdm.write(text, file=sys.stderr)

    def _tell_of(self, made: Collection[CheckpointId]) -> None:
        for checkpoint in sorted(set(made) & self._rows.keys() - self._made):
            self._made.add(checkpoint)
            if self._bar is None:
                place = f"{len(self._made)} of {len(self._rows)}"
                name = f"{checkpoint.game.slug} run {checkpoint.run} checkpoint {checkpoint.number}"
                self.log(f"built {name} ({place})")

    def _rows_made(self) -> int:
        return sum(self._rows[checkpoint] for checkpoint in self._made)

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS if self._work.path else _REMOTE_SECONDS):
            # Folders are removed while they are read, and a store may be unreachable for a while.
            with contextlib.suppress(OSError, OutputError), self._lock:
                self._tell_of(self._work.pieces())
                if self._bar is not None:
                    self._show([] if self._job is None else list(self._job.notes(PROGRESS, ProgressNote)))

    def _show(self, workers: Sequence[ProgressNote]) -> None:
        assert self._bar is not None
        rows = self._rows_made() + sum(worker.done for worker in workers)
        # What a worker has just finished may briefly be in neither.
        self._bar.n = min(max(self._bar.n, rows), self._bar.total)
        self._bar.set_postfix_str(f"{self._published}/{len(self._rows)} checkpoints published")
        while len(self._lines) < len(workers):
            self._lines.append(tqdm(bar_format="  {desc}", position=len(self._lines) + 1, leave=False))
        for place, line in enumerate(self._lines):
            text = ""
            if place < len(workers):
                worker = workers[place]
                share = worker.done / max(worker.total, 1)
                text = f"{worker.doing}: {min(share, 1):.0%}"
            line.set_description_str(text)
