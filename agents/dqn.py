"""DQN and Double DQN."""

import torch
from torch import Tensor

from .agent import Agent, Losses, TensorBatch
from .losses import chosen, huber_loss
from .targets import bellman_target, greedy


class DQN(Agent):
    """Estimates one value for each action (Mnih et al. 2015)."""

    fan_in = False

    def losses(self, batch: TensorBatch) -> Losses:
        """Returns Huber's loss of the action's value and its target."""
        outputs = self._online(batch.observation)
        with torch.no_grad():
            next_outputs = self._target(batch.next_observation)
            target = bellman_target(
                batch.reward, batch.discount, next_outputs, self.next_action(batch, next_outputs)
            )
        each = huber_loss(chosen(outputs, batch.action), target).mean(1)
        return Losses(each, self.values_of(outputs))

    def next_action(self, batch: TensorBatch, next_outputs: Tensor) -> Tensor:
        """Returns the action, (B,), whose value the target takes: the target network's greedy one."""
        return greedy(next_outputs)

    def values_of(self, outputs: Tensor) -> Tensor:
        """Returns the outputs themselves: there is one for each action."""
        return outputs[:, :, 0]


class DoubleDQN(DQN):
    """DQN whose online network chooses the next action (van Hasselt et al. 2016)."""

    def next_action(self, batch: TensorBatch, next_outputs: Tensor) -> Tensor:
        """Returns the online network's greedy action, (B,)."""
        return greedy(self._online(batch.next_observation))
