"""The loop around every network that is trained from scratch here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from ...datasets.errors import CellError

REPORTS = 100  # how often progress is reported


def train(
    networks: Sequence[torch.nn.Module],
    optimiser: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None,
    loss: Callable[[], torch.Tensor],
    steps: int,
    progress: Callable[[float, str], None],
) -> None:
    """Take gradient steps in training mode; leave the networks in evaluation mode.

    Parameters
    ----------
    networks
        What is trained.
    optimiser
        Over their parameters.
    scheduler
        Stepped after every step, in units of steps; None = a constant rate.
    loss
        Draws a batch and returns its loss, a scalar.
    steps
        How many.
    progress
        Called with a fraction and a short text now and then.

    Raises
    ------
    CellError
        A loss is not finite.
    """
    for network in networks:
        # Convolutions of few channels run a third faster in this layout; values are the same.
        network.to(memory_format=torch.channels_last)
        network.train()
    every = max(1, steps // REPORTS)
    with torch.enable_grad():
        for step in range(steps):
            optimiser.zero_grad()
            value = loss()
            value.backward()
            optimiser.step()
            if scheduler is not None:
                scheduler.step()
            if step % every == 0 or step == steps - 1:
                _report(float(value.detach()), step + 1, steps, progress)
    for network in networks:
        network.eval()


def _report(value: float, step: int, steps: int, progress: Callable[[float, str], None]) -> None:
    if not math.isfinite(value):
        raise CellError(
            f"training diverged: loss {value:g} in step {step} of {steps}, expected a finite one; "
            "try a smaller learning_rate"
        )
    progress(step / steps, f"step {step} of {steps}, loss {value:.4f}")


def step_decay(
    optimiser: torch.optim.Optimizer, steps: int, shares: Sequence[float], factor: float
) -> torch.optim.lr_scheduler.LRScheduler:
    """Multiply the rate by ``factor`` after each of the given shares of all steps."""
    milestones = [math.ceil(share * steps) for share in shares]
    return torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, gamma=factor)
