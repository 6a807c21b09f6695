"""SimpleNet's training: clean against noisy features under a truncated L1 loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from ...datasets.errors import CellError
from .network import OptimiserSpec, PatchNet


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How the network is trained.

    Attributes
    ----------
    epochs, batch_images
        Passes over the training images, and images per step.
    patches_per_step
        Positions drawn from a step's images; None = all of them.
    noise
        Standard deviation σ of the noise on each adapted feature.
    margin
        Where the loss ends, t⁺ = −t⁻.
    adaptor, discriminator
        Their optimisers.
    """

    epochs: int
    batch_images: int
    patches_per_step: int | None
    noise: float
    margin: float
    adaptor: OptimiserSpec
    discriminator: OptimiserSpec


def truncated_l1(clean: torch.Tensor, noisy: torch.Tensor, margin: float) -> torch.Tensor:
    """Return the mean of max(0, t − s) over clean and of max(0, t + s) over noisy outputs s.

    Source: SimpleNet, equations 6 and 7, with t⁺ = t and t⁻ = −t.
    """
    return (margin - clean).clamp(min=0).mean() + (margin + noisy).clamp(min=0).mean()


def batches(
    images: int, size: int, generator: torch.Generator, limit: int | None = None
) -> list[torch.Tensor]:
    """Return an epoch's images in random order, split into batches; at most ``limit`` of them."""
    return list(torch.randperm(images, generator=generator).split(size))[:limit]


def pick(
    rows: int, count: int | None, generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Return ``count`` of ``rows`` positions at random, no one twice; all where there are fewer."""
    if count is None or count >= rows:
        return torch.arange(rows, device=device)
    return torch.randperm(rows, generator=generator)[:count].to(device)


def train(
    net: PatchNet,
    features: torch.Tensor,
    plan: TrainingPlan,
    generator: torch.Generator,
    progress: Callable[[float, str], None] = lambda _fraction, _text: None,
) -> list[float]:
    """Train the network; the last epoch's weights stay.

    Parameters
    ----------
    net
        Adaptor and discriminator, on the features' device.
    features
        Training features, ``float32 [N, P, D]``: images × positions × length.
    plan
        How.
    generator
        A CPU generator, for order, positions and noise.
    progress
        Called once per epoch.

    Returns
    -------
    list of float
        The mean loss of each epoch.

    Raises
    ------
    CellError
        The loss is not finite.
    """
    optimisers = (plan.adaptor.build(net.adaptor), plan.discriminator.build(net.discriminator))
    noise_source = _noise_source(generator, features.device)
    losses: list[float] = []
    net.train()
    with torch.enable_grad():
        for epoch in range(plan.epochs):
            total = torch.zeros((), device=features.device)
            steps = 0
            for rows in _steps(features, plan, generator):
                total += _step(net, rows, plan, optimisers, noise_source)
                steps += 1
            losses.append(check_loss(float(total) / steps, epoch, plan.epochs))
            progress((epoch + 1) / plan.epochs, f"epoch {epoch + 1}, loss {losses[-1]:.3f}")
    return losses


def _steps(
    features: torch.Tensor, plan: TrainingPlan, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """Yield the vectors of each step of one epoch, ``[B, D]``."""
    for chosen in batches(len(features), plan.batch_images, generator):
        rows = features[chosen.to(features.device)].flatten(0, 1)
        yield rows[pick(len(rows), plan.patches_per_step, generator, rows.device)]


def _step(
    net: PatchNet,
    rows: torch.Tensor,
    plan: TrainingPlan,
    optimisers: tuple[torch.optim.Optimizer, ...],
    noise_source: torch.Generator,
) -> torch.Tensor:
    adapted = net.adaptor(rows)
    noise = torch.randn(adapted.shape, generator=noise_source, device=rows.device)
    # One batch for both: batch normalisation has to see clean and noisy features together.
    outputs = net.discriminator(torch.cat([adapted, adapted + plan.noise * noise]))
    loss = truncated_l1(outputs[: len(rows)], outputs[len(rows) :], plan.margin)
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss.backward()
    for optimiser in optimisers:
        optimiser.step()
    return loss.detach()


def _noise_source(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """Return a generator on the device, seeded from the one on the CPU: noise is drawn in bulk."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)


def check_loss(loss: float, epoch: int, epochs: int) -> float:
    """Return an epoch's loss, or raise `CellError` where it is no number."""
    if not math.isfinite(loss):
        raise CellError(
            f"training diverged: loss {loss:g} in epoch {epoch + 1} of {epochs}, expected a finite "
            "one; try a smaller learning rate"
        )
    return loss
