"""Ensemble-DQN and REM: networks with many heads."""

import torch
from torch import Tensor

from .agent import Agent, Losses, TensorBatch
from .losses import chosen, huber_loss
from .targets import ensemble_target, random_mixture


class EnsembleDQN(Agent):
    """Estimates a value for each action and head; each head learns towards its own target.

    It acts by the mean over the heads (Agarwal et al. 2020; batch_rl's `MultiHeadDQNAgent`).
    """

    def losses(self, batch: TensorBatch) -> Losses:
        """Returns the mean over the heads of Huber's loss."""
        outputs = self._online(batch.observation)
        with torch.no_grad():
            next_outputs = self._target(batch.next_observation)
        heads, next_heads = self.mix(outputs, next_outputs)
        target = ensemble_target(batch.reward, batch.discount, next_heads)
        return Losses(huber_loss(chosen(heads, batch.action), target).mean(1), self.values_of(outputs))

    def mix(self, outputs: Tensor, next_outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the heads that learn, and the target network's: here all of them as they are."""
        return outputs, next_outputs

    def values_of(self, outputs: Tensor) -> Tensor:
        """Returns the mean over the heads."""
        return outputs.mean(2)


class REM(EnsembleDQN):
    """Random Ensemble Mixture: one random convex combination of the heads learns in each update.

    The combination is the same for the network and its target network (Agarwal et al. 2020).
    """

    def mix(self, outputs: Tensor, next_outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns one mixture of the heads, (B, actions, 1), of each network."""
        weights = random_mixture(outputs.shape[2], self.generator).to(self.device)
        return (outputs * weights).sum(2, keepdim=True), (next_outputs * weights).sum(2, keepdim=True)
