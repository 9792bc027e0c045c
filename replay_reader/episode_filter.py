"""Selects the episodes to read by their entries in the episodes table."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from .errors import DatasetError


@dataclass(frozen=True)
class EpisodeFilter:
    """Conditions that an episode must meet, all of them; None means no condition.

    Frames of other episodes are not read, except those that share a row group with a chosen one.
    """

    first: float | None = None
    """The first share, in order of play, of the remaining steps; Scaled QL calls 0.2 sub-optimal."""
    share: float | None = None
    """The share of each remaining checkpoint's steps up to which whole episodes are drawn at random."""
    seed: int = 0
    """The seed of `share`: the same seed always chooses the same episodes of the same dataset."""
    top: float | None = None
    """The best share, by return, of the episodes left by the other conditions: 0.1 is the best 10 %."""
    min_return: float | None = None
    max_return: float | None = None
    min_length: int | None = None
    """The minimum length in steps."""
    max_length: int | None = None
    checkpoints: Collection[int] | None = None
    complete: bool | None = None
    """True: only those that began at a reset and were ended by the game or the time limit; False: the others.

    Only episodes tables say so: it is refused for a prepared `Dataset`, and for Parquet files outside a repo.
    """

    def choose(self, episodes: np.ndarray) -> np.ndarray:
        """Returns the indices of the episodes that meet the conditions, ascending.

        Args:
            episodes: the episodes, of dtype EPISODE_FIELDS.

        Raises:
            DatasetError: `complete` is given and not known, or `first`, `share` or `top` is not a share.
        """
        for name, given in (("first", self.first), ("share", self.share), ("top", self.top)):
            if given is not None and not 0 < given <= 1:
                raise DatasetError(f"{name}={given}: expected a share above 0 and up to 1, e.g. 0.1 for 10 %")
        if self.complete is not None and episodes["start_unknown"].any():
            raise DatasetError(
                f"complete={self.complete}: these steps have no episodes tables, and do not say "
                f"themselves whether an episode began at a reset; "
                f"give the folder or the repo with both data/ and episodes/"
            )
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
        if self.first is not None:
            chosen = chosen[_up_to(episodes["length"][chosen], self.first)]
        if self.share is not None:
            chosen = self._by_chance(episodes, chosen, self.share)
        return chosen if self.top is None else self._best(episodes, chosen)

    def _by_chance(self, episodes: np.ndarray, chosen: np.ndarray, share: float) -> np.ndarray:
        checkpoints = episodes["checkpoint"][chosen]
        taken = [np.empty(0, np.int64)]
        for checkpoint in np.unique(checkpoints).tolist():
            own = np.random.default_rng([self.seed, checkpoint]).permutation(
                chosen[checkpoints == checkpoint]
            )
            taken.append(own[_up_to(episodes["length"][own], share)])
        return np.sort(np.concatenate(taken))

    def _best(self, episodes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        assert self.top is not None
        count = int(np.ceil(self.top * len(chosen)))
        best = np.argsort(-episodes["return"][chosen], kind="stable")[:count]
        return np.sort(chosen[best])


def _up_to(lengths: np.ndarray, share: float) -> np.ndarray:
    """Returns whether each episode is among the first ones that together have this share of the steps."""
    return np.cumsum(lengths) - lengths < share * lengths.sum()
