"""The DQN Replay Dataset, from any surviving copy of it, as a Hugging Face dataset."""

from pathlib import Path

__path__ = [str(Path(__file__).parent)]
