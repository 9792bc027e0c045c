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
    folder: Path, games: Mapping[str, int], *, checkpoints: int = 3, checkpoint_size: int = 2_000
) -> tuple[Path, dict[str, PlayedGame]]:
    """Play games, each as the given run, and build them into a dataset; return its folder and the games."""
    played = {}
    for name, run in games.items():
        game, record = find_game(name), folder / f"{name}.npz"
        collect(
            game,
            folder / "logs",
            checkpoints=checkpoints,
            checkpoint_size=checkpoint_size,
            run=run,
            record=record,
        )
        played[name] = PlayedGame(game, run, folder / "logs", dict(np.load(record)))
    dataset = folder / "dataset"
    done = run_command("build", *games, "--source", folder / "logs", "--out", dataset)
    assert done.returncode == 0, done.stderr
    return dataset, played
