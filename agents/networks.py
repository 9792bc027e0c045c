"""The convolutional networks of the papers, with any number of outputs per action."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class NetworkSize:
    """The layers of a network."""

    convolutions: tuple[tuple[int, int, int], ...]
    """The filters, the kernel's size and the stride of each convolution."""
    hidden: int
    """The units of the fully connected layer after them."""


NETWORKS = {
    "nature": NetworkSize(((32, 8, 4), (64, 4, 2), (64, 3, 1)), 512),  # Mnih et al. (2015)
    "small": NetworkSize(((16, 8, 4), (32, 4, 2)), 256),  # Mnih et al. (2013)
    "tiny": NetworkSize(((8, 8, 4), (16, 4, 2)), 64),  # for trials within seconds
}
"""The networks by the names of `--network`."""


class AtariNetwork(nn.Module):
    """Convolutions with *same* padding, one fully connected layer, and N outputs for each action.

    Padding is Dopamine's and TensorFlow's: a layer of stride s has ceil(size / s) outputs, and an odd row of
    padding comes last. So the Nature network has 11 × 11 × 64 features; without padding it has 7 × 7 × 64.

    Args:
        actions: the number of actions.
        outputs: the number N of outputs for each action.
        size: the layers.
        observation_shape: the frames in a stack, their height and their width.
        fan_in: whether weights begin as batch_rl's networks with heads do, uniform within
            ±(3^½ / inputs)^½, instead of by Glorot's rule, as its DQN does. Biases begin at zero.
    """

    def __init__(
        self,
        actions: int,
        outputs: int,
        size: NetworkSize,
        *,
        observation_shape: Sequence[int] = (4, 84, 84),
        fan_in: bool = False,
    ) -> None:
        super().__init__()
        self.actions, self.outputs = actions, outputs
        channels, height, width = observation_shape
        layers: list[nn.Module] = []
        for filters, kernel, stride in size.convolutions:
            (left, right), (top, bottom) = (same_padding(rows, kernel, stride) for rows in (width, height))
            if (left, top) == (right, bottom):  # without a copy
                layers += [nn.Conv2d(channels, filters, kernel, stride, padding=(top, left))]
            else:
                layers += [
                    nn.ZeroPad2d((left, right, top, bottom)),
                    nn.Conv2d(channels, filters, kernel, stride),
                ]
            layers += [nn.ReLU(inplace=True)]
            channels, height, width = filters, -(-height // stride), -(-width // stride)
        # Flattened before the last ReLU, whose gradient would mix two memory layouts: 2 ms instead of 0.1.
        layers[-1:] = [nn.Flatten(), nn.ReLU(inplace=True)]
        layers += [nn.Linear(channels * height * width, size.hidden), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(size.hidden, actions * outputs))
        for module in self.layers:
            if isinstance(module, nn.Conv2d | nn.Linear):
                _initialise(module, fan_in)

    def forward(self, observation: Tensor) -> Tensor:
        """Returns (B, actions, outputs) float32 for observations of (B, frames, height, width) uint8."""
        # On a CPU, convolutions of few channels take about 1.3 times as long with the channels first, and
        # stacking the frames takes half as long as `contiguous(memory_format=torch.channels_last)`.
        images = torch.stack(observation.unbind(1), -1).float().div_(255).permute(0, 3, 1, 2)
        return self.layers(images).float().view(-1, self.actions, self.outputs)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Returns the rows of padding before and after `size` rows that give ceil(size / stride) outputs."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def _initialise(layer: nn.Conv2d | nn.Linear, fan_in: bool) -> None:
    if fan_in:
        inputs = layer.weight[0].numel()
        limit = math.sqrt(math.sqrt(3) / inputs)  # Keras's VarianceScaling(3^-½, "fan_in", "uniform")
        nn.init.uniform_(layer.weight, -limit, limit)
    else:
        nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
