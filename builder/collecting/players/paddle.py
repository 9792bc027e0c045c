"""The paddle of Pong and Breakout, whose knob the players turn."""


class Paddle:
    """A paddle whose position lags behind the knob that moves it."""

    LOWEST, HIGHEST = 38, 203
    """The range of positions of Pong's paddle."""

    def __init__(self) -> None:
        self.pressed = 0
        """Which way we turned the knob in the last step: -1, 0 or 1."""
        self._place = 0
        self._moved = 0

    def see(self, place: int) -> None:
        """Record where the paddle is; called once per step."""
        self._moved, self._place = place - self._place, place

    @property
    def rest(self) -> float:
        """Where it would come to rest if released: a regression on random presses with sticky actions."""
        return self._place + 0.32 * self._moved + 10.8 * self.pressed

    @property
    def is_still(self) -> bool:
        """Whether it has come to rest."""
        return self.pressed == 0 and abs(self._moved) <= 3


def sign(number: float) -> int:
    """Returns -1, 0 or 1."""
    return (number > 0) - (number < 0)
