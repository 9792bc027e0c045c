"""Computes n-step returns: the rewards that a transition sums, what ends it, and what comes after."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .errors import DatasetError
from .preprocessing import Preprocessing


class Ahead(NamedTuple):
    """What follows each of B transitions."""

    taken: np.ndarray
    """(B,) int64: the number of steps whose rewards are summed, 1 to n_step."""
    exists: np.ndarray
    """(B,) bool: whether there is an observation after those steps."""
    terminated: np.ndarray
    """(B,) bool: the game ends the episode within n_step steps."""
    truncated: np.ndarray
    """(B,) bool: something else ends the episode within n_step steps."""
    discount: np.ndarray
    """(B,) float32: the factor on the value of the next observation: gamma^taken, or 0."""


@dataclass(frozen=True)
class NStep:
    """Sums of at most `n_step` rewards, discounted by `gamma` per step.

    Raises:
        DatasetError: there is nothing to sum.
    """

    n_step: int
    gamma: float

    def __post_init__(self) -> None:
        if self.n_step < 1:
            raise DatasetError(f"n_step={self.n_step}: expected 1 or more")

    def check_preprocessing(self, preprocessing: Preprocessing | None) -> None:
        """Check that rewards are not clipped after they are summed.

        Raises:
            DatasetError: rewards would be clipped after they are summed.
        """
        if self.n_step > 1 and preprocessing is not None and preprocessing.clip_reward:
            raise DatasetError(
                "clip_reward with n_step above 1 would clip sums; clip the source's rewards instead"
            )

    def look_ahead(self, remaining: np.ndarray, terminates: np.ndarray) -> Ahead:
        """Returns how far each transition extends.

        Args:
            remaining: (B,), the steps to the episode's end, including the transition's own.
            terminates: (B,), whether the game ends the episode.
        """
        # A truncated episode is bootstrapped from its last observation; at that observation itself, one step
        # is left.
        most = np.where(terminates, remaining, np.maximum(1, remaining - 1))
        taken = np.minimum(self.n_step, most)
        exists, ends = taken < remaining, remaining <= self.n_step
        discount = np.where(exists, np.float32(self.gamma) ** taken, 0).astype(np.float32)
        return Ahead(taken, exists, ends & terminates, ends & ~terminates, discount)

    def rows(self, rows: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rows whose rewards are summed.

        Returns:
            (B, n_step) rows, and which of them count; the others repeat the first.
        """
        steps = np.arange(self.n_step)
        within = steps < taken[:, None]
        return np.where(within, rows[:, None] + steps, rows[:, None]), within

    def sum(self, rewards: np.ndarray, within: np.ndarray) -> np.ndarray:
        """Returns the discounted sums, (B,) float32, of the rewards at these `rows`, (B, n_step)."""
        discounts = self.gamma ** np.arange(self.n_step)
        return (np.where(within, rewards, 0) * discounts).sum(axis=1).astype(np.float32)
