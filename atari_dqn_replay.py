"""The DQN Replay Dataset, from any surviving copy of it, as a Hugging Face dataset.

The public names are imported when they are first used, so that `import atari_dqn_replay` costs nothing and
no user waits for what they do not use.
"""

# `__path__` makes this module a package with `builder` below it, both here and installed: so `builder`,
# a common word, is never a top-level name, and a user's own builder.py clashes with nothing.
from pathlib import Path

__path__ = [str(Path(__file__).parent)]

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atari_dqn_replay.agents.replay_logger import ReplayLogger
    from atari_dqn_replay.builder.dataset import AtariDQNReplay, AtariDQNReplayConfig
    from atari_dqn_replay.builder.errors import AtariReplayError
    from atari_dqn_replay.builder.format.configs import by_file_number
    from atari_dqn_replay.builder.format.frames import decode_frames
    from atari_dqn_replay.builder.format.games import GAMES, Game, find_game
    from atari_dqn_replay.builder.publishing.download import download
    from atari_dqn_replay.interop.export.export import export
    from atari_dqn_replay.replay_reader.aligned_actions import align_actions
    from atari_dqn_replay.replay_reader.episode_filter import EpisodeFilter
    from atari_dqn_replay.replay_reader.episode_reader import Episodes
    from atari_dqn_replay.replay_reader.mixture import Mixture
    from atari_dqn_replay.replay_reader.preprocessing import Preprocessing
    from atari_dqn_replay.replay_reader.replay_dataset import ReplayDataset
    from atari_dqn_replay.replay_reader.sequences import Sequences
    from atari_dqn_replay.replay_reader.transitions import Transitions

__all__ = [
    "GAMES",
    "AtariDQNReplay",
    "AtariDQNReplayConfig",
    "AtariReplayError",
    "EpisodeFilter",
    "Episodes",
    "Game",
    "Mixture",
    "Preprocessing",
    "ReplayDataset",
    "ReplayLogger",
    "Sequences",
    "Transitions",
    "align_actions",
    "by_file_number",
    "decode_frames",
    "download",
    "export",
    "find_game",
]

_MODULES = {
    "GAMES": "builder.format.games",
    "AtariDQNReplay": "builder.dataset",
    "AtariDQNReplayConfig": "builder.dataset",
    "AtariReplayError": "builder.errors",
    "EpisodeFilter": "replay_reader.episode_filter",
    "Episodes": "replay_reader.episode_reader",
    "Game": "builder.format.games",
    "Mixture": "replay_reader.mixture",
    "Preprocessing": "replay_reader.preprocessing",
    "ReplayDataset": "replay_reader.replay_dataset",
    "ReplayLogger": "agents.replay_logger",
    "Sequences": "replay_reader.sequences",
    "Transitions": "replay_reader.transitions",
    "align_actions": "replay_reader.aligned_actions",
    "by_file_number": "builder.format.configs",
    "decode_frames": "builder.format.frames",
    "download": "builder.publishing.download",
    "export": "interop.export.export",
    "find_game": "builder.format.games",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
