"""The settings of one log to collect: what is played, how, and where it goes."""

import hashlib
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..format.frame_format import GREY84, FrameFormat
from ..format.games import Game
from ..format.layout import MOST_CHECKPOINT
from ..format.protocol import FRAME_SKIP, STICKY_ACTION_PROBABILITY, TIME_LIMIT
from .agent import STRETCH, random_shares
from .environment import rom_of

SMALLEST_CHECKPOINT = 10
"""Rows; with fewer there is no room for a last file that is only partly new."""

LARGEST_RUN = 99
"""The largest run number: a source's runs have one or two digits, and the column `run` has one byte."""


@dataclass(frozen=True)
class LogSettings:
    """One log to collect; the arguments of `collect`."""

    game: Game
    out: Path
    policy: str = "random"
    checkpoints: int = 50
    checkpoint_size: int = 10_000
    run: int = 1
    seed: int = 0
    record: Path | None = None
    time_limit: int = TIME_LIMIT
    frame_format: FrameFormat = GREY84
    probabilities: bool = False
    """Whether the log holds the probability of each action, too."""

    @property
    def folder(self) -> Path:
        """The log's folder, `<out>/<Game>/<run>/replay_logs`, as in the bucket."""
        return self.out / self.game.name / str(self.run) / "replay_logs"

    def check(self) -> None:
        """Check the numbers and the folder.

        Raises:
            OutputError: a number is too small or too large, or the folder is not local.
        """
        if re.match(r"[a-z][a-z0-9+]+:/", str(self.out)):  # a Path merges a URL's two slashes
            raise OutputError(f"{self.out}: logs are collected into a local folder; copy them from there")
        # The number of full checkpoints is also the number of the last, partial one.
        for name, value, least, most in (
            ("checkpoints", self.checkpoints, 1, MOST_CHECKPOINT),
            ("checkpoint size", self.checkpoint_size, SMALLEST_CHECKPOINT, None),
            ("run", self.run, 1, LARGEST_RUN),
            ("seed", self.seed, 0, None),
            ("time limit", self.time_limit, 1, None),
        ):
            if value < least:
                raise OutputError(f"{name} {value} is too small: expected {least} or more")
            if most is not None and value > most:
                raise OutputError(f"{name} {value} is too large: expected {most} or less")

    def details(self) -> dict[str, Any]:
        """Returns how the log is made, for its `provenance.json`."""
        schedule = "all actions at random"
        if self.policy == "player":
            shares = random_shares(self.policy, self.checkpoints)
            schedule = (
                f"share of random play {shares[0]:g} in checkpoint 0, falling evenly to {shares[-1]:g} in "
                f"checkpoint {self.checkpoints - 1}, in stretches of {STRETCH} steps"
            )
        return {
            "run": self.run,
            "seed": self.seed,
            "policy": {"random": "uniform random", "player": f"hand-written player of {self.game}"}[
                self.policy
            ],
            "schedule": schedule,
            "checkpoints": self.checkpoints,
            "checkpoint_size": self.checkpoint_size,
            **({"probabilities": True} if self.probabilities else {}),
            **protocol_details(self.game, self.time_limit, self.frame_format),
        }


def protocol_details(game: Game, time_limit: int, frame_format: FrameFormat = GREY84) -> dict[str, Any]:
    """Returns what all logs' provenance says of the game, the programs and the dataset's protocol."""
    return {
        "collector": f"atari-dqn-replay {own_version()}",
        "game": game.name,
        "ale_py": version("ale-py"),
        "rom_md5": hashlib.md5(rom_of(game).read_bytes(), usedforsecurity=False).hexdigest(),
        "reward_clipping": [-1, 1],
        "protocol": {
            "sticky_action_probability": STICKY_ACTION_PROBABILITY,
            "frame_skip": FRAME_SKIP,
            "frame_pooling": "maximum of the last two frames",
            "observation": f"{frame_format.describe().replace('×', 'x')}, area interpolation",
            "time_limit_steps": time_limit,
            "terminal_on_life_loss": False,
            "no_op_starts": False,
        },
    }


def own_version() -> str:
    """Returns the version of this package."""
    try:
        return version("atari-dqn-replay")
    except PackageNotFoundError:
        return "(source tree)"
