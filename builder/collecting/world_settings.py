"""The settings of a run of a world to collect: what is played, how, and where it goes."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OutputError, UnknownNameError
from ..format.games import Game
from ..format.played_episodes import FOLDER, MOST_ENVIRONMENTS, STATE_COLUMNS
from ..worlds.world import World
from .log_settings import LARGEST_RUN, own_version


@dataclass(frozen=True)
class WorldSettings:
    """A run to collect; the arguments of `collect_world`."""

    game: Game
    out: Path
    policy: str
    environments: int = 1
    steps: int = 10_000
    own_maps: bool = False
    run: int = 1
    seed: int = 0
    time_limit: int | None = None

    @property
    def world(self) -> World:
        """The world that is played."""
        world = self.game.world
        assert world is not None
        return world

    @property
    def folder(self) -> Path:
        """The folder of the run's episodes, `<out>/<Game>/<run>/episodes`."""
        return self.out / self.game.name / str(self.run) / FOLDER

    @property
    def limit(self) -> int:
        """The number of steps after which an episode is truncated."""
        return self.world.time_limit if self.time_limit is None else self.time_limit

    def check(self) -> None:
        """Check the names, the numbers and the folder.

        Raises:
            UnknownNameError: there is no such policy.
            OutputError: a number is too small or too large, or the folder is not local.
        """
        if self.policy not in self.world.policies:
            raise UnknownNameError(
                f"unknown policy {self.policy!r}: {self.game} is played by {' or '.join(self.world.policies)}"
            )
        if re.match(r"[a-z][a-z0-9+]+:/", str(self.out)):  # a Path merges a URL's two slashes
            raise OutputError(f"{self.out}: episodes are collected into a local folder; copy them from there")
        for name, value, least, most in (
            ("environments", self.environments, 1, MOST_ENVIRONMENTS),
            ("steps", self.steps, self.environments, 1_000_000_000),
            ("run", self.run, 1, LARGEST_RUN),
            ("seed", self.seed, 0, None),
            ("time limit", self.limit, 1, self.world.time_limit),
        ):
            if value < least:
                raise OutputError(f"{name} {value} is too small: expected {least} or more")
            if most is not None and value > most:
                raise OutputError(f"{name} {value:,} is too large: expected {most:,} or less")

    def steps_of(self, environment: int) -> int:
        """Returns how many of the steps an environment plays."""
        return self.steps // self.environments + (environment < self.steps % self.environments)

    def world_seed(self, environment: int) -> int:
        """Returns the seed of an environment's worlds, below 2³¹."""
        which = [environment] if self.own_maps else []
        return int(np.random.SeedSequence([self.seed, self.run, *which]).generate_state(1)[0] >> 1)

    def policy_random(self, environment: int, episode: int) -> np.random.Generator:
        """Returns the generator of the choices that the policy makes in one episode."""
        return np.random.default_rng([self.seed, self.run, environment, episode])

    def details(self) -> dict[str, Any]:
        """Returns how the run is played, for its `provenance.json`."""
        return {
            "collector": f"atari-dqn-replay {own_version()}",
            "game": self.game.name,
            "run": self.run,
            "seed": self.seed,
            "policy": self.policy,
            "environments": self.environments,
            "steps": self.steps,
            "maps": "one for each environment" if self.own_maps else "the same in all environments",
            "versions": dict(self.world.versions()),
            STATE_COLUMNS: [*self.world.state_columns],
            "protocol": {
                "observation": "×".join(map(str, self.world.frame_shape)),
                "time_limit_steps": self.limit,
            },
        }
