"""Defines what a world is: what is recorded of it, how it is played, and by whom."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

State = Mapping[str, int]
"""What a world reports of its state beside the observation, by the names of its `state_columns`."""


class Environment(ABC):
    """A world that is being played, with Gymnasium's meaning of `reset`, `step` and `close`.

    Episodes are numbered 0, 1, … and start in any order: an episode depends on the environment's seed, its
    own number and the actions alone, in every process.
    """

    @abstractmethod
    def reset(self, episode: int) -> tuple[np.ndarray, State]:
        """Start an episode; return its first observation, uint8, and the state that it shows."""

    @abstractmethod
    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, State]:
        """Take an action, given its index among the world's actions.

        Returns:
            The observation after it, uint8; the reward; whether the episode is `terminated`; whether it is
            `truncated` (never both); and the state that the observation shows.
        """

    def maps(self) -> Mapping[str, np.ndarray]:
        """Returns the images of the episode's world as it was at the reset, by their columns' names.

        First to be called right after `reset`; later calls return the same.
        """
        return {}

    def close(self) -> None:  # noqa: B027
        """Release what the environment holds."""


class Policy(ABC):
    """Chooses actions during one episode.

    Args:
        actions: the number of actions.
        random: the generator of every random choice.
    """

    def __init__(self, actions: int, random: np.random.Generator) -> None:
        self.actions = actions
        self.random = random

    @abstractmethod
    def act(self) -> int:
        """Returns the next action."""


class RandomPolicy(Policy):
    """Chooses uniformly among all actions."""

    def act(self) -> int:
        """Returns the next action."""
        return int(self.random.integers(self.actions))


@dataclass(frozen=True)
class World:
    """A world, and everything that the rest of the program must know about it."""

    name: str
    """The name, such as `Crafter`; in configs and paths it is written in lower case."""
    requirement: str
    """What to install for it: the name of an extra of this package."""
    actions: Sequence[str]
    """The names of the actions; an action's number is its index here."""
    frame_shape: tuple[int, ...]
    """The shape of an observation, uint8: height and width, and 3 if it is RGB."""
    time_limit: int
    """The number of steps after which an episode is truncated."""
    environment: Callable[..., Environment]
    """Makes an environment from its `seed` and a `time_limit`."""
    policies: Mapping[str, type[Policy]]
    """Who can play it, by name; the first is the default."""
    versions: Callable[[], Mapping[str, str]]
    """Returns the versions of the packages that decide what an episode holds."""
    state_columns: Mapping[str, str] = field(default_factory=dict)
    """The columns with the state before each action, and their dtypes, which are integers."""
    map_columns: Sequence[str] = ()
    """The columns with images of each episode's world. If `map` is among them, it is a picture of all fields
    but the northernmost row, and `player_x` and `player_y` of the state are places on it."""
    fields: tuple[int, int] = (0, 0)
    """The columns and rows of the map."""
    sight: tuple[int, int] = (0, 0)
    """How many columns and rows of it a player sees each way."""
