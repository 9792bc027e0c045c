"""Lists the 60 games of the DQN Replay Dataset, and the worlds beyond Atari: their names and actions."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UnknownNameError
from ..worlds.crafter import CRAFTER
from ..worlds.world import World
from .actions import minimal_actions

WORLDS: Sequence[World] = (CRAFTER,)
"""The worlds beyond Atari."""

_NAMES = """
AirRaid Alien Amidar Assault Asterix Asteroids Atlantis BankHeist BattleZone BeamRider Berzerk
Bowling Boxing Breakout Carnival Centipede ChopperCommand CrazyClimber DemonAttack DoubleDunk
ElevatorAction Enduro FishingDerby Freeway Frostbite Gopher Gravitar Hero IceHockey Jamesbond
JourneyEscape Kangaroo Krull KungFuMaster MontezumaRevenge MsPacman NameThisGame Phoenix Pitfall
Pong Pooyan PrivateEye Qbert Riverraid RoadRunner Robotank Seaquest Skiing Solaris SpaceInvaders
StarGunner Tennis TimePilot Tutankham UpNDown Venture VideoPinball WizardOfWor YarsRevenge Zaxxon
""".split()  # noqa: SIM905


@dataclass(frozen=True, order=True)
class Game:
    """A game of Atari or another world, identified by its name, such as `MsPacman`; games sort by it.

    The name is that of an Atari game's folder in the bucket.
    """

    name: str

    @property
    def rom_id(self) -> str:
        """The name of the ROM in ALE: `ms_pacman`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.name).lower()

    @property
    def slug(self) -> str:
        """The name in configs and paths, as d4rl-atari writes it: `ms-pacman`."""
        return self.rom_id.replace("_", "-")

    @property
    def actions(self) -> tuple[str, ...]:
        """The names of the actions; an action's number is its index here.

        Those of an Atari game are its minimal action set, in ALE's order.
        """
        return minimal_actions(self.name) if self.world is None else tuple(self.world.actions)

    @property
    def world(self) -> World | None:
        """The world that this is; None for a game of Atari."""
        return _WORLDS.get(self.name)

    def __str__(self) -> str:
        return self.name


GAMES: tuple[Game, ...] = tuple(Game(name) for name in _NAMES)
"""The games of the DQN Replay Dataset."""

_WORLDS = {world.name: world for world in WORLDS}

ALL_GAMES: tuple[Game, ...] = (*GAMES, *map(Game, _WORLDS))
"""Those, and the worlds beyond Atari."""

_CONFIGS = ("preview", "mixed", "medium", "expert", "full", "episodes")
"""What a dataset's configs are called, or what their names end with; easily taken for a game's name."""


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _key_of_game(name: str) -> str:
    return _key(re.sub(r"(NoFrameskip|Deterministic)?-v\d+$", "", name.removeprefix("ALE/")))


_BY_KEY = {_key(game.name): game for game in ALL_GAMES}


def match_game(name: str) -> Game | None:
    """Returns the game with this name in any convention, as `find_game` does; None if no game has it."""
    return _BY_KEY.get(_key_of_game(name))


def find_game(name: str) -> Game:
    """Returns the game with this name in any convention: `MsPacman`, `ms-pacman`, `MsPacmanNoFrameskip-v4`.

    Raises:
        UnknownNameError: no game has this name; the message suggests the most similar ones.
    """
    game = match_game(name)
    if game is not None:
        return game
    key = _key_of_game(name)
    near = [_BY_KEY[match].slug for match in difflib.get_close_matches(key, _BY_KEY, n=3, cutoff=0.5)]
    hint = f"known games: {', '.join(g.slug for g in ALL_GAMES)}"
    if key in _CONFIGS:
        hint = f"{key} is a config of a dataset, or the end of a config's name; name a game, such as pong"
    elif near:
        hint = f"did you mean {' or '.join(near)}?"
    raise UnknownNameError(f"unknown game {name!r}: {hint}")
