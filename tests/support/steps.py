"""Makes steps of real frames, in the form that shards are written from."""

from collections.abc import Iterator

import numpy as np
from atari_dqn_replay.builder.format.features import steps_features
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.shards.steps import Columns
from logs import real_frames

EPISODE_ROWS = 300
SCHEMA = steps_features(find_game("breakout")).arrow_schema


def episodes(rows: int) -> Iterator[Columns]:
    """Yield steps of real frames, episode by episode."""
    for number, start in enumerate(range(0, rows, EPISODE_ROWS)):
        yield steps(min(EPISODE_ROWS, rows - start), number)


def steps(rows: int, episode: int = 0) -> Columns:
    """Returns an episode of real frames; neighbouring episodes have different frames."""
    first = episode % 8 * EPISODE_ROWS
    step = np.arange(rows, dtype=np.int32)
    return {
        "observation": real_frames("breakout", first + rows)[first:],
        "action": step % np.int64(4),
        "reward": (step % 11 == 0).astype(np.float32),
        "terminated": step == rows - 1,
        "truncated": np.zeros(rows, bool),
        "return_to_go": (step[::-1] // 11).astype(np.float32),
        "checkpoint": np.full(rows, 3, np.int16),
        "episode": np.full(rows, episode, np.int32),
        "step": step,
    }
