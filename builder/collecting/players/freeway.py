"""A player of Freeway."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .player import Player


class FreewayPlayer(Player):
    """Crosses as fast as the cars allow, looking a few steps ahead.

    RAM: 14, how far up the road our chicken is (from 6); 108 to 117, the x of the cars in the ten lanes.
    """

    KERB = 6
    """Our y before we cross."""

    FIRST_LANE, LANE = 15, 16
    """y of the middle of the first lane, and the distance from one lane to the next."""

    REACH = 8
    """Distance from the middle of a lane at which its car can hit us."""

    CAR_FROM, CAR_TO = 38, 59
    """A car's x while it covers our column."""

    ROAD = 160
    """Length after which a car's x starts again at 0."""

    MOVES: ClassVar = {"UP": 4, "NOOP": 0, "DOWN": -4}
    LOOK_AHEAD = 4

    def __init__(self) -> None:
        self._cars: NDArray[np.int64] | None = None
        self._speeds: Sequence[int] = ()

    def choose(self, ram: NDArray[np.uint8]) -> str:
        """Returns the move that gets furthest among those after which some way ahead is free."""
        cars = ram[108:118].astype(np.int64)
        before = self._cars if self._cars is not None else cars
        self._speeds = ((cars - before + self.ROAD // 2) % self.ROAD - self.ROAD // 2).tolist()
        self._cars = cars
        y = int(ram[14])
        places = ((name, max(y + step, self.KERB)) for name, step in self.MOVES.items())
        return next((name for name, place in places if self._is_free(place, 1, cars.tolist())), "UP")

    def _is_free(self, y: int, after: int, cars: Sequence[int]) -> bool:
        """Returns whether we can be at `y` in `after` steps without being hit until LOOK_AHEAD."""
        lane = round((y - self.FIRST_LANE) / self.LANE)
        if 0 <= lane < len(cars) and abs(y - self.FIRST_LANE - self.LANE * lane) <= self.REACH:
            car = (cars[lane] + self._speeds[lane] * after) % self.ROAD
            if self.CAR_FROM <= car <= self.CAR_TO:
                return False
        if after == self.LOOK_AHEAD:
            return True
        return any(self._is_free(y + step, after + 1, cars) for step in self.MOVES.values())
