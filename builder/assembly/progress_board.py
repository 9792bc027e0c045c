"""How far a publication is: a bar and a line for each worker, or plain lines without a terminal."""

import contextlib
import sys
import threading
import time
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Any

from tqdm import tqdm

from ..errors import OutputError
from .plan import Plan, Unit
from .work import PROGRESS
from .work_folder import WorkFolder

_SECONDS = 1.0


class ProgressBoard:
    """Shows what is made and published, and what workers note in their job's folder; a context manager.

    Args:
        plan: what is to be done.
    """

    def __init__(self, plan: Plan) -> None:
        self._job: WorkFolder | None = None
        self._rows = {unit.key: unit.rows for unit in plan.units}
        self._checkpoints = len(self._rows)
        self._made = {unit.key for unit in plan.prepared}
        self._rows_made = sum(unit.rows for unit in plan.prepared)
        self._published = 0
        self._began = time.monotonic()
        self._bar: tqdm | None = None
        self._lines: list[tqdm] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "ProgressBoard":
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=sum(self._rows.values()),
                initial=self._rows_made,
                desc="building",
                unit=" rows",
                unit_scale=True,
            )
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._bar is not None:
            self._thread.join()
            self._show([])
            for line in (*self._lines, self._bar):
                line.close()

    def watch(self, job: WorkFolder) -> None:
        """Show what the workers of this job do."""
        self._job = job

    def made(self, keys: Collection[tuple[str, int, int]]) -> None:
        """Tell of the pieces that are there and unpublished."""
        new = sorted(set(keys) - self._made)
        self._made.update(new)
        self._rows_made += sum(self._rows[key] for key in new)
        for place, (slug, run, checkpoint) in enumerate(new, start=len(self._made) - len(new) + 1):
            if self._bar is None:
                self.log(f"built {slug} run {run} checkpoint {checkpoint} ({place} of {self._checkpoints})")

    def published(self, units: Sequence[Unit]) -> None:
        """Tell of checkpoints that were published."""
        self._published += len(units)
        if self._bar is None:
            minutes = (time.monotonic() - self._began) / 60
            self.log(f"published {self._published} of {self._checkpoints} after {minutes:.1f} minutes")

    def log(self, text: str) -> None:
        """A line on stderr that does not disturb the bars."""
        tqdm.write(text, file=sys.stderr)

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS * (1 if self._job is None or self._job.path else 10)):
            with contextlib.suppress(OSError, OutputError):  # of a folder that is just being removed
                self._show([] if self._job is None else list(self._job.notes(PROGRESS)))

    def _show(self, workers: Sequence[dict[str, Any]]) -> None:
        assert self._bar is not None
        self._bar.n = min(self._rows_made + sum(worker["done"] for worker in workers), self._bar.total)
        self._bar.set_postfix_str(f"{self._published}/{self._checkpoints} checkpoints published")
        while len(self._lines) < len(workers):
            self._lines.append(tqdm(bar_format="  {desc}", position=len(self._lines) + 1, leave=False))
        for place, line in enumerate(self._lines):
            text = ""
            if place < len(workers):
                worker = workers[place]
                share = worker["done"] / max(worker["total"], 1)
                text = f"{worker['doing']}: {min(share, 1):.0%}"
            line.set_description_str(text)
