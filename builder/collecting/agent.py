"""The agent whose play is logged: it acts at random, as a hand-written player, or as both in turns."""

import numpy as np

from ..errors import UnknownNameError
from ..format.games import Game
from .environment import AtariEnvironment
from .players.breakout import BreakoutPlayer
from .players.demon_attack import DemonAttackPlayer
from .players.freeway import FreewayPlayer
from .players.player import Player
from .players.pong import PongPlayer

POLICIES = ("random", "player")

PLAYERS: dict[str, type[Player]] = {
    "Pong": PongPlayer,
    "Breakout": BreakoutPlayer,
    "Freeway": FreewayPlayer,
    "DemonAttack": DemonAttackPlayer,
}
"""The class of each game's player, by the game's name."""

STRETCH = 64
"""Steps, about four seconds, for which either the player or chance is in control."""


class Agent:
    """Plays by a policy: at random for a share of the time, and as the game's player for the rest.

    Chance takes over for whole stretches: single random actions would cost a game of reflexes little or
    everything, while a lost stretch costs about what it would have won, so returns fall evenly as the share
    grows.

    Args:
        game: the game to play.
        policy: one of POLICIES; `random` is always random, whatever the share.
        random: the generator of every random choice.

    Raises:
        UnknownNameError: there is no such policy, or no player for this game.
    """

    def __init__(self, game: Game, policy: str, random: np.random.Generator) -> None:
        if policy not in POLICIES:
            raise UnknownNameError(f"unknown policy {policy!r}: expected {' or '.join(POLICIES)}")
        self._player = player_of(game) if policy == "player" else None
        self._random = random
        self._steps = 0
        self._by_chance = True
        self.prob = 1.0
        """The probability with which the last action was chosen by whoever was in control."""

    def act(self, environment: AtariEnvironment, random_share: float) -> int:
        """Returns the next action, as an index into `environment.actions`; `prob` is its probability then."""
        if self._steps % STRETCH == 0:
            self._by_chance = bool(self._random.random() < random_share)
        self._steps += 1
        chosen = self._player.choose(environment.ram) if self._player else None
        if chosen is None or self._by_chance:
            self.prob = 1 / len(environment.actions)
            return int(self._random.integers(len(environment.actions)))
        self.prob = 1.0
        return environment.actions.index(chosen)


def random_shares(policy: str, checkpoints: int) -> list[float]:
    """Returns the share of time that is left to chance in each checkpoint.

    For `player`, it starts at 1 and falls evenly to 0 in the last checkpoint; for a single one it is 0.
    """
    if policy == "random":
        return [1.0] * checkpoints
    return [1 - number / (checkpoints - 1) if checkpoints > 1 else 0.0 for number in range(checkpoints)]


def player_of(game: Game) -> Player:
    """Returns a new player of `game`.

    Raises:
        UnknownNameError: nobody wrote a player for it; the message names the games that have one.
    """
    if game.name not in PLAYERS:
        raise UnknownNameError(
            f"no player for {game}: only {', '.join(PLAYERS)} have one; the random policy plays every game"
        )
    return PLAYERS[game.name]()
