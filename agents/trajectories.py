"""The steps that follow each transition, for agents that weigh them by the logged agent's probabilities."""

import numpy as np
import torch

from ..replay_reader.catalog import Catalog
from ..replay_reader.replay_dataset import ReplayDataset
from .agent import Trajectory
from .errors import AgentError

PROBABILITY = "prob"
"""The column of the probability with which the logged agent chose each action."""


class Trajectories:
    """The n steps from any transition on; their numbers take 9 bytes of memory for each step of the data.

    Args:
        data: the transitions.
        prob: the probability of each of their actions, (len(data),) float32; see `read_probabilities`.
        steps: the number n.
    """

    def __init__(self, data: ReplayDataset, prob: np.ndarray, steps: int) -> None:
        self._data, self._prob, self._steps = data, prob, steps
        self._ends = np.cumsum(data.episodes["length"])
        numbers = data.numbers()
        self._action, self._reward = numbers["action"].astype(np.uint8), numbers["reward"]

    def gather(self, indices: np.ndarray) -> Trajectory:
        """Returns the steps from the transitions with these indices, (B,), on."""
        number = np.searchsorted(self._ends, indices, "right")
        left = self._ends[number] - indices
        # As in n-step returns: a truncated episode is bootstrapped from its last observation.
        most = np.where(self._data.episodes["terminated"][number], left, np.maximum(1, left - 1))
        ahead = np.arange(self._steps)
        within = ahead < most[:, None]
        at = indices[:, None] + np.where(within, ahead, 0)
        observation = self._data.gather(at.ravel())["observation"]
        return Trajectory(
            torch.from_numpy(observation.reshape(*at.shape, *observation.shape[1:])),
            torch.from_numpy(self._action[at].astype(np.int64)),
            torch.from_numpy(np.where(within, self._reward[at], np.float32(0))),
            torch.from_numpy(self._prob[at]),
        )


def check_probabilities(catalog: Catalog) -> None:
    """Check that the logged agent's probabilities were recorded.

    Raises:
        AgentError: a shard has none.
    """
    for shard in catalog.shards:
        if PROBABILITY not in shard.schema.names:
            raise AgentError(
                f"{shard.name}: has no column {PROBABILITY!r}, the probability of each logged action, which "
                f"off-policy-dqn weighs rewards by; it needs logs that recorded it ($store$_prob_ckpt files)"
            )


def read_probabilities(catalog: Catalog) -> np.ndarray:
    """Returns the probability of each step of a selection, (steps,) float32, in order of play.

    Raises:
        AgentError: a shard has none, or one is not above 0 and at most 1.
    """
    check_probabilities(catalog)
    parts = []
    for number, shard in enumerate(catalog.shards):
        episodes = catalog.episodes_of_shard(number)
        if len(episodes):
            column = shard.read_numbers([PROBABILITY])[PROBABILITY].astype(np.float32)
            parts += [column[first : first + length] for first, length in episodes[["first_row", "length"]]]
    found = np.concatenate(parts)
    wrong = np.flatnonzero(~((found > 0) & (found <= 1)))
    if len(wrong):
        raise AgentError(
            f"{catalog.shards[0].name} and those after it: step {wrong[0]:,} of the selection has the "
            f"probability {found[wrong[0]]:g}; expected one above 0 and at most 1"
        )
    return found
