"""Which episodes to read, by what the episodes table says of them."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from .errors import DatasetError


@dataclass(frozen=True)
class EpisodeFilter:
    """Conditions that an episode must all meet; None stands for no condition.

    Frames of other episodes are not read, except those that share a row group.
    """

    top: float | None = None
    """The best share of the episodes that meet the other conditions, by return: 0.1 is the best 10 %."""
    min_return: float | None = None
    max_return: float | None = None
    min_length: int | None = None
    """In steps."""
    max_length: int | None = None
    checkpoints: Collection[int] | None = None
    complete: bool | None = None
    """True: only those that began at a reset and were ended by the game or the time limit."""

    def choose(self, episodes: np.ndarray) -> np.ndarray:
        """Indices of the episodes that meet the conditions, ascending.

        Args:
            episodes: of dtype EPISODE_FIELDS.

        Raises:
            DatasetError: `top` is no share.
        """
        keep = np.ones(len(episodes), bool)
        for name, least, most in (
            ("return", self.min_return, self.max_return),
            ("length", self.min_length, self.max_length),
        ):
            if least is not None:
                keep &= episodes[name] >= least
            if most is not None:
                keep &= episodes[name] <= most
        if self.checkpoints is not None:
            keep &= np.isin(episodes["checkpoint"], list(self.checkpoints))
        if self.complete is not None:
            keep &= episodes["complete"] == self.complete
        chosen = np.flatnonzero(keep)
        return chosen if self.top is None else self._best(episodes, chosen)

    def _best(self, episodes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        assert self.top is not None
        if not 0 < self.top <= 1:
            raise DatasetError(
                f"top={self.top}: expected a share above 0 and up to 1, e.g. 0.1 for the best 10 %"
            )
        count = int(np.ceil(self.top * len(chosen)))
        best = np.argsort(-episodes["return"][chosen], kind="stable")[:count]
        return np.sort(chosen[best])
