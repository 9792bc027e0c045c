"""The text of a card: its templates, and the figures and names that go into them."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import structs

from ..format.configs import EPISODES, ConfigName
from ..format.games import Game
from ..format.layout import split_name
from ..format.manifest import Manifest
from ..format.numbers import describe_numbers
from ..format.provenance import COLLECTED, RL_UNPLUGGED, UNRECORDED
from .front_matter import FrontMatter
from .metadata import GameSummary, View, entries

EXPORTED = "exported"
"""The origin of whole episodes in the form of RL Unplugged."""

RECORDED = "recorded"
"""Any other origin that a source's record may name."""

LOCAL_REPO = "path/to/this/folder"

LONGEST_FACT = 500
"""Characters that are shown of a provenance detail."""

MOST_FACTS = 40
"""Details of a provenance record that are shown; `collect` records about half as many."""

ROWS_UNFOLDED = 12
"""Rows beyond which a table of returns is folded."""


def card_body() -> str:
    """Returns the card without the parts that are generated for the games."""
    return _render("dataset_card.md.jinja")


def title(games: Sequence[GameSummary]) -> str:
    """Returns a one-line title of what the repo holds; newly played data never passes for the original."""
    played = {origin == COLLECTED for game in games for origin in game.origins}
    if played == {True}:
        return "Newly played Atari replay logs"
    if {origin for game in games for origin in game.origins} == {EXPORTED}:
        return "Atari episodes in the form of RL Unplugged"
    if played == {False}:
        return "Atari replay logs in the layout of the DQN Replay Dataset"
    return "Atari replay logs, converted and newly played" if played else "Atari replay logs"


def head_body(games: Sequence[GameSummary]) -> str:
    """Returns what the dataset is, where it came from, and a table of the games."""

    def with_origin(*origins: str) -> list[str]:
        return [game.game.name for game in games if not {*origins}.isdisjoint(game.origins)]

    return _render(
        "head.md.jinja",
        title=title(games),
        games=games,
        played=with_origin(COLLECTED),
        converted=with_origin(UNRECORDED, RECORDED),
        exported=with_origin(EXPORTED),
        unrecorded=with_origin(UNRECORDED),
    )


def usage_body(front: FrontMatter, games: Sequence[GameSummary], repo_id: str | None) -> str:
    """Returns how to load the dataset, in examples that run."""
    config, split, folder = _example(front, games)
    return _render(
        "usage.md.jinja",
        repo=repo_id or LOCAL_REPO,
        config=config,
        episodes_config=f"{config.rpartition('-')[0]}-{EPISODES}",
        split=split,
        folder=folder,
        several=_several(front, games),
    )


def _several(front: FrontMatter, games: Sequence[GameSummary]) -> list[tuple[str, str]]:
    """Returns the configs and splits of two games' steps; none if there are no two games."""
    found = []
    data_files = {entry["config_name"]: entry.get("data_files") for entry in entries(front, "configs")}
    for config in (str(ConfigName(game.game, "full")) for game in games):
        match data_files.get(config):
            case [{"split": str(split)}, *_]:
                found.append((config, split))
    return found[:2] if len(found) > 1 else []


def _example(front: FrontMatter, games: Sequence[GameSummary]) -> tuple[str, str, str]:
    """Returns a config, a split and a folder, those of the first game that has them."""
    data_files = {entry["config_name"]: entry.get("data_files") for entry in entries(front, "configs")}
    for view in ("expert", "full"):
        for game in games:
            config = str(ConfigName(game.game, view))
            match data_files.get(config):
                case [{"split": str(split), "path": str(path) | [str(path), *_]}, *_]:
                    # The first of the checkpoints that the glob matches.
                    return config, split, re.sub(r"\[(\d)[^]]*\]", r"\1", path).partition("/*")[0]
    return "pong-expert", "run_1", "data/pong/run_1/checkpoint_49"


def absent_body(game: Game) -> str:
    """Returns a game's section while none of its checkpoints is in the repo."""
    return _render("absent.md.jinja", game=game)


def game_body(game: Game, manifests: Sequence[Manifest], views: Sequence[View]) -> str:
    """Returns a game's provenance, configs, counts and returns."""
    rows: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    for manifest in manifests:
        rows.update(structs.asdict(manifest.row_counts))
        steps.update(structs.asdict(manifest.step_counts))
    return _render(
        "game.md.jinja",
        game=game,
        origins=list(_origins(manifests)),
        views=[_view_row(view) for view in views],
        rows=rows,
        steps=steps,
        missing=_per_run(
            {run: describe_numbers(gaps) for run, gaps in _gaps(manifests).items()}, every_run=()
        ),
        runs=sorted({manifest.run for manifest in manifests}),
        returns=(returns := list(_returns(manifests))),
        fold=len(returns) > ROWS_UNFOLDED,
    )


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
            for fact, value in _flatten(manifest.provenance.details):
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


def _plain(value: object) -> str:
    """Returns the value on one line that Markdown and HTML show as it is: it comes from strangers' files."""
    text = "".join(character if character.isprintable() else " " for character in str(value))
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST_FACT else text[:LONGEST_FACT] + "…"
    return re.sub(r"[&<>|\\`*\[\]~$#]|\b_|_\b", lambda match: f"&#{ord(match[0])};", text)


def _size(size: int) -> str:
    exponent = min(max(len(str(size)) - 1, 3) // 3, 4)
    return f"{size / 1000**exponent:.1f} {'kMGT'[exponent - 1]}B"


def _figure(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")


_ORIGIN_LABELS = {
    COLLECTED: "newly played",
    UNRECORDED: "converted, origin not recorded",
    EXPORTED: "converted from RL Unplugged's form",
    RECORDED: "converted",
}

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[2] / "cards"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "plain": _plain,
    "number": "{:,}".format,
    "size": _size,
    "origin_label": lambda origin: _ORIGIN_LABELS.get(origin, _ORIGIN_LABELS[RECORDED]),
}


def _render(template: str, **context: Any) -> str:
    return _TEMPLATES.get_template(template).render(context).strip("\n")
