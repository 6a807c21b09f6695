"""The normalising flow of DifferNet and its training (sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from FrEIA.framework import SequenceINN
from FrEIA.modules import GLOWCouplingBlock, PermuteRandom
from torch import nn

from ...datasets.errors import CellError

if TYPE_CHECKING:
    from .method import DifferNetSettings

SLOPE = 0.636  # ≈ 2/π, so that the clamped log-scale stays within ± clamp
# Nats per dimension. A flow of random weights on features of unit scale starts near 0.7.
DIVERGED = 10.0


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
        As in `DifferNetSettings`.

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


def train_flow(
    flow: nn.Module,
    features: torch.Tensor,
    settings: DifferNetSettings,
    seed: int,
    progress: Callable[[float, str], None] = lambda _fraction, _text: None,
) -> list[float]:
    """Train the flow by maximum likelihood on random views of every image.

    Parameters
    ----------
    flow
        From `build_flow`, on the features' device.
    features
        ``float32 [N, V, D]``: images × bank of views × dimensions.
    settings
        Epochs, batch and optimiser.
    seed
        For the order of images and the draw of views.
    progress
        Called once per epoch.

    Returns
    -------
    list of float
        Mean loss per epoch, in nats per dimension.

    Raises
    ------
    CellError
        The loss is not finite, or the first epoch's is beyond `DIVERGED`.
    """
    images, bank, dim = features.shape
    flat = features.reshape(images * bank, dim)
    optimiser = torch.optim.Adam(
        [p for p in flow.parameters() if p.requires_grad],
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.epsilon,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    generator = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    for epoch in range(settings.epochs):
        order = torch.randperm(images, generator=generator)
        views = torch.randint(bank, (images, settings.views_per_step), generator=generator)
        rows = (order[:, None] * bank + views).to(flat.device)
        total = flat.new_zeros(())
        for part in rows.split(settings.batch_images):
            per_vector = negative_log_likelihood(flow, flat[part.flatten()])
            optimiser.zero_grad()
            per_vector.mean().backward()
            optimiser.step()
            total += per_vector.detach().sum()
        losses.append(float(total) / rows.numel())
        _check(losses, settings.epochs)
        progress((epoch + 1) / settings.epochs, f"epoch {epoch + 1}, loss {losses[-1]:.3f}")
    return losses


def _check(losses: list[float], epochs: int) -> None:
    # Only the first epoch has a known scale; a later jump that ends in no number is caught too.
    if losses[-1] != losses[-1] or abs(losses[-1]) == float("inf") or losses[0] > DIVERGED:
        raise CellError(
            f"flow diverged: loss {losses[-1]:g} per dimension in epoch {len(losses)} of {epochs}, "
            f"expected a finite one that starts below {DIVERGED:g}; try standardise=true"
        )
