"""Steps of a run's episodes, read roughly in order of play."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from ...builder.format.features import PROB
from ...builder.sources.dataset_repo.run import RepoCheckpoint
from ...builder.sources.run import Checkpoint, Episode, Run, RunReader

Columns = dict[str, np.ndarray]
"""Some consecutive steps: observation (n, 84, 84) uint8, action (n,) int32, reward (n,) float32 and
terminal (n,) uint8, which is 1 on an episode's last step if the game or the time limit ended it; and prob
(n,) float32 if the run has it."""


class StepsInOrder:
    """Reads stretches of episodes of one run.

    Asked for what comes later, it reads on; asked for what came before, it begins anew there. Memory holds
    what the run gives of frames at a time.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._reader: RunReader | None = None
        self._checkpoint = -1
        self._episodes: Iterator[Episode] = iter(())
        self._episode: Episode | None = None
        self._position = 0
        """Of the next step that can be read in the episode."""
        self._held = np.empty(0)
        """Frames from there on that were read already."""

    def read(self, checkpoint: int, episode: int, start: int, stop: int) -> Iterator[Columns]:
        """Yield steps start … stop - 1 of an episode, block by block.

        Raises:
            SourceError, DatasetError: they cannot be read.
        """
        found = self._go_to(checkpoint, episode, start)
        while start < stop:
            frames = self._take(stop - start)
            end = start + len(frames)
            terminal = np.zeros(len(frames), np.uint8)
            terminal[-1] = end == len(found) and (found.terminated or found.truncated)
            yield {
                "observation": frames,
                "action": found.action[start:end].astype(np.int32, copy=False),
                "reward": found.reward[start:end].astype(np.float32, copy=False),
                "terminal": terminal,
                **({} if found.prob is None else {PROB: found.prob[start:end]}),
            }
            start = end

    @property
    def final_observation(self) -> np.ndarray | None:
        """What was seen after the last step of the episode that was read last; None if it is not known."""
        return None if self._episode is None else self._episode.final_observation

    def close(self) -> None:
        """Close the files."""
        if self._reader is not None:
            self._reader.close()
        self._reader, self._episode, self._episodes, self._checkpoint = None, None, iter(()), -1

    def _go_to(self, checkpoint: int, episode: int, step: int) -> Episode:
        here = (self._checkpoint, -1 if self._episode is None else self._episode.number, self._position)
        if (checkpoint, episode, step) < here or checkpoint != self._checkpoint:
            self._open(checkpoint, episode)
        while self._episode is None or self._episode.number < episode:
            self._episode = next(self._episodes)
            self._position, self._held = 0, self._held[:0]
        assert self._episode.number == episode
        while self._position < step:
            self._take(step - self._position)
        return self._episode

    def _open(self, checkpoint: int, episode: int) -> None:
        if self._reader is not None and self._reader.next_number == checkpoint:
            for _ in self._episodes:  # a checkpoint is to be used up before the next is asked for
                pass
        else:
            self.close()
            self._reader = self._run.reader()
        self._checkpoint = checkpoint
        self._episodes = _episodes_from(self._reader.checkpoint(checkpoint), episode)
        self._episode = None
        self._position, self._held = 0, self._held[:0]

    def _take(self, most: int) -> np.ndarray:
        assert self._episode is not None
        while not len(self._held):
            self._held = next(self._episode.frames)
        frames, self._held = self._held[:most], self._held[most:]
        self._position += len(frames)
        return frames


def _episodes_from(checkpoint: Checkpoint, first: int) -> Iterator[Episode]:
    if isinstance(checkpoint, RepoCheckpoint):
        return checkpoint.chosen(range(first, len(checkpoint)))
    return islice(checkpoint.episodes(), first, None)
