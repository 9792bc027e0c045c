"""The interface of the hand-written players."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray


class Player(ABC):
    """Plays one game well, one agent step at a time."""

    @abstractmethod
    def choose(self, ram: NDArray[np.uint8]) -> str:
        """Returns the next action's name, given the console's 128 bytes of RAM; called once per step."""
