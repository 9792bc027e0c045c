"""Who plays: uniform random, or a hand-written player of the game that reads the console's RAM.

RAM addresses are those of the Atari Annotated RAM Interface (Anand et al., 2019); speeds, walls and what a
hit does were measured in ale-py. Unless said otherwise, lengths are pixels and times are agent steps.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UnknownNameError
from ..format.games import Game
from .environment import AtariEnvironment

POLICIES = ("random", "player")

STRETCH = 64
"""Steps, about four seconds, for which either the player or chance has the controls."""


class Player(ABC):
    """Plays one game well; sees one agent step at a time."""

    @abstractmethod
    def choose(self, ram: NDArray[np.uint8]) -> str:
        """The name of the next action, given the console's 128 bytes; called once per agent step."""


class Agent:
    """Plays by a policy: at random for a share of the time, and as the game's player for the rest.

    Chance takes over for whole stretches: a random action now and then would cost a game of reflexes little
    or everything, while a lost stretch costs about what it would have won, so that returns fall evenly as
    the share grows.

    Args:
        game: which one.
        policy: one of POLICIES; `random` is always random, whatever the share.
        random: makes every choice that is left to chance.

    Raises:
        UnknownNameError: no such policy, or no player for this game.
    """

    def __init__(self, game: Game, policy: str, random: np.random.Generator) -> None:
        if policy not in POLICIES:
            raise UnknownNameError(f"unknown policy {policy!r}: expected {' or '.join(POLICIES)}")
        self._player = player_of(game) if policy == "player" else None
        self._random = random
        self._steps = 0
        self._by_chance = True

    def act(self, environment: AtariEnvironment, random_share: float) -> int:
        """The next action, as a place in `environment.actions`."""
        if self._steps % STRETCH == 0:
            self._by_chance = bool(self._random.random() < random_share)
        self._steps += 1
        chosen = self._player.choose(environment.ram) if self._player else None
        if chosen is None or self._by_chance:
            return int(self._random.integers(len(environment.actions)))
        return environment.actions.index(chosen)


def random_shares(policy: str, checkpoints: int) -> list[float]:
    """The share of time that is left to chance in each checkpoint.

    A `player` starts at 1 and falls evenly to 0 in the last checkpoint; if there is but one, it is 0.
    """
    if policy == "random":
        return [1.0] * checkpoints
    return [1 - number / (checkpoints - 1) if checkpoints > 1 else 0.0 for number in range(checkpoints)]


def player_of(game: Game) -> Player:
    """A fresh player of `game`.

    Raises:
        UnknownNameError: no player was written for it; the message names the games that have one.
    """
    if game.name not in PLAYERS:
        raise UnknownNameError(
            f"no player for {game}: only {', '.join(PLAYERS)} have one; the random policy plays every game"
        )
    return PLAYERS[game.name]()


