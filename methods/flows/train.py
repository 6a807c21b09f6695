"""Training of one or several flows: maximum likelihood, or first-order MAML around it.

Axis suffixes: S flows, N training images, V views in the bank, D dimensions, B vectors of a batch,
K views of an image per epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from ...datasets.errors import CellError
from .plan import Meta, TrainingPlan
from .stack import FlowStack, Weights, squared_norm
from .uncertainty import LossCovariance

# Nats per dimension. A flow of random weights on features of unit scale starts near 0.7.
DIVERGED = 10.0
SCORE_ROWS = 512  # vectors per forward pass when the training set is scored


class Training:
    """A stack of flows being trained, each on a training set of its own.

    Parameters
    ----------
    stack
        S flows.
    features
        ``float32 [S, N, V, D]``, on the flows' device.
    plans
        One per flow; they may differ in ``meta.alpha`` and ``refinement`` only.
    seeds
        One per flow, for the order of images and the draw of views.

    Attributes
    ----------
    weights
        ``float32 [S, N]``, what each training image counts.
    losses
        Per epoch the mean training loss of each flow, in nats per dimension.
    coefficients
        Per epoch the λ of each flow's penalty; empty without one.
    """

    def __init__(
        self,
        stack: FlowStack,
        features: torch.Tensor,
        plans: Sequence[TrainingPlan],
        seeds: Sequence[int],
    ) -> None:
        self.stack, self.features, self.plans, self.plan = stack, features, plans, plans[0]
        self.device = features.device
        self.weights = torch.ones(features.shape[:2], device=self.device)
        self.losses: list[list[float]] = []
        self.coefficients: list[list[float]] = []
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._alphas = torch.tensor(
            [p.meta.alpha if p.meta else 0.0 for p in plans], device=self.device
        )
        self._refining = [plan.refinement is not None for plan in plans]
        self._covariance = (
            None
            if self.plan.penalty is None
            else LossCovariance(len(stack), self.plan.penalty, self.plan.window)
        )
        self.penalty: torch.Tensor | None = None
        self._optimiser = self._fresh_optimiser()

    def _fresh_optimiser(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            list(self.stack.weights.values()),
            lr=self.plan.rate,
            betas=self.plan.betas,
            eps=self.plan.epsilon,
            weight_decay=self.plan.weight_decay,
            fused=True,
        )

    def run(self, progress: Callable[[float, str], None] = lambda _fraction, _text: None) -> None:
        """Train for all epochs.

        Raises
        ------
        CellError
            A loss is not finite, or the first epoch's is beyond `DIVERGED`.
        """
        for epoch in range(self.plan.epochs):
            self._set_penalty(epoch)
            if self.plan.before_epoch is not None:
                self.plan.before_epoch(self, epoch)
            self._epoch()
            self._check()
            self._refine(epoch + 1)
            mean = sum(self.losses[-1]) / len(self.stack)
            progress((epoch + 1) / self.plan.epochs, f"epoch {epoch + 1}, loss {mean:.3f}")

    def observe(self, train: torch.Tensor, validation: torch.Tensor) -> None:
        """Add a pair of losses, ``[S]`` each, to what the penalty's coefficient follows."""
        if self._covariance is not None:
            self._covariance.push(train, validation)

    def _set_penalty(self, epoch: int) -> None:
        if self._covariance is None:
            return
        factor = self.plan.first_penalty if epoch == 0 else 1.0
        self.penalty = (factor * self._covariance.coefficient()).to(self.device)
        self.coefficients.append(self.penalty.tolist())

    def _epoch(self) -> None:
        pairs = self._pairs(self._batches())
        images = sum(support.shape[1] for support, _ in pairs)
        total = torch.zeros(2, len(self.stack), device=self.device)
        for support, query in pairs:
            total += support.shape[1] / images * torch.stack(self._step(support, query))
        self.losses.append(total[0].tolist())
        self.observe(total[0], total[1])

    def _pairs(self, batches: list[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Pair every batch with the next one: support and query of a task, or step and validation.

        A training set of one batch is halved for MAML, whose query has to be other images.
        """
        if self.plan.meta is not None and len(batches) == 1 and batches[0].shape[1] > 1:
            middle = (batches[0].shape[1] + 1) // 2
            return [(batches[0][:, :middle], batches[0][:, middle:])]
        return [(batch, batches[(i + 1) % len(batches)]) for i, batch in enumerate(batches)]

    def _batches(self) -> list[torch.Tensor]:
        """Draw an epoch: ``int64 [S, b, 1 + K]``, an image's index and its views' per row.

        Removed images are not drawn; the remaining ones are repeated in their place, so that every
        flow takes the same number of steps whatever was removed.
        """
        images, bank = self.features.shape[1:3]
        drawn = []
        for weights, generator in zip(self.weights.cpu(), self.generators, strict=True):
            kept = weights.nonzero()[:, 0]
            order = kept[torch.randperm(len(kept), generator=generator)]
            order = order.repeat(math.ceil(images / len(order)))[:images]
            shape = (images, self.plan.views_per_step)
            views = torch.randint(bank, shape, generator=generator)
            drawn.append(torch.cat([order[:, None], views], dim=1))
        return list(torch.stack(drawn).to(self.device).split(self.plan.batch_images, dim=1))

    def gather(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors ``[S, b·K, D]`` of a batch and their images' weights ``[S, b·K]``."""
        flows = torch.arange(len(self.stack), device=self.device)[:, None]
        images, views = batch[:, :, 0], batch[:, :, 1:]
        vectors = self.features[flows[:, :, None], images[:, :, None], views]
        weights = self.weights[flows, images]
        return vectors.flatten(1, 2), weights.repeat_interleave(views.shape[2], dim=1)

    def loss(self, batch: torch.Tensor, weights: Weights | None = None) -> torch.Tensor:
        """Return each flow's weighted mean negative log-likelihood of a batch, ``[S]``."""
        vectors, importance = self.gather(batch)
        per_vector = self.stack.nll(vectors, weights)
        return (importance * per_vector).sum(dim=1) / importance.sum(dim=1)

    def penalised(self, loss: torch.Tensor, weights: Weights) -> torch.Tensor:
        """Add λ‖θ‖² at the given weights (RAD, equations 5 and 8)."""
        return loss if self.penalty is None else loss + self.penalty * squared_norm(weights)

    def _step(
        self, support: torch.Tensor, query: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one step; return training and validation loss, ``[S]`` each."""
        own = self.stack.weights
        self._optimiser.zero_grad()
        if self.plan.meta is None:
            loss = self.loss(support)
            self.penalised(loss, own).sum().backward()
            validation = loss.detach()
            if self._covariance is not None:
                with torch.no_grad():
                    validation = self.loss(query)
        else:
            loss, adapted = self._adapt(support, self.plan.meta)
            outer = self.loss(query, adapted)
            objective = self.penalised(outer, adapted).sum()
            if self.plan.meta.second_order:
                objective.backward()
            else:
                # First order: the gradient at θ′ stands for that at θ.
                gradients = torch.autograd.grad(objective, list(adapted.values()))
                for weight, gradient in zip(own.values(), gradients, strict=True):
                    # Fused Adam reads memory as the weight's is laid out.
                    weight.grad = gradient.contiguous()
            validation = outer.detach()
        self._optimiser.step()
        return loss.detach(), validation

    def _adapt(self, support: torch.Tensor, meta: Meta) -> tuple[torch.Tensor, Weights]:
        """Take the inner steps; return the loss before them and θ′."""
        adapted: dict[str, torch.Tensor] = dict(self.stack.weights)
        first = None
        for _ in range(meta.steps):
            loss = self.loss(support, adapted)
            first = loss if first is None else first
            gradients = torch.autograd.grad(
                loss.sum(), list(adapted.values()), create_graph=meta.second_order
            )
            adapted = {
                name: weight - _per_flow(self._alphas, weight) * gradient
                for (name, weight), gradient in zip(adapted.items(), gradients, strict=True)
            }
            if not meta.second_order:
                adapted = {n: w.detach().requires_grad_() for n, w in adapted.items()}
        assert first is not None, "settings refuse fewer than one inner step"
        return first, adapted

    def scores(self, kind: str) -> np.ndarray:
        """Score the training images as they are known now, ``float64 [S, N]``.

        Parameters
        ----------
        kind
            ``"z2"`` or ``"nll"``, means over views and dimensions.
        """
        flows, images, bank, dim = self.features.shape
        chosen = torch.linspace(0, bank - 1, min(bank, self.plan.refine_views)).round().long()
        rows = self.features[:, :, chosen.to(self.device)].reshape(flows, -1, dim)
        parts = []
        with torch.no_grad():
            for part in rows.split(SCORE_ROWS, dim=1):
                z, log_det = self.stack(part)
                found = z.square().mean(dim=2)
                parts.append(found if kind == "z2" else 0.5 * found - log_det / dim)
        return torch.cat(parts, dim=1).reshape(flows, images, -1).double().mean(dim=2).cpu().numpy()

    def _refine(self, finished: int) -> None:
        refinement = self.plan.refinement
        if refinement is None or finished not in refinement.epochs:
            return
        if refinement.fresh_optimiser:
            # Also where nothing is left to refine: a flow must not depend on those beside it.
            self._optimiser = self._fresh_optimiser()
        if not any(self._refining):
            return
        scores = self.scores(refinement.score)
        if not np.isfinite(scores).all():
            raise CellError(
                f"flow diverged: a training image has no finite score after epoch {finished}; "
                "try a smaller learning rate"
            )
        for index, plan in enumerate(self.plans):
            if self._refining[index] and plan.refinement is not None:
                known = self.weights[index].cpu().numpy()
                weights, more = plan.refinement.refine(scores[index], known)
                self.weights[index] = torch.from_numpy(weights)
                self._refining[index] = more

    def _check(self) -> None:
        # Only the first epoch has a known scale; a later jump that ends in no number is caught too.
        for loss in self.losses[-1]:
            if not math.isfinite(loss) or (len(self.losses) == 1 and loss > DIVERGED):
                raise CellError(
                    f"flow diverged: loss {loss:g} per dimension in epoch {len(self.losses)} of "
                    f"{self.plan.epochs}, expected a finite one that starts below {DIVERGED:g}; "
                    "try standardise=true or a smaller learning rate"
                )


def _per_flow(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.reshape(-1, *[1] * (like.dim() - 1))
