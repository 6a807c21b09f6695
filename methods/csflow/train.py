"""Likelihood, training and scores of the cross-scale flow (CS-Flow, sections 3.3 and 3.4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from ...datasets.errors import CellError
from ..epochs import epoch_losses

# Nats per dimension. Untrained, the flow is the identity: features of unit scale start at 0.5.
DIVERGED = 1000.0
LARGEST_GRADIENT = 1.0  # norm that gradients are clipped to (official code)


def negative_log_likelihood(flow: nn.Module, maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Compute the training loss per image in nats per dimension, up to a constant (equation 6).

    Parameters
    ----------
    flow
        From `flow.build_flow`.
    maps
        Per scale ``float32 [N, C, h, w]``.

    Returns
    -------
    torch.Tensor
        ``float32 [N]``: (½‖z‖² − log|det J|) / D, D the dimensions of all scales together.
    """
    latents, log_det = flow(maps)
    squares = torch.stack([z.square().flatten(1).sum(dim=1) for z in latents]).sum(dim=0)
    return (0.5 * squares - log_det) / sum(z[0].numel() for z in latents)


def latent_scores(latents: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn latent maps into image scores and anomaly maps (section 3.4; official code).

    Returns
    -------
    tuple
        ``float32 [N]``, the mean of z²/2 over channels, positions and scales; and
        ``float32 [N, h, w]``, the mean of z² over channels at the finest scale.
    """
    flat = torch.cat([z.flatten(1) for z in latents], dim=1)
    return flat.square().mean(dim=1) / 2, latents[0].square().mean(dim=1)


def train_flow(
    flow: nn.Module,
    maps: Sequence[torch.Tensor],
    *,
    epochs: int,
    batch_images: int,
    learning_rate: float,
    epsilon: float,
    weight_decay: float,
    generator: torch.Generator,
    progress: Callable[[float, str], None] = lambda _fraction, _text: None,
) -> list[float]:
    """Train the flow by maximum likelihood; in place.

    Parameters
    ----------
    flow
        On its device.
    maps
        Of the training images, per scale ``float32 [N, C, h, w]``, on any device.
    epochs, batch_images, learning_rate, epsilon, weight_decay
        As in the settings.
    generator
        A CPU generator, for the order of the images.
    progress
        Called after every epoch.

    Returns
    -------
    list of float
        Mean loss per epoch, in nats per dimension.

    Raises
    ------
    CellError
        A loss is not finite, or beyond `DIVERGED`.
    """
    optimiser = torch.optim.Adam(
        flow.parameters(), lr=learning_rate, eps=epsilon, weight_decay=weight_decay
    )
    means = epoch_losses(
        flow,
        optimiser,
        maps,
        lambda batch: negative_log_likelihood(flow, batch).mean(),
        epochs=epochs,
        batch_images=batch_images,
        generator=generator,
        largest_gradient=LARGEST_GRADIENT,
    )
    losses: list[float] = []
    for epoch, loss in enumerate(means, start=1):
        if not math.isfinite(loss) or abs(loss) > DIVERGED:
            raise CellError(
                f"flow diverged: loss {loss:g} per dimension in epoch {epoch} of {epochs}, "
                f"expected a finite one below {DIVERGED:g}; "
                "try standardise=true or a smaller learning rate"
            )
        losses.append(loss)
        progress(epoch / epochs, f"epoch {epoch}, loss {loss:.3f}")
    return losses