class PongPlayer(Player):
    """Sends the ball away so steeply that the opponent, who follows it at a fixed speed, comes too late.

    RAM: 49 and 54, the ball's x and y (y is 0 while there is none); 51, our paddle's y; 50, the opponent's y.
    """

    PADDLE, OPPONENT = 187, 70
    """x at which the ball meets them."""

    TOP, BOTTOM = 44.5, 206.0
    """y of the walls."""

    OPPONENT_SPEED = 7
    OPPONENT_REACH = 13
    """Of the ball's distance from the opponent's y, beyond which it passes."""

    MIDDLE = 7
    """The ball's y less our paddle's when it meets the middle; nearer to the ends it leaves steeply."""

    SLANT, SAFE = 0.6, 10.5
    """How far the middle moves for each unit of the ball's vertical speed, and how far from it is no miss."""

    STEEP = 8
    """Vertical speed of a ball that leaves near an end of the paddle."""

    ENDS: ClassVar = {8: (-6, 12.5), 4: (-4, 13), -4: (0, 17), -8: (1.5, 19)}
    """For each vertical speed with which a ball comes in: where it has to meet our paddle to leave upwards,
    and where to leave downwards. Going back the way it came is easy; the other end is a matter of luck."""

    def __init__(self) -> None:
        self._paddle = Paddle()
        self._ball = (0, 0)
        self._speed = (0, 0)
        self._offset = self.MIDDLE + 0.0
        self._planned_for = 0
        self._counter = 0

    def choose(self, ram: NDArray[np.uint8]) -> str:
        """RIGHT is up, LEFT is down."""
        x, y = int(ram[49]), int(ram[54])
        speed = (x - self._ball[0], y - self._ball[1])
        steady, self._speed, self._ball = speed == self._speed, speed, (x, y)
        self._paddle.see(int(ram[51]))
        if y == 0 or speed[0] <= 0:
            move = self._wait(y)
        elif steady:
            move = self._meet(float(ram[50]))
        else:
            move = 0  # the ball has just bounced: its speed is not known yet
        self._paddle.pressed = move
        return ("RIGHT", "NOOP", "LEFT")[move + 1]

    def _wait(self, ball_y: int) -> int:
        self._planned_for = self._counter = 0
        ahead = (ball_y - self.MIDDLE if ball_y else 120) - self._paddle.rest
        return 0 if abs(ahead) < 12 else _sign(ahead)

    def _meet(self, opponent: float) -> int:
        (x, y), (dx, dy) = self._ball, self._speed
        meets_at, arrives_with, opponent = self._fly(x, y, dx, dy, opponent, self.PADDLE)
        if self._planned_for != dy:
            self._offset = self._plan(meets_at, arrives_with, dx, opponent)
            self._planned_for = dy
        ahead = meets_at - self._offset - self._paddle.rest
        if self.PADDLE - x < 1.5 * dx:
            is_safe = abs(meets_at - self._paddle.rest - self.MIDDLE + self.SLANT * arrives_with) <= self.SAFE
            return 0 if is_safe else _sign(ahead)
        return self._move_paddle(ahead)

    def _move_paddle(self, ahead: float) -> int:
        """A press moves the paddle by 23, more or less by chance: press to and fro until it lies right."""
        if self._counter:
            move, self._counter = self._counter, 0
            return move
        if abs(ahead) > 16:
            return _sign(ahead)
        if not self._paddle.is_still or abs(ahead) <= 3:
            return 0
        if abs(ahead) <= 8:
            self._counter = -_sign(ahead)
        return _sign(ahead)

    def _plan(self, meets_at: float, arrives_with: float, speed: float, opponent: float) -> float:
        """Where on the paddle to meet the ball: at an end from which it passes the opponent, if it can."""
        shots: list[tuple[bool, bool, float, float]] = []
        upwards, downwards = self.ENDS.get(round(arrives_with), (self.MIDDLE, self.MIDDLE))
        for offset, leaves_with in ((upwards, -self.STEEP), (downwards, self.STEEP)):
            if not Paddle.LOWEST <= meets_at - offset <= Paddle.HIGHEST:
                continue
            y, _, there = self._fly(self.PADDLE, meets_at, -speed, leaves_with, opponent, self.OPPONENT)
            is_easy = leaves_with * arrives_with < 0
            shots.append((abs(y - there) >= self.OPPONENT_REACH, is_easy, abs(y - there), offset))
        return max(shots)[3] if shots else self.MIDDLE

    def _fly(
        self, x: float, y: float, dx: float, dy: float, opponent: float, until: float
    ) -> tuple[float, float, float]:
        """The ball's y and vertical speed when its x is `until`, and the opponent's y by then."""
        while abs(until - x) >= abs(dx) and (until - x) * dx > 0:
            x, y = x + dx, y + dy
            if not self.TOP <= y <= self.BOTTOM:
                y, dy = 2 * (self.TOP if y < self.TOP else self.BOTTOM) - y, -dy
            opponent += max(-self.OPPONENT_SPEED, min(self.OPPONENT_SPEED, y - opponent))
        return y + dy * (until - x) / dx, dy, opponent


