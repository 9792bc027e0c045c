"""What every hand-written player is."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray


class Player(ABC):
    """Plays one game well; sees one agent step at a time."""

    @abstractmethod
    def choose(self, ram: NDArray[np.uint8]) -> str:
        """The name of the next action, given the console's 128 bytes; called once per agent step."""
