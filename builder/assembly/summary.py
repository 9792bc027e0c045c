"""Summarizes what a dataset holds, one line per run."""

from collections.abc import Sequence
from itertools import groupby

from ..format.manifest import Manifest
from ..terminal.text_table import text_table

HEADINGS = ("game", "run", "checkpoints", "episodes", "transitions", "MB", "bytes per frame", "mean return")


def summary_table(manifests: Sequence[Manifest]) -> str:
    """Returns a table of the runs: each one's size, and the returns of its first and last full checkpoint."""
    runs = groupby(manifests, key=lambda manifest: (manifest.game, manifest.run))
    return text_table(HEADINGS, [_row(game, run, list(of_run)) for (game, run), of_run in runs])


def _row(game: str, run: int, manifests: list[Manifest]) -> tuple[object, ...]:
    steps = sum(manifest.step_counts.steps for manifest in manifests)
    size = sum(file.size for manifest in manifests for file in manifest.files())
    full = [manifest for manifest in manifests if not manifest.partial] or manifests
    return (
        game,
        run,
        len(manifests),
        sum(manifest.step_counts.episodes for manifest in manifests),
        steps,
        size / 1e6,
        size / steps if steps else None,
        f"{_mean(full[0])} → {_mean(full[-1])}",
    )


def _mean(manifest: Manifest) -> str:
    return "-" if manifest.returns.mean is None else f"{manifest.returns.mean:.1f}"
