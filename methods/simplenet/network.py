"""The two trained parts that SimpleNet and GLASS share: linear adaptor and discriminator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

LEAK = 0.2  # slope of the discriminator's leaky ReLU below zero (official code of both)


def build_adaptor(dim: int, *, bias: bool) -> nn.Linear:
    """Return one linear layer ``dim → dim``, Xavier-normal weights (SimpleNet, section 3.2)."""
    layer = nn.Linear(dim, dim, bias=bias)
    nn.init.xavier_normal_(layer.weight)
    return layer


def build_discriminator(dim: int, hidden: int) -> nn.Sequential:
    """Return linear, batch normalisation, leaky ReLU, linear without bias: ``[B, dim] → [B, 1]``.

    Xavier-normal weights (SimpleNet, section 3.4; official code). No sigmoid.
    """
    first, last = nn.Linear(dim, hidden), nn.Linear(hidden, 1, bias=False)
    for layer in (first, last):
        nn.init.xavier_normal_(layer.weight)
    return nn.Sequential(first, nn.BatchNorm1d(hidden), nn.LeakyReLU(LEAK), last)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserSpec:
    """An optimiser in plain values.

    Attributes
    ----------
    kind
        Adam, whose decay is part of the gradient, or AdamW, whose decay is not.
    rate, decay
        Learning rate and weight decay.
    """

    kind: Literal["adam", "adamw"]
    rate: float
    decay: float

    def build(self, part: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a part's weights."""
        cls = torch.optim.AdamW if self.kind == "adamw" else torch.optim.Adam
        return cls(part.parameters(), lr=self.rate, weight_decay=self.decay, fused=True)


class PatchNet(nn.Module):
    """Adaptor and discriminator in one module.

    Parameters
    ----------
    dim, hidden
        Length of a feature and of the hidden layer.
    bias
        Whether the adaptor has a bias.
    """

    def __init__(self, dim: int, hidden: int, *, bias: bool) -> None:
        super().__init__()
        self.adaptor = build_adaptor(dim, bias=bias)
        self.discriminator = build_discriminator(dim, hidden)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the discriminator's output of features ``[B, D]``, ``[B]``."""
        return self.discriminator(self.adaptor(features))[:, 0]


@torch.no_grad()
def grid_outputs(net: PatchNet, features: torch.Tensor) -> torch.Tensor:
    """Return the output at every position, ``[N, H, W, D] → [N, H, W]``; in evaluation mode.

    Image by image, so that a score does not depend on how many others are scored with it.
    """
    net.eval()
    return torch.stack([net(one.flatten(0, 1)).reshape(one.shape[:2]) for one in features])