class BreakoutPlayer(Player):
    """Goes where the ball will come down.

    RAM: 99 and 101, the ball's x and y (y is 0 while there is none); 72, the paddle's x.
    """

    PADDLE = 186
    """y at which the ball meets it."""

    LEFT, RIGHT = 57, 199
    """x of the walls."""

    MIDDLE = 8.5
    """The ball's x less the paddle's when it meets the middle."""

    REACH = 8
    """Distance from the middle that is near enough."""

    def __init__(self) -> None:
        self._paddle = Paddle()
        self._ball = (0, 0)

    def choose(self, ram: NDArray[np.uint8]) -> str:
        """FIRE serves a ball."""
        x, y = int(ram[99]), int(ram[101])
        dx, dy = x - self._ball[0], y - self._ball[1]
        self._ball = (x, y)
        self._paddle.see(int(ram[72]))
        if y == 0:
            self._paddle.pressed = 0
            return "FIRE"
        is_falling = 0 < dy < 40  # more is a new ball, not a speed
        lands_at = self._reflect(x + dx * (self.PADDLE - y) / dy) if is_falling else x
        ahead = lands_at - self.MIDDLE - self._paddle.rest
        self._paddle.pressed = 0 if abs(ahead) <= self.REACH else _sign(ahead)
        return ("LEFT", "NOOP", "RIGHT")[self._paddle.pressed + 1]

    def _reflect(self, x: float) -> float:
        width = self.RIGHT - self.LEFT
        x = (x - self.LEFT) % (2 * width)
        return self.LEFT + min(x, 2 * width - x)


class FreewayPlayer(Player):
    """Crosses as fast as the cars allow, looking a few steps ahead.

    RAM: 14, how far up the road our chicken is (from 6); 108 to 117, the x of the cars in the ten lanes.
    """

    KERB = 6
    """Our y before we cross."""

    FIRST_LANE, LANE = 15, 16
    """y of the first lane's middle, and from there to the next."""

    REACH = 8
    """Distance from a lane's middle at which its car can hit us."""

    CAR_FROM, CAR_TO = 38, 59
    """A car's x while it covers our column."""

    ROAD = 160
    """Length after which a car's x starts again from 0."""

    MOVES: ClassVar = {"UP": 4, "NOOP": 0, "DOWN": -4}
    LOOK_AHEAD = 4

    def __init__(self) -> None:
        self._cars: NDArray[np.int64] | None = None
        self._speeds: Sequence[int] = ()

    def choose(self, ram: NDArray[np.uint8]) -> str:
        """The move that gets furthest among those after which some way ahead is free."""
        cars = ram[108:118].astype(np.int64)
        before = self._cars if self._cars is not None else cars
        self._speeds = ((cars - before + self.ROAD // 2) % self.ROAD - self.ROAD // 2).tolist()
        self._cars = cars
        y = int(ram[14])
        places = ((name, max(y + step, self.KERB)) for name, step in self.MOVES.items())
        return next((name for name, place in places if self._is_free(place, 1, cars.tolist())), "UP")

    def _is_free(self, y: int, after: int, cars: Sequence[int]) -> bool:
        """Whether we can be at `y` in `after` steps and not be hit until LOOK_AHEAD."""
        lane = round((y - self.FIRST_LANE) / self.LANE)
        if 0 <= lane < len(cars) and abs(y - self.FIRST_LANE - self.LANE * lane) <= self.REACH:
            car = (cars[lane] + self._speeds[lane] * after) % self.ROAD
            if self.CAR_FROM <= car <= self.CAR_TO:
                return False
        if after == self.LOOK_AHEAD:
            return True
        return any(self._is_free(y + step, after + 1, cars) for step in self.MOVES.values())


class Paddle:
    """A paddle whose place lags behind the knob that moves it."""

    LOWEST, HIGHEST = 38, 203
    """Of Pong's paddle."""

    def __init__(self) -> None:
        self.pressed = 0
        """Which way we turned the knob in the last step: -1, 0 or 1."""
        self._place = 0
        self._moved = 0

    def see(self, place: int) -> None:
        """Take note of where the paddle is, once per step."""
        self._moved, self._place = place - self._place, place

    @property
    def rest(self) -> float:
        """Where it would come to rest if let go: a regression on random presses with sticky actions."""
        return self._place + 0.32 * self._moved + 10.8 * self.pressed

    @property
    def is_still(self) -> bool:
        """Whether it has come to rest."""
        return self.pressed == 0 and abs(self._moved) <= 3


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


PLAYERS: dict[str, type[Player]] = {"Pong": PongPlayer, "Breakout": BreakoutPlayer, "Freeway": FreewayPlayer}
"""By the game's name."""
