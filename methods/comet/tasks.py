"""CoMet's meta step: adapt copies of the flow to small tasks and move towards them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from ..flows.train import Training
    from .method import CoMetSettings

ATTEMPTS = 3  # draws of a task before its likeness to the last ones is put up with
LEADERS = 5  # tasks that a new one is compared with
VALIDATION = 0.3  # share of a task's images


class Adaptation:
    """The meta step before an epoch; remembers the tasks' first images for their diversity.

    Parameters
    ----------
    settings
        Of CoMet.
    """

    def __init__(self, settings: CoMetSettings) -> None:
        self._settings = settings
        self._leaders: dict[int, deque[torch.Tensor]] = {}

    def __call__(self, training: Training, epoch: int) -> None:
        """Adapt to each task and take the step; push the tasks' losses into the covariance."""
        own = training.stack.weights
        moved = {name: torch.zeros_like(weight) for name, weight in own.items()}
        losses = torch.zeros(2, len(training.stack), device=training.device)
        for _ in range(self._settings.tasks):
            task = torch.stack([self._draw(training, flow) for flow in range(len(training.stack))])
            held = max(1, round(VALIDATION * task.shape[1]))
            adapted, train_loss = self._adapt(training, task[:, held:])
            with torch.no_grad():
                losses += torch.stack([train_loss, training.loss(task[:, :held], adapted)])
                for name, weight in own.items():
                    moved[name] += adapted[name] - weight
        with torch.no_grad():
            for name, weight in own.items():
                weight.add_(moved[name], alpha=self._settings.meta_rate / self._settings.tasks)
        training.observe(losses[0] / self._settings.tasks, losses[1] / self._settings.tasks)

    def _adapt(
        self, training: Training, batch: torch.Tensor
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Take the inner steps on a copy; return it and the loss of the first step."""
        copy = {
            name: weight.detach().clone().requires_grad_()
            for name, weight in training.stack.weights.items()
        }
        optimiser = torch.optim.Adam(copy.values(), lr=self._settings.alpha, fused=True)
        first = None
        for _ in range(self._settings.inner_steps):
            loss = training.loss(batch, copy)
            first = loss.detach() if first is None else first
            optimiser.zero_grad()
            training.penalised(loss, copy).sum().backward()
            optimiser.step()
        assert first is not None, "settings refuse fewer than one inner step"
        return copy, first

    def _draw(self, training: Training, flow: int) -> torch.Tensor:
        """Draw a task of one flow: ``int64 [images, 1 + K]``, an image's and its views' indices."""
        generator = training.generators[flow]
        weights = training.weights[flow].cpu()
        count = min(self._settings.task_images, len(weights))
        recent = self._leaders.setdefault(flow, deque(maxlen=LEADERS))
        means = training.features[flow].mean(dim=1).cpu()
        for _ in range(ATTEMPTS):
            images = torch.multinomial(weights, count, generator=generator)
            leader = means[images[0]]
            if not any(_alike(leader, other) >= self._settings.diversity for other in recent):
                break
        else:
            images = torch.randperm(len(weights), generator=generator)[:count]
            leader = means[images[0]]
        recent.append(leader)
        bank = training.features.shape[2]
        shape = (count, training.plan.views_per_step)
        views = torch.randint(bank, shape, generator=generator)
        return torch.cat([images[:, None], views], dim=1).to(training.device)


def _alike(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(functional.cosine_similarity(one, other, dim=0))
