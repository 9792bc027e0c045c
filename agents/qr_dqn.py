"""QR-DQN: quantiles of the return's distribution."""

import torch
from torch import Tensor

from .agent import Agent, Losses, TensorBatch
from .losses import chosen, quantile_huber_loss
from .targets import bellman_target, greedy


class QRDQN(Agent):
    """Estimates quantiles of each action's return, and acts by their mean (Dabney et al. 2018)."""

    def losses(self, batch: TensorBatch) -> Losses:
        """Returns the quantile Huber loss of the action's quantiles and those of the target."""
        outputs = self._online(batch.observation)
        with torch.no_grad():
            next_outputs = self._target(batch.next_observation)
            target = bellman_target(batch.reward, batch.discount, next_outputs, greedy(next_outputs))
        return Losses(quantile_huber_loss(chosen(outputs, batch.action), target), self.values_of(outputs))

    def values_of(self, outputs: Tensor) -> Tensor:
        """Returns the mean of the quantiles."""
        return outputs.mean(2)
