"""Losses and targets: values worked out by hand, and TorchRL's on the same inputs."""

import pytest
import torch
from atari_dqn_replay.agents.losses import (
    categorical_loss,
    conservative_penalty,
    huber_loss,
    masked_mean,
    quantile_huber_loss,
)
from atari_dqn_replay.agents.rmsprop import CentredRMSProp
from atari_dqn_replay.agents.targets import (
    bellman_target,
    categorical_target,
    ensemble_target,
    greedy,
    importance_weights,
    random_mixture,
    weighted_return,
)
from torch import tensor
from torch.testing import assert_close


def test_hubers_loss_is_quadratic_up_to_1_and_then_linear() -> None:
    assert_close(huber_loss(tensor([0.0, 0.5, 3.0]), torch.zeros(3)), tensor([0.0, 0.125, 2.5]))


def test_the_target_of_dqn_is_the_reward_and_the_discounted_best_next_value() -> None:
    values = tensor([[[1.0], [3.0]], [[5.0], [2.0]]])
    target = bellman_target(tensor([1.0, -1.0]), tensor([0.5, 0.0]), values, greedy(values))
    assert_close(target, tensor([[2.5], [-1.0]]))  # the second transition ends its episode


def test_the_target_of_double_dqn_is_the_target_networks_value_of_the_other_networks_action() -> None:
    online, target_network = tensor([[[9.0], [0.0]]]), tensor([[[1.0], [3.0]]])
    assert_close(
        bellman_target(tensor([1.0]), tensor([0.5]), target_network, greedy(online)), tensor([[1.5]])
    )


def test_each_head_of_an_ensemble_takes_its_own_best_action() -> None:
    heads = tensor([[[1.0, 8.0], [3.0, 2.0]]])
    assert_close(ensemble_target(tensor([1.0]), tensor([0.5]), heads), tensor([[2.5, 5.0]]))


def test_importance_weights_are_products_of_ratios_close_to_1() -> None:
    values, action = tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]]), tensor([[0, 0, 1]])
    weights = importance_weights(values, action, tensor([[0.5, 0.5, 1.0]]))
    # 0.9995 / 0.5 is clipped to 1.01, 0.0005 / 0.5 to 0.99, and 0.9995 / 1 is left as it is.
    assert_close(weights, tensor([[1.01, 1.01 * 0.99, 1.01 * 0.99 * 0.9995]]))


def test_a_weighted_return_discounts_each_weighted_reward() -> None:
    returned = weighted_return(tensor([[1.0, 2.0, 4.0]]), tensor([[1.01, 0.99, 0.5]]), discount=0.5)
    assert_close(returned, tensor([1.01 + 0.5 * 0.99 * 2 + 0.25 * 0.5 * 4]))


def test_a_random_mixture_is_convex_and_drawn_anew() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = random_mixture(200, generator), random_mixture(200, generator)
    assert first.min() >= 0
    assert_close(first.sum(), tensor(1.0))
    assert not first.equal(second)


def test_the_quantile_loss_weighs_errors_by_their_side() -> None:
    # Midpoints 0.25 and 0.75. Errors of the first quantile: 2 and -1; of the second: 1 and -2.
    loss = quantile_huber_loss(tensor([[0.0, 1.0]]), tensor([[2.0, -1.0]]))
    first = (0.25 * 1.5 + 0.75 * 0.5) / 2
    second = (0.75 * 0.5 + 0.25 * 1.5) / 2
    assert_close(loss, tensor([first + second]))


def test_quantiles_that_minimise_the_loss_are_the_quantiles() -> None:
    samples = torch.arange(1000.0)[None]
    quantiles = tensor([[100.0, 200.0, 300.0, 400.0]], requires_grad=True)
    optimizer = torch.optim.SGD([quantiles], 200)
    for _ in range(200):
        optimizer.zero_grad()
        quantile_huber_loss(quantiles, samples).sum().backward()
        optimizer.step()
    assert_close(quantiles.detach(), tensor([[125.0, 375.0, 625.0, 875.0]]), atol=2, rtol=0)


def test_a_categorical_target_is_shared_by_the_neighbouring_atoms() -> None:
    atoms = torch.linspace(-1, 1, 5)
    probabilities = tensor([[0.0, 0.0, 0.0, 0.0, 1.0], [0.5, 0.0, 0.0, 0.5, 0.0], [0.2] * 5])
    target = categorical_target(tensor([-0.3, 0.0, 9.0]), tensor([0.5, 1.0, 0.0]), probabilities, atoms)
    expected = tensor([[0, 0, 0.6, 0.4, 0], [0.5, 0, 0, 0.5, 0], [0, 0, 0, 0, 1.0]])
    assert_close(target, expected)  # 0.2 lies between 0 and 0.5; 9 is beyond the last atom


