"""What the papers' agents learn towards, as functions on tensors of a batch of B transitions.

`reward` and `discount`, (B,) float32, are those of `Transitions`: n-step sums, and the factor on the value of
the next observation, which is 0 where the episode is over.
"""

import torch
from torch import Tensor

from .losses import chosen

POLICY_EPSILON = 0.001
"""The share of random actions in the policy that importance weights are for (Dopamine's `epsilon_eval`)."""

WEIGHT_LIMITS = (0.99, 1.01)
"""What each step's ratio of probabilities is clipped to (n17s's fork of batch_rl)."""


def bellman_target(reward: Tensor, discount: Tensor, next_estimates: Tensor, next_action: Tensor) -> Tensor:
    """Returns r + γ · Z(s′, a′), (B, N), of N estimates of the next action.

    With a′ greedy in the same estimates' mean, this is the target of DQN (Mnih et al. 2015, N = 1) and of
    QR-DQN (Dabney et al. 2018, algorithm 1); with a′ greedy in the online network's, that of Double DQN (van
    Hasselt et al. 2016, equation 4).

    Args:
        reward: (B,).
        discount: (B,).
        next_estimates: (B, actions, N), of the target network.
        next_action: (B,) int64.
    """
    return reward[:, None] + discount[:, None] * chosen(next_estimates, next_action)


def greedy(estimates: Tensor) -> Tensor:
    """Returns the action of the highest mean of its estimates, (B,), of (B, actions, N)."""
    return estimates.mean(2).argmax(1)


def ensemble_target(reward: Tensor, discount: Tensor, next_heads: Tensor) -> Tensor:
    """Returns each head's own target, (B, H), of Ensemble-DQN (Agarwal et al. 2020).

    Args:
        reward: (B,).
        discount: (B,).
        next_heads: (B, actions, H), of the target network. With the values of one random mixture (H = 1)
            this is the target of REM.
    """
    return reward[:, None] + discount[:, None] * next_heads.max(1).values


def random_mixture(heads: int, generator: torch.Generator) -> Tensor:
    """Returns the weights of REM's convex combination, (heads,) float32 on the CPU.

    They are uniform on [0, 1), divided by their sum (Agarwal et al. 2020).
    """
    weights = torch.rand(heads, generator=generator)
    return weights / weights.sum()


def categorical_target(reward: Tensor, discount: Tensor, next_probabilities: Tensor, atoms: Tensor) -> Tensor:
    """Returns the target's distribution projected onto the atoms (Bellemare et al. 2017, algorithm 1).

    Args:
        reward: (B,).
        discount: (B,).
        next_probabilities: (B, N), of the next action in the target network.
        atoms: (N,), evenly spaced and ascending.

    Returns:
        (B, N) probabilities.
    """
    low, high, step = atoms[0], atoms[-1], atoms[1] - atoms[0]
    moved = (reward[:, None] + discount[:, None] * atoms).clamp(low, high)
    # Each atom's probability goes to its two neighbours on the grid, in shares by its distance to them.
    shares = (1 - (moved[:, None, :] - atoms[None, :, None]).abs() / step).clamp(min=0)
    return (shares * next_probabilities[:, None, :]).sum(2)


def importance_weights(values: Tensor, action: Tensor, prob: Tensor) -> Tensor:
    """Returns the cumulative importance weights of n steps in a row, (B, n).

    The weight of step k is the product, over the steps up to k, of π(a|s) / μ(a|s) clipped to
    `WEIGHT_LIMITS`. π is ε-greedy in `values` with ε = `POLICY_EPSILON`, and μ the policy that was logged
    (the off-policy DQN of n17s's fork of batch_rl).

    Args:
        values: (B, n, actions), of the target network.
        action: (B, n) int64, as logged.
        prob: (B, n), the probability with which each was chosen.
    """
    is_greedy = values.argmax(2) == action
    policy = POLICY_EPSILON / values.shape[2] + (1 - POLICY_EPSILON) * is_greedy
    return (policy / prob).clamp(*WEIGHT_LIMITS).cumprod(1)


def weighted_return(reward: Tensor, weights: Tensor, discount: float) -> Tensor:
    """Returns the sum of the weighted rewards of n steps in a row, Σ γᵏ wₖ rₖ, (B,).

    Args:
        reward: (B, n), 0 after the episode's end.
        weights: (B, n).
        discount: γ, per step.
    """
    steps = torch.arange(reward.shape[1], device=reward.device)
    return (discount**steps * weights * reward).sum(1)
