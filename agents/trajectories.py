"""The steps that follow each transition, for agents that weigh them by the logged agent's probabilities."""

import numpy as np
import torch

from ..builder.format.features import PROB
from ..replay_reader.catalog import Catalog
from ..replay_reader.replay_dataset import ReplayDataset
from .agent import Trajectory
from .errors import AgentError


class Trajectories:
    """The n steps from any transition on.

    Args:
        data: the transitions, as single steps, with the probabilities of their actions.
        steps: the number n.
    """

    def __init__(self, data: ReplayDataset, steps: int) -> None:
        self._data, self._steps = data, steps
        self._ends = np.cumsum(data.episodes["length"])

    def gather(self, indices: np.ndarray) -> Trajectory:
        """Returns the steps from the transitions with these indices, (B,), on.

        Raises:
            AgentError: a probability is not above 0 and at most 1.
        """
        number = np.searchsorted(self._ends, indices, "right")
        left = self._ends[number] - indices
        # As in n-step returns: a truncated episode is bootstrapped from its last observation.
        most = np.where(self._data.episodes["terminated"][number], left, np.maximum(1, left - 1))
        ahead = np.arange(self._steps)
        within = ahead < most[:, None]
        at = indices[:, None] + np.where(within, ahead, 0)
        batch = self._data.gather(at.ravel())
        self._check(at, batch[PROB])
        observation, action, reward, prob = (
            torch.from_numpy(batch[name]).unflatten(0, at.shape)
            for name in ("observation", "action", "reward", PROB)
        )
        return Trajectory(observation, action, reward * torch.from_numpy(within), prob)

    def _check(self, at: np.ndarray, prob: np.ndarray) -> None:
        wrong = np.flatnonzero(~((prob > 0) & (prob <= 1)))
        if len(wrong):
            step = int(at.flat[wrong[0]])
            episode = self._data.episodes[np.searchsorted(self._ends, step, "right")]
            raise AgentError(
                f"checkpoint {episode['checkpoint']}, episode {episode['episode']}: an action has the "
                f"probability {prob[wrong[0]]:g}; expected one above 0 and at most 1: build the dataset again"
            )


def check_probabilities(catalog: Catalog) -> None:
    """Check that the logged agent's probabilities were recorded.

    Raises:
        AgentError: a shard has none.
    """
    for shard in catalog.shards:
        if not shard.has_probs:
            raise AgentError(
                f"{shard.name}: has no column {PROB!r}, the probability of each logged action, which "
                f"off-policy-dqn weighs rewards by; `play` and `collect --probabilities` log it"
            )
