"""Packs the flat repository into one package, so that no common word becomes a top-level import.

An editable install keeps the flat shape; `atari_dqn_replay.py` sets `__path__`, so both import alike.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACES = {
    "atari_dqn_replay.py": "atari_dqn_replay/__init__.py",
    "atari_dqn_replay_command.py": "atari_dqn_replay_command.py",
    "agents": "atari_dqn_replay/agents",
    "builder": "atari_dqn_replay/builder",
    "commands": "atari_dqn_replay/commands",
    "interop": "atari_dqn_replay/interop",
    "replay_reader": "atari_dqn_replay/replay_reader",
    "cards": "atari_dqn_replay/cards",
    "py.typed": "atari_dqn_replay/py.typed",
    # Of the explorer, what runs: neither the page's sources nor what builds them.
    "explorer/page": "atari_dqn_replay/explorer/page",
    **{
        f"explorer/{path.name}": f"atari_dqn_replay/explorer/{path.name}"
        for path in (Path(__file__).parent / "explorer").glob("*.py")
    },
}


class PackingHook(BuildHookInterface):
    """Says where each part of the repository goes in a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Leave editable builds as they are."""
        if version == "standard":
            build_data["force_include"].update(PLACES)
