"""A game's page in a dataset repo: its pictures, provenance, configs, counts and returns."""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import structs

from ..format.features import fact_features, state_features
from ..format.games import Game
from ..format.layout import split_name
from ..format.manifest import Manifest
from ..format.numbers import describe_numbers
from ..format.played_episodes import STATE_COLUMNS
from ..format.provenance import COLLECTED, RL_UNPLUGGED, UNRECORDED
from .metadata import View, find_views
from .text import EXPORTED, LONGEST_FACT, RECORDED, render

MOST_FACTS = 40
"""Details of a provenance record that are shown; `collect` records about half as many."""

MOST_REMARKS = 20
"""Remarks on checkpoints that are shown: conversions alone are the same for a whole run."""

BLOCKS = "▁▂▃▄▅▆▇█"
MOST_BLOCKS = 10
"""Blocks in a row that stands for a curve."""


def game_page(game: Game, manifests: Sequence[Manifest], pictures: Collection[str] = ()) -> str:
    """Returns a game's page.

    Args:
        game: the game.
        manifests: those of all its checkpoints, by run and checkpoint.
        pictures: the names of the pictures that lie beside the page.
    """
    rows: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    for manifest in manifests:
        rows.update(structs.asdict(manifest.row_counts))
        steps.update(structs.asdict(manifest.step_counts))
    remarks = _remarks(manifests)
    text = render(
        "page.md.jinja",
        game=game,
        pictures=pictures,
        origins=list(_origins(manifests)),
        views=[_view_row(view) for view in find_views(game, manifests)],
        rows=rows,
        steps=steps,
        missing=_per_run(
            {run: describe_numbers(gaps) for run, gaps in _gaps(manifests).items()}, every_run=()
        ),
        columns=list(_own_columns(game, manifests)),
        remarks=remarks[:MOST_REMARKS],
        more_remarks=max(0, len(remarks) - MOST_REMARKS),
        runs=sorted({manifest.run for manifest in manifests}),
        returns=list(_returns(manifests)),
    )
    return f"{text}\n"


def curve_in_text(manifests: Iterable[Manifest]) -> str:
    """Returns the mean returns of a game's checkpoints as a row of blocks, with the first and the last.

    Each is the mean over the runs; empty if no checkpoint has a complete episode.
    """
    of_checkpoint: dict[int, list[float]] = {}
    for manifest in manifests:
        mean = manifest.returns.mean
        if mean is not None and math.isfinite(mean) and not manifest.partial:
            of_checkpoint.setdefault(manifest.checkpoint, []).append(mean)
    means = [sum(of_runs) / len(of_runs) for _, of_runs in sorted(of_checkpoint.items())]
    if len(means) < 2:
        return "".join(_short(mean) for mean in means)
    lowest, highest = min(means), max(means)
    count = min(len(means), MOST_BLOCKS)
    shown = [means[round(place * (len(means) - 1) / (count - 1))] for place in range(count)]
    scale = (len(BLOCKS) - 1) / (highest - lowest or 1)
    blocks = "".join(BLOCKS[round((mean - lowest) * scale)] for mean in shown)
    return f"{blocks} {_short(means[0])} → {_short(means[-1])}"


def _short(value: float) -> str:
    return _figure(round(value, 1)).replace("-", "−")


def _returns(manifests: Sequence[Manifest]) -> Iterator[dict[str, Any]]:
    """Yield a row per checkpoint, with a column for each run."""
    runs = sorted({manifest.run for manifest in manifests})
    by_checkpoint: dict[int, dict[int, Manifest]] = {}
    for manifest in manifests:
        by_checkpoint.setdefault(manifest.checkpoint, {})[manifest.run] = manifest
    for checkpoint, of_run in sorted(by_checkpoint.items()):
        counts = [manifest.step_counts for manifest in of_run.values()]
        yield {
            "checkpoint": checkpoint,
            "steps": sum(count.steps for count in counts),
            "episodes": sum(count.episodes for count in counts),
            "complete": sum(count.complete_episodes for count in counts),
            "returns": [_return_of(of_run[run]) if run in of_run else "" for run in runs],
        }


def _own_columns(game: Game, manifests: Sequence[Manifest]) -> Iterator[tuple[str, str, str]]:
    """Yield the columns that a world adds: their names, and their types among the steps and the episodes."""
    steps = {name for manifest in manifests for name in manifest.columns}
    episodes = {name for manifest in manifests for name in manifest.episode_columns}
    for name, feature in (state_features(game) | fact_features(game)).items():
        kind = str(feature.get("dtype", "image"))
        if name in steps | episodes:
            yield name, kind if name in steps else "", kind if name in episodes else ""


