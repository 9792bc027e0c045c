"""A player of Breakout."""

import numpy as np
from numpy.typing import NDArray

from .paddle import Paddle, sign
from .player import Player


class BreakoutPlayer(Player):
    """Moves to where the ball will come down.

    RAM: 99 and 101, the ball's x and y (y is 0 while there is none); 72, the paddle's x.
    """

    PADDLE = 186
    """y at which the ball meets the paddle."""

    LEFT, RIGHT = 57, 199
    """x of the walls."""

    MIDDLE = 8.5
    """The ball's x minus the paddle's when the ball meets the middle."""

    REACH = 8
    """Distance from the middle that is close enough."""

    def __init__(self) -> None:
        self._paddle = Paddle()
        self._ball = (0, 0)

    def choose(self, ram: NDArray[np.uint8]) -> str:
        """Returns the next action; FIRE serves a ball."""
        x, y = int(ram[99]), int(ram[101])
        dx, dy = x - self._ball[0], y - self._ball[1]
        self._ball = (x, y)
        self._paddle.see(int(ram[72]))
        if y == 0:
            self._paddle.pressed = 0
            return "FIRE"
        is_falling = 0 < dy < 40  # a larger step is a new ball, not a speed
        lands_at = self._reflect(x + dx * (self.PADDLE - y) / dy) if is_falling else x
        ahead = lands_at - self.MIDDLE - self._paddle.rest
        self._paddle.pressed = 0 if abs(ahead) <= self.REACH else sign(ahead)
        return ("LEFT", "NOOP", "RIGHT")[self._paddle.pressed + 1]

    def _reflect(self, x: float) -> float:
        width = self.RIGHT - self.LEFT
        x = (x - self.LEFT) % (2 * width)
        return self.LEFT + min(x, 2 * width - x)
