"""Off-policy DQN: n-step returns, corrected for actions that the target network would not have chosen."""

import torch

from .agent import Losses, TensorBatch
from .dqn import DQN
from .errors import AgentError
from .losses import chosen, huber_loss
from .targets import bellman_target, greedy, importance_weights, weighted_return


class OffPolicyDQN(DQN):
    """DQN whose n rewards are weighted by how probable their actions were (n17s's fork of batch_rl).

    Batches need a `trajectory`, and the dataset the probability of each logged action, its column `prob`.
    """

    uses_trajectories = True

    def losses(self, batch: TensorBatch) -> Losses:
        """Returns Huber's loss of the action's value and the importance-weighted n-step target."""
        if batch.trajectory is None:
            raise AgentError("off-policy-dqn learns from trajectories: this batch has none")
        outputs = self._online(batch.observation)
        with torch.no_grad():
            action, reward, prob = batch.trajectory.action, batch.trajectory.reward, batch.trajectory.prob
            values = self.values_of(self._target(batch.trajectory.observation.flatten(0, 1)))
            weights = importance_weights(values.unflatten(0, action.shape), action, prob)
            next_outputs = self._target(batch.next_observation)
            target = bellman_target(
                weighted_return(reward, weights, self.hyperparameters.discount),
                batch.discount,
                next_outputs,
                greedy(next_outputs),
            )
        return Losses(huber_loss(chosen(outputs, batch.action), target).mean(1), self.values_of(outputs))