def _return_of(manifest: Manifest) -> str:
    returns = manifest.returns
    if returns.mean is None or returns.minimum is None or returns.maximum is None:
        text = "none complete"
    else:
        text = f"{_figure(returns.mean)} [{_figure(returns.minimum)}, {_figure(returns.maximum)}]"
    return f"{text}, partial" if manifest.partial else text


def _view_row(view: View) -> dict[str, Any]:
    checkpoints = {
        run: describe_numbers(sorted(manifest.checkpoint for manifest in shown))
        for run, shown in view.runs.items()
    }
    return {
        "config": view.config,
        "checkpoints": _per_run(checkpoints, every_run=checkpoints),
        "rows": sum(view.rows(run) for run in view.runs),
    }


def _kind(manifest: Manifest) -> str:
    origin = manifest.provenance.origin
    return {COLLECTED: COLLECTED, UNRECORDED: UNRECORDED, RL_UNPLUGGED: EXPORTED}.get(origin, RECORDED)


def origin_kinds(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """Returns the kinds of origin among the manifests: COLLECTED, EXPORTED, UNRECORDED or RECORDED."""
    return tuple(sorted({_kind(manifest) for manifest in manifests}))


def _origins(manifests: Sequence[Manifest]) -> Iterator[dict[str, Any]]:
    """Yield each origin with its runs and the details of its record, by run where they differ."""
    by_origin: dict[tuple[str, str], list[Manifest]] = {}
    for manifest in manifests:
        by_origin.setdefault((_kind(manifest), manifest.provenance.origin), []).append(manifest)
    for (kind, name), of_origin in sorted(by_origin.items()):
        runs = sorted({manifest.run for manifest in of_origin})
        facts: dict[str, dict[int, list[str]]] = {}
        for manifest in of_origin:
            details = {
                name: value for name, value in manifest.provenance.details.items() if name != STATE_COLUMNS
            }
            for fact, value in _flatten(details):
                values = facts.setdefault(fact, {}).setdefault(manifest.run, [])
                values.extend([value] if value not in values else [])
        yield {
            "kind": kind,
            "name": name,
            "runs": f" ({', '.join(map(split_name, runs))})" if len(by_origin) > 1 else "",
            "facts": [
                (fact, _per_run({run: " or ".join(values) for run, values in by_run.items()}, every_run=runs))
                for fact, by_run in sorted(facts.items())[:MOST_FACTS]
            ],
            "more": max(0, len(facts) - MOST_FACTS),
        }


def _flatten(details: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in details.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}, ")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield f"{prefix}{key}", text[: LONGEST_FACT + 1]


def _remarks(manifests: Iterable[Manifest]) -> list[tuple[str, str]]:
    """Returns each remark of the manifests, with the checkpoints of each run that it is about."""
    checkpoints: dict[str, dict[int, list[int]]] = {}
    for manifest in manifests:
        for remark in manifest.remarks:
            checkpoints.setdefault(remark, {}).setdefault(manifest.run, []).append(manifest.checkpoint)
    return [
        (
            remark,
            _per_run({run: describe_numbers(sorted(each)) for run, each in of_run.items()}, every_run=()),
        )
        for remark, of_run in checkpoints.items()
    ]


def _per_run(values: Mapping[int, str], every_run: Iterable[int]) -> str:
    """Returns `9` if all runs agree, or else `9 (run_1, run_2), 8 (run_3)`."""
    runs_of: dict[str, list[int]] = {}
    for run, value in sorted(values.items()):
        runs_of.setdefault(value, []).append(run)
    if len(runs_of) == 1 and set(values) == set(every_run):
        return next(iter(runs_of))
    return ", ".join(f"{value} ({', '.join(map(split_name, runs))})" for value, runs in runs_of.items())


def _gaps(manifests: Iterable[Manifest]) -> dict[int, list[int]]:
    """Returns, for each run, the missing numbers below its last checkpoint."""
    present: dict[int, set[int]] = {}
    for manifest in manifests:
        present.setdefault(manifest.run, set()).add(manifest.checkpoint)
    gaps = {run: sorted({*range(max(numbers))} - numbers) for run, numbers in present.items()}
    return {run: numbers for run, numbers in gaps.items() if numbers}


def _figure(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")
