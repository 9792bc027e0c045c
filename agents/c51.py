"""C51: probabilities of returns on a fixed grid."""

from typing import Any

import torch
from torch import Tensor

from .agent import Agent, Losses, TensorBatch
from .hyperparameters import Hyperparameters
from .losses import categorical_loss, chosen
from .targets import categorical_target


class C51(Agent):
    """Estimates how probable each action's return is at the atoms of a grid (Bellemare et al. 2017).

    It acts by the mean. With n-step returns and uniform replay this is what batch_rl calls its Rainbow agent.
    """

    def __init__(self, actions: int, hyperparameters: Hyperparameters, **options: Any) -> None:
        super().__init__(actions, hyperparameters, **options)
        limit, count = hyperparameters.value_limit, hyperparameters.outputs_per_action
        self.atoms = torch.linspace(-limit, limit, count, device=self.device)
        """The returns of the grid, (N,)."""

    def losses(self, batch: TensorBatch) -> Losses:
        """Returns the cross-entropy of the action's distribution and the projected target."""
        outputs = self._online(batch.observation)
        with torch.no_grad():
            next_outputs = self._target(batch.next_observation)
            next_action = self.values_of(next_outputs).argmax(1)
            next_probabilities = chosen(next_outputs, next_action).softmax(1)
            target = categorical_target(batch.reward, batch.discount, next_probabilities, self.atoms)
        return Losses(categorical_loss(chosen(outputs, batch.action), target), self.values_of(outputs))

    def values_of(self, outputs: Tensor) -> Tensor:
        """Returns the mean of the distribution whose logits the outputs are."""
        return (outputs.softmax(2) * self.atoms).sum(2)
