"""Publishes straight from a source: checkpoint by checkpoint, with little disk space, on any engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..engines.engine import Engine
from ..errors import OutputError
from ..publishing.carry_out import would_preview
from ..publishing.preview import wanted_previews
from ..terminal.sizes import DISK, size_text
from .coordinator import publish_plan
from .estimate import Estimate, estimate
from .outcome import Outcome
from .plan import Plan


@dataclass(frozen=True)
class Forecast:
    """What publishing would do; its text is what `--dry-run` prints."""

    plan: Plan
    estimate: Estimate | None
    preview: int | None = None
    """The number of episodes in the preview of each game, where it is to change."""

    def __str__(self) -> str:
        wanted = wanted_previews([*self.plan.destinations], self.preview)
        then = would_preview(wanted, self.preview or 0) if wanted else None
        return "\n".join(map(str, filter(None, (self.plan, self.estimate, then))))


@dataclass(frozen=True)
class SourcePublication:
    """What publishing did; its text is what the command line prints."""

    plan: Plan
    outcome: Outcome

    def __str__(self) -> str:
        if self.outcome.handed_over:
            return self.outcome.handed_over
        return "\n".join(self._lines())

    def _lines(self) -> Sequence[str]:
        published = self.outcome.published
        size = size_text(sum(file.size for manifest in published for file in manifest.files()))
        steps = sum(manifest.step_counts.steps for manifest in published)
        places = dict.fromkeys(each.address for each in self.plan.destinations.values())
        return [
            f"published {len(published)} checkpoints, {steps:,} steps ({size}); "
            f"{len(self.plan.done)} were there already: {', '.join(places)}",
            *(f"commit {each.commit}" for each in self.outcome.publications[-1:] if each.commit),
        ]


def forecast(plan: Plan, workers: int, *, disk: float = DISK, preview: int | None = None) -> Forecast:
    """Returns what publishing would do and what it would take; nothing is changed.

    Args:
        plan: the plan, from `make_plan`.
        workers: the requested number; fewer are assumed if the disk does not hold so many.
        disk: bytes that they may have on disk together.
        preview: the number of episodes of each game in the config `preview`; None keeps what is there.

    Raises:
        OutputError: the disk is too small for a single worker.
    """
    expected = estimate(plan, workers)
    if expected is not None:
        expected = replace(expected, workers=min(workers, _workers_within(expected, disk)))
    return Forecast(plan, expected, preview)


def publish_source(
    plan: Plan,
    engine: Engine,
    *,
    disk: float = DISK,
    license: str | None = None,
    preview: int | None = None,
) -> SourcePublication:
    """Make and publish a plan's unpublished checkpoints, holding little of them on disk at a time.

    Args:
        plan: the plan, from `make_plan`.
        engine: runs the tasks, with fewer workers than it has if the disk does not hold so many.
        disk: bytes that the workers may have on disk together.
        license: the license for the card to name; None keeps what the card names.
        preview: the number of episodes of each game in the config `preview`; 0 removes these games from it;
            None keeps what the destination has.

    Raises:
        SourceError: some checkpoints could not be made; the others are published.
        OutputError: the destination cannot be written, or the disk is too small.
    """
    expected = estimate(plan, engine.workers)
    if expected is not None:
        engine.workers = min(engine.workers, _workers_within(expected, disk))
    outcome = publish_plan(plan, engine, license=license, preview=preview)
    outcome.require_success()
    return SourcePublication(plan, outcome)


def _workers_within(expected: Estimate, disk: float) -> int:
    workers = int(disk // expected.worker_disk)
    if workers < 1:
        needed, given = map(size_text, (expected.worker_disk, disk))
        raise OutputError(f"a worker needs {needed} of disk, more than the {given} it may have: raise --disk")
    return workers
