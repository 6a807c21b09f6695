"""The normalising flow of DifferNet (sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from FrEIA.framework import SequenceINN
from FrEIA.modules import GLOWCouplingBlock, PermuteRandom
from torch import nn

SLOPE = 0.636  # ≈ 2/π, so that the clamped log-scale stays within ± clamp


def soft_clamp(clamp: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the activation that makes FrEIA's log-scale DifferNet's, a·0.636·arctan(s/a).

    FrEIA multiplies what the activation returns by ``clamp`` but does not divide its argument:
    its own ``"ATAN"`` has the same bounds and a slope at zero that is ``clamp`` times steeper,
    with which eight blocks of untrained weights overflow.
    """

    def activation(s: torch.Tensor) -> torch.Tensor:
        return SLOPE * torch.atan(s / clamp)

    return activation


def build_flow(
    dim: int, *, blocks: int = 8, hidden: int = 2048, hidden_layers: int = 3, clamp: float = 3.0
) -> SequenceINN:
    """Build the flow: per block a fixed permutation and a two-sided affine coupling.

    Weights are drawn from torch's global generator, permutations from numpy's with the block's
    index as seed; call it inside `methods.seeding.seeded`.

    Parameters
    ----------
    dim
        Length of a feature vector.
    blocks, hidden, hidden_layers, clamp
        As in `settings.FlowSettings`.

    Returns
    -------
    FrEIA.framework.SequenceINN
        Maps ``float32 [N, dim]`` to ``(z [N, dim], log|det J| [N])``.
    """

    def subnet(dim_in: int, dim_out: int) -> nn.Sequential:
        widths = [dim_in] + [hidden] * hidden_layers
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers, nn.Linear(widths[-1], dim_out))

    flow = SequenceINN(dim)
    for index in range(blocks):
        flow.append(PermuteRandom, seed=index)
        flow.append(
            GLOWCouplingBlock,
            subnet_constructor=subnet,
            clamp=clamp,
            clamp_activation=soft_clamp(clamp),
        )
    return flow


def negative_log_likelihood(flow: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Compute the training loss per vector in nats per dimension, up to a constant (equation 5).

    Parameters
    ----------
    flow
        From `build_flow`.
    batch
        ``float32 [N, D]``.

    Returns
    -------
    torch.Tensor
        ``float32 [N]``: (½‖z‖² − log|det J|) / D. Negative values are normal.
    """
    z, log_det = flow(batch)
    return (0.5 * z.square().sum(dim=1) - log_det) / batch.shape[1]
