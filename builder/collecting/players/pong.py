"""A player of Pong."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .paddle import Paddle, sign
from .player import Player


class PongPlayer(Player):
    """Hits the ball away so steeply that the opponent, who follows it at a fixed speed, arrives too late.

    RAM: 49 and 54, the ball's x and y (y is 0 while there is none); 51, our paddle's y; 50, the opponent's y.
    """

    PADDLE, OPPONENT = 187, 70
    """x at which the ball meets our paddle and the opponent's."""

    TOP, BOTTOM = 44.5, 206.0
    """y of the walls."""

    OPPONENT_SPEED = 7
    OPPONENT_REACH = 13
    """Distance of the ball from the opponent's y beyond which it passes."""

    MIDDLE = 7
    """The ball's y minus our paddle's when it meets the middle; nearer the ends it leaves steeply."""

    SLANT, SAFE = 0.6, 10.5
    """How far the middle moves per unit of the ball's vertical speed, and how far from it a hit is safe."""

    STEEP = 8
    """Vertical speed of a ball that leaves near an end of the paddle."""

    ENDS: ClassVar = {8: (-6, 12.5), 4: (-4, 13), -4: (0, 17), -8: (1.5, 19)}
    """For each vertical speed of an incoming ball, where it must meet our paddle to leave upwards, and where
    to leave downwards. Sending it back the way it came is easy; the other end is a matter of luck."""

    def __init__(self) -> None:
        self._paddle = Paddle()
        self._ball = (0, 0)
        self._speed = (0, 0)
        self._offset = self.MIDDLE + 0.0
        self._planned_for = 0
        self._counter = 0

    def choose(self, ram: NDArray[np.uint8]) -> str:
        """Returns the next action: RIGHT is up, LEFT is down."""
        x, y = int(ram[49]), int(ram[54])
        speed = (x - self._ball[0], y - self._ball[1])
        steady, self._speed, self._ball = speed == self._speed, speed, (x, y)
        self._paddle.see(int(ram[51]))
        if y == 0 or speed[0] <= 0:
            move = self._wait(y)
        elif steady:
            move = self._meet(float(ram[50]))
        else:
            move = 0  # the ball has just bounced: its speed is not yet known
        self._paddle.pressed = move
        return ("RIGHT", "NOOP", "LEFT")[move + 1]

    def _wait(self, ball_y: int) -> int:
        self._planned_for = self._counter = 0
        ahead = (ball_y - self.MIDDLE if ball_y else 120) - self._paddle.rest
        return 0 if abs(ahead) < 12 else sign(ahead)

    def _meet(self, opponent: float) -> int:
        (x, y), (dx, dy) = self._ball, self._speed
        meets_at, arrives_with, opponent = self._fly(x, y, dx, dy, opponent, self.PADDLE)
        if self._planned_for != dy:
            self._offset = self._plan(meets_at, arrives_with, dx, opponent)
            self._planned_for = dy
        ahead = meets_at - self._offset - self._paddle.rest
        if self.PADDLE - x < 1.5 * dx:
            is_safe = abs(meets_at - self._paddle.rest - self.MIDDLE + self.SLANT * arrives_with) <= self.SAFE
            return 0 if is_safe else sign(ahead)
        return self._move_paddle(ahead)

    def _move_paddle(self, ahead: float) -> int:
        """Returns the next press. One moves the paddle by about 23: press to and fro until it is in place."""
        if self._counter:
            move, self._counter = self._counter, 0
            return move
        if abs(ahead) > 16:
            return sign(ahead)
        if not self._paddle.is_still or abs(ahead) <= 3:
            return 0
        if abs(ahead) <= 8:
            self._counter = -sign(ahead)
        return sign(ahead)

    def _plan(self, meets_at: float, arrives_with: float, speed: float, opponent: float) -> float:
        """Returns where on the paddle to meet the ball: at an end that sends it past the opponent, if any."""
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
        """Returns the ball's y and vertical speed when its x is `until`, and the opponent's y by then."""
        while abs(until - x) >= abs(dx) and (until - x) * dx > 0:
            x, y = x + dx, y + dy
            if not self.TOP <= y <= self.BOTTOM:
                y, dy = 2 * (self.TOP if y < self.TOP else self.BOTTOM) - y, -dy
            opponent += max(-self.OPPONENT_SPEED, min(self.OPPONENT_SPEED, y - opponent))
        return y + dy * (until - x) / dx, dy, opponent
