"""The progress of publishing a source."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..format.numbers import describe_numbers
from ..terminal.text_table import text_table
from .plan import Plan
from .worker import ProgressNote

RECENT_SECONDS = 60
"""Seconds of silence after which a worker has ended, or was killed."""

HEADINGS = ("game", "run", "published", "prepared", "to build")


@dataclass(frozen=True)
class Status:
    """What is published of a source, and what is being made; its text is what the command line prints."""

    plan: Plan
    workers: Sequence[ProgressNote]

    def __str__(self) -> str:
        plan = self.plan
        total = len(plan.done) + len(plan.unpublished)
        return "\n".join(
            [
                text_table(HEADINGS, self._rows()),
                *plan.problems(),
                f"{len(plan.done)} of {total} checkpoints are published, {len(plan.prepared)} are prepared",
                *(f"working on {each.doing}: {each.done:,} of {each.total:,}" for each in self.workers),
            ]
        )

    def _rows(self) -> list[tuple[object, ...]]:
        runs: dict[tuple[str, int], list[list[int]]] = defaultdict(lambda: [[], [], []])
        for column, checkpoints in enumerate((self.plan.done, self.plan.prepared, self.plan.to_build)):
            for each in checkpoints:
                runs[each.game.name, each.run][column].append(each.number)
        return [(game, run, *map(describe_numbers, of_run)) for (game, run), of_run in sorted(runs.items())]


def status(plan: Plan) -> Status:
    """Returns how far a publication is; nothing is changed.

    Args:
        plan: the current plan, from `make_plan`.
    """
    notes = plan.work.notes("jobs", ProgressNote)
    return Status(plan, [note for note in notes if time.time() - note.time < RECENT_SECONDS])
