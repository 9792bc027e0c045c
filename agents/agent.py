"""What all agents share: a network, its target network, an optimizer, updates and actions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..replay_reader.freed_memory import keep_freed_memory
from .errors import AgentError
from .hyperparameters import Hyperparameters
from .losses import conservative_penalty, masked_mean
from .networks import NETWORKS, AtariNetwork
from .rmsprop import CentredRMSProp


class Trajectory(NamedTuple):
    """The n steps from each of B transitions on. After an episode's end rewards are 0, the rest repeats."""

    observation: Tensor
    """(B, n, frames, height, width) uint8."""
    action: Tensor
    """(B, n) int64."""
    reward: Tensor
    """(B, n) float32, of single steps."""
    prob: Tensor
    """(B, n) float32: the probability with which the logged agent chose each action."""


class TensorBatch(NamedTuple):
    """A batch of B transitions on an agent's device."""

    observation: Tensor
    """(B, frames, height, width) uint8."""
    action: Tensor
    """(B,) int64."""
    reward: Tensor
    """(B,) float32, summed over n steps."""
    next_observation: Tensor
    """Like observation."""
    discount: Tensor
    """(B,) float32: the factor on the value of the next observation, 0 where there is none."""
    counts: Tensor
    """(B,) bool: whether the target is known; see `losses.masked_mean`."""
    trajectory: Trajectory | None = None
    """The steps whose rewards are summed, for an agent that `uses_trajectories`."""

    @classmethod
    def of(cls, batch: Mapping[str, np.ndarray]) -> "TensorBatch":
        """Returns a batch of `Transitions` or `ReplayDataset` as tensors on the CPU, without a copy."""
        arrays = {**batch, "counts": batch["terminated"] | (batch["discount"] > 0)}
        return cls._make([*(torch.from_numpy(arrays[name]) for name in cls._fields[:-1]), None])

    def each(self, change: Callable[[Tensor], Tensor]) -> "TensorBatch":
        """Returns the batch with each of its tensors changed."""
        trajectory = None if self.trajectory is None else Trajectory(*map(change, self.trajectory))
        return TensorBatch._make([*map(change, self[:-1]), trajectory])

    def to(self, device: torch.device) -> "TensorBatch":
        """Returns the batch on a device; copies from pinned memory run beside what comes next."""
        return self.each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "TensorBatch":
        """Returns the batch in pinned memory, from which a GPU copies by itself."""
        return self.each(Tensor.pin_memory)


class Losses(NamedTuple):
    """What an agent's loss is made of."""

    each: Tensor
    """(B,), before any penalty."""
    values: Tensor
    """(B, actions): the estimated values of the observation, which the CQL penalty applies to."""


class Agent(ABC):
    """Learns from batches of transitions, and acts greedily by what it has learned.

    On one kind of processor, with one number of threads, the same seed and batches give the same bits.

    Args:
        actions: the number of the game's actions.
        hyperparameters: what to learn with.
        seed: the seed of the network's first weights, and of what is drawn while learning.
        device: where the networks are.
        observation_shape: the frames in a stack, their height and their width.
        mixed_precision: whether networks compute in bfloat16 where PyTorch deems it safe.
        compile: whether `torch.compile` compiles the networks.
    """

    fan_in = True
    """Whether the first weights are those of batch_rl's networks with heads; see `AtariNetwork`."""

    uses_trajectories = False
    """Whether it learns from batches with a `trajectory`."""

    def __init__(
        self,
        actions: int,
        hyperparameters: Hyperparameters,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
        observation_shape: Sequence[int] = (4, 84, 84),
        mixed_precision: bool = False,
        compile: bool = False,
    ) -> None:
        self.actions, self.hyperparameters = actions, hyperparameters
        self.device = torch.device(device)
        keep_freed_memory()
        self.updates = 0
        """The number of updates so far."""
        self.network, self.target_network = (
            self._new_network(observation_shape, seed).to(self.device) for _ in range(2)
        )
        self.target_network.requires_grad_(False)
        self.optimizer = _new_optimizer(hyperparameters, self.network)
        self._mixed_precision = mixed_precision
        self._online, self._target = self.network, self.target_network
        if compile:
            self._online, self._target = torch.compile(self.network), torch.compile(self.target_network)
        self.generator = torch.Generator().manual_seed(seed)
        """Draws what an update needs at random, on the CPU."""

    def update(self, batch: TensorBatch) -> dict[str, Tensor]:
        """Learn from a batch on the agent's device.

        Returns:
            The scalars `loss` and `value`, the mean value of the logged actions, on the device: reading one
            waits for the GPU.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._mixed_precision):
            losses = self.losses(batch)
        each = losses.each
        if self.hyperparameters.cql:
            each = each + self.hyperparameters.cql * conservative_penalty(losses.values, batch.action)
        loss = masked_mean(each, batch.counts)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.updates += 1
        if self.updates % self.hyperparameters.target_update_period == 0:
            self.copy_to_target()
        value = losses.values.detach().gather(1, batch.action[:, None]).mean()
        return {"loss": loss.detach(), "value": value}

    @abstractmethod
    def losses(self, batch: TensorBatch) -> Losses:
        """Returns the loss of each transition."""

    @abstractmethod
    def values_of(self, outputs: Tensor) -> Tensor:
        """Returns the values, (B, actions), that the network's outputs, (B, actions, N), stand for."""

    @torch.inference_mode()
    def values(self, observation: np.ndarray) -> np.ndarray:
        """Returns the estimated values, (B, actions) float32, of (B, frames, height, width) uint8."""
        tensor = torch.from_numpy(observation).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._mixed_precision):
            return self.values_of(self._online(tensor)).float().cpu().numpy()

    def act(self, observation: np.ndarray, among: Sequence[int] | None = None) -> np.ndarray:
        """Returns the greedy actions, (B,) int64, for (B, frames, height, width) uint8.

        Args:
            observation: what is seen.
            among: the actions to choose from, by their numbers; then their places in it are returned. None is
                all of them.
        """
        values = self.values(observation)
        return (values if among is None else values[:, list(among)]).argmax(1)

    def copy_to_target(self) -> None:
        """Make the target network equal to the network."""
        self.target_network.load_state_dict(self.network.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that later updates depend on: tensors and numbers only."""
        return {
            "updates": self.updates,
            "network": self.network.state_dict(),
            "target_network": self.target_network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on as the agent that gave this state would have.

        Raises:
            AgentError: it is not the state of such an agent.
        """
        try:
            self.network.load_state_dict(state["network"])
            self.target_network.load_state_dict(state["target_network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.generator.set_state(state["generator"].cpu())
            self.updates = int(state["updates"])
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise AgentError(f"this is not the state of such an agent: {reason}") from None

    def _new_network(self, observation_shape: Sequence[int], seed: int) -> AtariNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return AtariNetwork(
                self.actions,
                self.hyperparameters.outputs_per_action,
                NETWORKS[self.hyperparameters.network],
                observation_shape=observation_shape,
                fan_in=self.fan_in,
            )


def _new_optimizer(hyperparameters: Hyperparameters, network: AtariNetwork) -> torch.optim.Optimizer:
    rate, epsilon = hyperparameters.learning_rate, hyperparameters.optimizer_epsilon
    if hyperparameters.optimizer == "rmsprop":
        return CentredRMSProp(network.parameters(), rate, epsilon)
    return torch.optim.Adam(network.parameters(), rate, eps=epsilon, fused=True)
