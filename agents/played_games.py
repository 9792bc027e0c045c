"""The games that an agent plays while it learns."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class LoggedStep(NamedTuple):
    """A step as it is logged: the arguments of `RingBuffer.add`."""

    observation: np.ndarray
    action: int
    reward: float
    terminal: bool
    prob: float
    final_observation: np.ndarray | None = None
    """What was seen after an episode's last step."""


class PlayedGames(ABC):
    """Games in progress, and the steps that are to be logged.

    A step of all games has two halves, `send` and `receive`, between which the agent can learn.
    """

    observation: np.ndarray
    """(N, 4, 84, 84) uint8: what the agent sees; blank before an episode's first frame."""
    playing: np.ndarray
    """(N,) bool: which games are played; all, until no more episodes begin."""

    @abstractmethod
    def send(self, actions: np.ndarray, probs: np.ndarray) -> None:
        """Begin a step of all games.

        Args:
            actions: (N,), what is done.
            probs: (N,), with which probability it was chosen.
        """

    @abstractmethod
    def receive(self, *, begin_episodes: bool) -> list[float]:
        """Finish the step.

        Args:
            begin_episodes: whether games whose episode has ended begin another.

        Returns:
            The returns, not clipped, of the episodes that have ended.
        """

    @abstractmethod
    def next_logged(self) -> LoggedStep | None:
        """Returns the next step that is to be logged; None if there is none before more is played."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Returns all that later steps depend on, as tensors and plain values."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on as the games whose `state` this is would have.

        Raises:
            KeyError, TypeError, ValueError: it is not the state of such games.
        """


def see(stack: np.ndarray, frame: np.ndarray) -> None:
    """Move a frame into a stack of shape (4, 84, 84)."""
    stack[:-1] = stack[1:]
    stack[-1] = frame
