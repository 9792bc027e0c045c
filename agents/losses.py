"""The losses of the papers, as functions on tensors of a batch of B transitions."""

import torch
import torch.nn.functional as functional
from torch import Tensor


def huber_loss(values: Tensor, targets: Tensor) -> Tensor:
    """Returns Huber's loss with a threshold of 1 for each pair, in their shape.

    With errors clipped to [-1, 1], this is DQN's loss (Mnih et al. 2015, "Training algorithm").
    """
    return functional.huber_loss(values, targets, reduction="none")


def quantile_huber_loss(quantiles: Tensor, targets: Tensor, kappa: float = 1.0) -> Tensor:
    """Returns the quantile Huber loss of QR-DQN (Dabney et al. 2018, algorithm 1).

    Args:
        quantiles: (B, N), the estimates at the midpoints (2i + 1) / 2N.
        targets: (B, M), samples of the target's distribution.
        kappa: the error at which the loss becomes linear.

    Returns:
        (B,): the sum over the estimates of the mean over the targets.
    """
    count = quantiles.shape[1]
    midpoints = (torch.arange(count, device=quantiles.device) + 0.5) / count
    errors = targets[:, None, :] - quantiles[:, :, None]
    huber = functional.huber_loss(errors, torch.zeros_like(errors), reduction="none", delta=kappa) / kappa
    weights = (midpoints[None, :, None] - (errors.detach() < 0).float()).abs()
    return (weights * huber).mean(2).sum(1)


def categorical_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Returns the cross-entropy of C51 (Bellemare et al. 2017, algorithm 1), (B,).

    Args:
        logits: (B, N), of the atoms' estimated probabilities.
        target: (B, N), the projected target's probabilities.
    """
    return -(target * functional.log_softmax(logits, 1)).sum(1)


def conservative_penalty(values: Tensor, action: Tensor) -> Tensor:
    """Returns the penalty of CQL(H) (Kumar et al. 2020, equation 4), (B,).

    It is the log-sum-exp of all actions' values minus the value of the logged action. For logits it is the
    negative log-likelihood of the action, which is the loss of behaviour cloning.

    Args:
        values: (B, actions).
        action: (B,) int64, as logged.
    """
    return values.logsumexp(1) - chosen(values, action)


def chosen(values: Tensor, action: Tensor) -> Tensor:
    """Returns what `values`, (B, actions, …), holds for each transition's action: (B, …)."""
    return values[torch.arange(len(action), device=values.device), action]


def masked_mean(losses: Tensor, counts: Tensor) -> Tensor:
    """Returns the mean, a scalar, of the (B,) losses that count; 0 if none does.

    Args:
        losses: (B,).
        counts: (B,) bool. A truncated episode's last step does not count: nothing was logged of what came
            next, so its target is unknown.
    """
    return (losses * counts).sum() / counts.sum().clamp(min=1)
