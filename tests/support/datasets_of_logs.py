"""Builds datasets from whole folders of logs."""

from pathlib import Path
from typing import Any

from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.sources.open import named_games, open_source


def build_from(source: Path, out: Path, **selection: Any) -> Path:
    """Build all that a source holds into a folder, and return the folder."""
    opened = open_source(str(source))
    build(plan_build(opened, named_games(opened, ["all"]), out, **selection), out)
    return out
