"""Plays games with `collect` and builds them into a folder, to compare play with what is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from atari_dqn_replay.builder.collecting.collect import collect
from atari_dqn_replay.builder.format.games import Game, find_game
from command import run as run_command
from numpy.typing import NDArray


@dataclass(frozen=True)
class PlayedGame:
    """One run of one game, whose every step can be recovered from its log."""

    game: Game
    run: int
    logs: Path
    """The root of the source."""
    record: Mapping[str, NDArray[np.generic]]
    """observation (n, 84, 84), action, reward (clipped) and terminal (n,), in order of play."""

    @property
    def log(self) -> Path:
        """The folder of the log's files."""
        return self.logs / self.game.name / str(self.run) / "replay_logs"

    def __len__(self) -> int:
        return len(self.record["action"])

    @cached_property
    def episode(self) -> NDArray[np.int64]:
        """The number of each step's episode, (n,)."""
        ended = self.record["terminal"].astype(np.int64)
        return np.cumsum(ended) - ended


def play_games(
    folder: Path, games: Mapping[str, int], *, checkpoints: int = 3, checkpoint_size: int = 820
) -> None:
    """Play games, each as the given run, and build them into `folder / "dataset"`.

    With the default size no lap is skipped, and several episodes of Asterix begin in each checkpoint.
    """
    for name, run in games.items():
        collect(
            find_game(name),
            folder / "logs",
            checkpoints=checkpoints,
            checkpoint_size=checkpoint_size,
            run=run,
            record=folder / f"{name}.npz",
        )
    done = run_command("build", *games, "--source", folder / "logs", "--out", folder / "dataset")
    assert done.returncode == 0, done.stderr


def played_games(folder: Path, games: Mapping[str, int]) -> dict[str, PlayedGame]:
    """Returns the games that `play_games` played."""
    return {
        name: PlayedGame(find_game(name), run, folder / "logs", dict(np.load(folder / f"{name}.npz")))
        for name, run in games.items()
    }
