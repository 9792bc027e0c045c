"""d3rlpy's `get_atari` and `get_atari_transitions`, on a built dataset: its algorithms fit the results."""

from ..libraries import require

require("d3rlpy", "2.8", extra="d3rlpy")

from .datasets import get_atari, get_atari_transitions
from .replay_buffer import AtariReplayBuffer

__all__ = ["AtariReplayBuffer", "get_atari", "get_atari_transitions"]
