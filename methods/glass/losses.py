"""GLASS's losses: cross entropy for two branches, focal loss on the hardest positions for one."""

from __future__ import annotations

import torch
from torch.nn import functional

FOCUS = 2.0  # γ (official code)
SMOOTHING = 1e-5  # label smoothing (official code)


def cross_entropy(logits: torch.Tensor, anomalous: bool) -> torch.Tensor:
    """Return the mean binary cross entropy of logits ``[B]`` against one label for all."""
    target = torch.ones_like(logits) if anomalous else torch.zeros_like(logits)
    return functional.binary_cross_entropy_with_logits(logits, target)


def focal_loss(probabilities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of −(1 − q)^γ log q, q the probability given to a position's true class.

    Source: Lin et al., ICCV 2017, equation 4, with α = 1; labels are smoothed by `SMOOTHING`, as
    in the official code, so that log q stays finite.

    Parameters
    ----------
    probabilities
        ``float32 [B]``, of being anomalous.
    mask
        ``bool [B]``, True = anomalous.
    """
    truth = mask.to(probabilities.dtype).clamp(SMOOTHING, 1 - SMOOTHING)
    q = truth * probabilities + (1 - truth) * (1 - probabilities) + SMOOTHING
    return (-((1 - q).clamp(min=0) ** FOCUS) * q.log()).mean()


def hardest(probabilities: torch.Tensor, mask: torch.Tensor, quantile: float) -> torch.Tensor:
    """Mark the positions whose squared error reaches its ``quantile``, ``bool [B]``.

    Source: GLASS, online hard example mining of the image branch.
    """
    errors = (probabilities.detach() - mask.to(probabilities.dtype)).square()
    return errors >= errors.quantile(quantile)
