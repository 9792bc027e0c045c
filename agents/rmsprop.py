"""The RMSProp of the Nature DQN, as TensorFlow computes it."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class CentredRMSProp(torch.optim.Optimizer):
    """Divides gradients by their recent standard deviation.

    The step is lr · g / (m₂ - m₁² + ε)^½, with moving means m₁ of g and m₂ of g².
    `torch.optim.RMSprop` adds ε outside the root, which for an ε of 1e-5 allows steps three hundred times as
    large where gradients are small, and it begins with m₂ = 0 where TensorFlow begins with 1.

    Args:
        parameters: the network's.
        lr: the learning rate.
        epsilon: the ε.
        decay: the share of the moving means that is kept in each step.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, epsilon: float, decay: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "epsilon": epsilon, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Change the parameters by one step; a closure is not supported."""
        if closure is not None:
            raise NotImplementedError("this optimizer takes no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, parameter.grad, group)

    def _step(self, parameter: nn.Parameter, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        state, kept = self.state[parameter], group["decay"]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
            state["mean_square"] = torch.ones_like(parameter)
        mean, square = state["mean"], state["mean_square"]
        mean.lerp_(gradient, 1 - kept)
        square.mul_(kept).addcmul_(gradient, gradient, value=1 - kept)
        deviation = (square - mean.square()).add_(group["epsilon"]).sqrt_()
        parameter.addcdiv_(gradient, deviation, value=-group["lr"])