def test_the_conservative_penalty_is_the_negative_log_likelihood_of_logits() -> None:
    values, action = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 5
    expected = torch.nn.functional.cross_entropy(values, action, reduction="none")
    assert_close(conservative_penalty(values, action), expected)


def test_what_is_not_known_does_not_count() -> None:
    assert_close(masked_mean(tensor([1.0, 3.0, 100.0]), tensor([True, True, False])), tensor(2.0))
    assert_close(masked_mean(tensor([7.0]), tensor([False])), tensor(0.0))


def test_rmsprop_takes_the_steps_of_tensorflows_formula() -> None:
    parameter = torch.nn.Parameter(tensor([1.0]))
    optimizer = CentredRMSProp([parameter], lr=0.1, epsilon=1e-5)
    value, mean, square = 1.0, 0.0, 1.0
    for gradient in (0.5, -2.0, 0.001):
        mean, square = 0.95 * mean + 0.05 * gradient, 0.95 * square + 0.05 * gradient**2
        value -= 0.1 * gradient / (square - mean**2 + 1e-5) ** 0.5
        parameter.grad = tensor([gradient])
        optimizer.step()
    assert parameter.item() == pytest.approx(value, rel=1e-6)


@pytest.fixture(scope="module")
def batch() -> dict[str, torch.Tensor]:
    """Outputs of networks for 16 transitions, some of which end their episode."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return {
        "values": normal(16, 3),
        "next_values": normal(16, 3),
        "logits": normal(16, 3, 11),
        "next_logits": normal(16, 3, 11),
        "action": torch.arange(16) % 3,
        "reward": normal(16),
        "discount": torch.where(torch.arange(16) % 5 == 0, 0.0, 0.9),
    }


def test_the_loss_of_dqn_is_torchrls(batch: dict[str, torch.Tensor]) -> None:
    functional = pytest.importorskip("torchrl.objectives.value.functional", reason="needs torchrl")
    best = batch["next_values"].max(1, keepdim=True).values
    done = batch["discount"][:, None] == 0
    steps = [tensor[:, None] for tensor in (best, batch["reward"][:, None], done)]
    theirs = functional.td0_return_estimate(0.9, steps[0], steps[1], steps[2])[:, 0]
    estimates = batch["next_values"][:, :, None]
    assert_close(bellman_target(batch["reward"], batch["discount"], estimates, greedy(estimates)), theirs)


def test_the_loss_of_c51_is_torchrls(batch: dict[str, torch.Tensor]) -> None:
    pytest.importorskip("torchrl", reason="needs torchrl")
    from tensordict import TensorDict
    from tensordict.nn import TensorDictModule
    from torchrl.modules import DistributionalQValueActor
    from torchrl.objectives import DistributionalDQNLoss

    atoms = torch.linspace(-2, 2, 11)

    class Logits(torch.nn.Module):
        """Looks up logits by the transition's number, negative for its next observation."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, number: torch.Tensor) -> torch.Tensor:
            both = torch.cat([batch["logits"], batch["next_logits"]])
            return (both[number[..., 0]] * self.scale).transpose(-2, -1)

    module = TensorDictModule(Logits(), in_keys=["number"], out_keys=["action_value"])
    actor = DistributionalQValueActor(
        module, support=atoms, spec=None, action_space="one-hot", make_log_softmax=True
    )
    loss = DistributionalDQNLoss(actor, gamma=0.9, delay_value=False, reduction="none")
    number = torch.arange(16)[:, None]
    theirs = loss(
        TensorDict(
            {
                "number": number,
                "action": torch.nn.functional.one_hot(batch["action"], 3),
                "next": {
                    "number": number + 16,
                    "reward": batch["reward"][:, None],
                    "done": batch["discount"][:, None] == 0,
                    "terminated": batch["discount"][:, None] == 0,
                },
            },
            [16],
        )
    )["loss"]
    rows = torch.arange(16)
    next_probabilities = batch["next_logits"].softmax(2)
    best = (next_probabilities * atoms).sum(2).argmax(1)
    target = categorical_target(batch["reward"], batch["discount"], next_probabilities[rows, best], atoms)
    assert_close(categorical_loss(batch["logits"][rows, batch["action"]], target), theirs.squeeze())
