"""Behaviour cloning: learns to act as was logged."""

from torch import Tensor

from .agent import Agent, Losses, TensorBatch
from .losses import conservative_penalty


class BehaviourCloning(Agent):
    """Estimates the logged agent's actions, whatever they led to; its values are logits."""

    fan_in = False

    def losses(self, batch: TensorBatch) -> Losses:
        """Returns the negative log-likelihood of the logged action."""
        logits = self.values_of(self._online(batch.observation))
        return Losses(conservative_penalty(logits, batch.action), logits)

    def values_of(self, outputs: Tensor) -> Tensor:
        """Returns the outputs themselves: there is one for each action."""
        return outputs[:, :, 0]
