"""The episodes of one checkpoint as LRAM's download script finds them, whole or with their padding."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from ....builder.sources.run import Episode, Run
from ..bucket.rebuilt_log import RebuiltLog


@dataclass(frozen=True)
class Played:
    """One episode that came to an end."""

    states: np.ndarray
    """(L, 84, 84) uint8"""
    actions: np.ndarray
    """(L,) int32"""
    rewards: np.ndarray
    """(L,) float32"""

    def __len__(self) -> int:
        return len(self.actions)


def whole_episodes(run: Run, checkpoint: int) -> Generator[Played]:
    """Yield the episodes that began in a checkpoint and were ended by the game or the time limit."""
    reader = run.reader()
    try:
        for episode in reader.checkpoint(checkpoint).episodes():
            if episode.terminated or episode.truncated:
                yield _whole(episode)
    finally:
        reader.close()


def padded_episodes(log: RebuiltLog, file: int) -> Generator[Played]:
    """Yield what the rows of one dump make when they are cut after each terminal one, as the script does.

    So there is padding before each episode but the first, which lacks its beginning, and the rest of the dump
    after its last terminal row is dropped.
    """
    held: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for block, _ in log.blocks(log.layout.files[file]):
        start = 0
        for end in np.flatnonzero(block["terminal"]) + 1:
            held.append(_rows(block, start, int(end)))
            yield Played(*(np.concatenate(column) for column in zip(*held, strict=True)))
            held.clear()
            start = int(end)
        held.append(_rows(block, start, len(block["terminal"])))


def _rows(block: dict[str, np.ndarray], start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return block["observation"][start:stop], block["action"][start:stop], block["reward"][start:stop]


def _whole(episode: Episode) -> Played:
    frames = list(episode.frames)
    states = frames[0] if len(frames) == 1 else np.concatenate(frames)
    return Played(
        states, episode.action.astype(np.int32, copy=False), episode.reward.astype(np.float32, copy=False)
    )
