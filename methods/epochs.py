"""The loop over epochs and batches that CS-Flow and Reverse Distillation have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn


def epoch_losses(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    maps: Sequence[torch.Tensor],
    loss_of: Callable[[list[torch.Tensor]], torch.Tensor],
    *,
    epochs: int,
    batch_images: int,
    generator: torch.Generator,
    largest_gradient: float | None = None,
) -> Iterator[float]:
    """Train in place, an epoch at a time; yield each epoch's mean loss over all images.

    Whether a loss is one to go on with, and what is said of it, is up to the caller.

    Parameters
    ----------
    network
        In training mode while an epoch runs, on its device; left in evaluation mode at the end.
    optimiser
        Over its parameters.
    maps
        Of the training images, per scale ``float32 [N, C, h, w]``, on any device.
    loss_of
        From a batch's maps, per scale ``float32 [B, C, h, w]`` on the network's device, to its
        mean loss, a scalar.
    epochs, batch_images
        Passes over the images, and images per step; the last batch of an epoch may be smaller.
    generator
        A CPU generator, for the order of the images.
    largest_gradient
        Norm that gradients are clipped to; None = they are not.
    """
    device = next(network.parameters()).device
    network.train()
    for _ in range(epochs):
        total = 0.0
        order = torch.randperm(len(maps[0]), generator=generator)
        for batch in order.split(batch_images):
            loss = loss_of([m[batch.to(m.device)].to(device) for m in maps])
            optimiser.zero_grad()
            loss.backward()
            if largest_gradient is not None:
                nn.utils.clip_grad_norm_(network.parameters(), largest_gradient)
            optimiser.step()
            total += float(loss.detach()) * len(batch) / len(order)
        yield total
    network.eval()
