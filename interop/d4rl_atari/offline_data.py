"""What `get_dataset` returns: whole episodes, or the rows of a log file, with frames in memory or on disk."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...builder.errors import UnknownNameError
from ...builder.format.configs import EPOCH
from ...builder.format.games import Game
from ...builder.format.protocol import STACK_SIZE
from ...replay_reader.replay_dataset import ReplayDataset
from ..dump_rows import BLANK, find_dump_rows
from ..lazy_frames import LazyObservations, RowFrames
from ..selection import Place, open_steps


@dataclass(frozen=True)
class OfflineData:
    """Loads what `get_dataset` returns; its fields are the environment's arguments."""

    game: Game
    run: int
    view: str
    """As in a config's name: `mixed`, `epoch-7`."""
    dataset: Place | None
    raw: bool
    lazy: bool
    stack: bool
    cache_dir: str | os.PathLike[str] | None

    def load(self) -> dict[str, Any]:
        """Returns the dict that `get_dataset` returns."""
        steps, numbers = self._dump() if self.raw else self._episodes()
        stored = steps.numbers()
        there = numbers != BLANK
        stored["terminal"] = _terminals(steps)

        def column(name: str, dtype: type[np.generic]) -> np.ndarray:
            values = np.zeros(len(numbers), dtype)
            values[there] = stored[name][numbers[there]]
            return values

        terminals = column("terminal", np.uint8)
        rows = RowFrames(steps, numbers)
        frames = rows if self.lazy else rows.load()
        if self.stack:
            observations: Any = LazyObservations(frames, _begins(terminals), STACK_SIZE)
        elif isinstance(frames, RowFrames):
            observations = LazyObservations(frames)
        else:
            observations = frames[:, None]
        return {
            "observations": observations,
            "actions": column("action", np.int32),
            "rewards": column("reward", np.float32),
            "terminals": terminals,
        }

    def _episodes(self) -> tuple[ReplayDataset, np.ndarray]:
        steps = open_steps(self.dataset, self.game, self.run, view=self.view, cache_dir=self.cache_dir)
        return steps, np.arange(len(steps))

    def _dump(self) -> tuple[ReplayDataset, np.ndarray]:
        if not self.view.startswith(f"{EPOCH}-"):
            raise UnknownNameError(
                f"raw rows are those of one log file, and {self.view!r} names none: take "
                f"{self.game.slug}-{EPOCH}-<number>, or by_file_number=True"
            )
        number = int(self.view.removeprefix(f"{EPOCH}-"))
        dump = find_dump_rows(self.dataset, self.game, self.run, number)
        steps = open_steps(
            self.dataset, self.game, self.run, checkpoints=dump.checkpoints, cache_dir=self.cache_dir
        )
        return steps, dump.step


def _terminals(steps: ReplayDataset) -> np.ndarray:
    """Returns 1 where an episode ends, (N,), but not for the last one if the log cuts it off."""
    ends = np.cumsum(steps.episodes["length"]) - 1
    terminals = np.zeros(len(steps), np.uint8)
    terminals[ends] = 1
    last = steps.episodes[-1]
    terminals[ends[-1]] = last["terminated"] | last["truncated"]
    return terminals


def _begins(terminals: np.ndarray) -> np.ndarray:
    """Returns the first row of each row's episode, (N,); it comes after a terminal row."""
    starts = np.concatenate([[True], terminals[:-1] == 1])
    return np.maximum.accumulate(np.where(starts, np.arange(len(terminals)), 0))
