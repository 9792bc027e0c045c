"""What LRAM's download script says of the episodes that it saved, in three JSON files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ....builder.files import replacing


@dataclass
class SliceCounts:
    """What was read of one slice, and how much of it was saved."""

    saved: int = 0
    lengths: list[int] = field(default_factory=list)
    """Of all its episodes."""
    returns: list[float] = field(default_factory=list)


def write_statistics(folder: Path, num_slices: int, slices: Sequence[SliceCounts]) -> None:
    """Write `stats.json`, `episode_lengths.json` and `episode_returns.json`.

    Args:
        folder: of the game.
        num_slices: how many were asked for.
        slices: what was read, in order.

    Raises:
        OSError: a file cannot be written.
    """
    lengths = [length for each in slices for length in each.lengths[: each.saved]]
    returns = [value for each in slices for value in each.returns[: each.saved]]
    names = [episode_name(number) for number in range(len(lengths))]
    all_returns = [value for each in slices for value in each.returns]
    statistics = {
        "slices": num_slices,
        "episodes": len(lengths),
        "transitions": sum(sum(each.lengths) for each in slices),
        **_summary("episode_len", lengths),
        **_summary("episode_return", all_returns),
    }
    _write(folder / "stats.json", statistics)
    _write(folder / "episode_lengths.json", dict(zip(names, lengths, strict=True)))
    _write(folder / "episode_returns.json", dict(zip(names, returns, strict=True)))


def episode_name(number: int) -> str:
    """Returns a file's name without its suffix: nine digits."""
    return f"{number:09d}"


def _summary(name: str, values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    mean = float(np.mean(values))
    summary = {"mean": mean, "min": min(values), "max": max(values)}
    return {f"{kind}_{name}": round(value, 4) for kind, value in summary.items()}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
