"""A small dataset of Crafter, collected and built once for all tests of a process."""

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.collecting.collect_world import collect_world
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.sources.open import open_source

from atari_dqn_replay import Episodes

CRAFTER = find_game("crafter")
_FOLDER = tempfile.TemporaryDirectory(prefix="atari-dqn-replay-crafter-")


@functools.cache
def crafter_episodes() -> Path:
    """Returns the root of some played episodes, skipping the test where Crafter is not installed."""
    pytest.importorskip("crafter")
    pytest.importorskip("numba", reason="without it a world takes seconds")
    out = Path(_FOLDER.name) / "played"
    collect_world(CRAFTER, out, environments=2, steps=230, time_limit=90)
    return out


@functools.cache
def crafter_dataset() -> Path:
    """Returns a dataset that was built from them."""
    out = Path(_FOLDER.name) / "dataset"
    build(plan_build(open_source(str(crafter_episodes())), [CRAFTER], out), out)
    return out


def episodes_of(dataset: Path) -> Iterator[dict[str, Any]]:
    """Yield the episodes of its run."""
    yield from Episodes(str(dataset), "crafter-full", split="run_1")
