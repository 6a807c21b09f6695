"""Global anomaly synthesis: noise, gradient ascent, truncated projection (GLASS, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .losses import cross_entropy

TINY = 1e-10  # keeps a vector of length 0 from becoming NaN


@dataclass(frozen=True, slots=True, kw_only=True)
class Ascent:
    """How global anomalies are made.

    Attributes
    ----------
    noise
        Standard deviation σ of the noise they start from.
    steps, rate
        Steps of gradient ascent and their length η; 0 steps leave the noise as it is, unprojected.
    project_every
        Steps between projections.
    """

    noise: float
    steps: int
    rate: float
    project_every: int

    def synthesise(
        self,
        features: torch.Tensor,
        discriminate: Callable[[torch.Tensor], torch.Tensor],
        project: Callable[[torch.Tensor], torch.Tensor],
        noise_source: torch.Generator,
    ) -> torch.Tensor:
        """Make one anomalous feature of each clean one.

        Gradients of the result flow back to ``features`` as in the official code: noise and steps
        are constants, the projection is differentiated.

        Parameters
        ----------
        features
            Clean adapted features u, ``float32 [B, D]``.
        discriminate
            Feature → logit, ``[2B, D] → [2B]``. It is given clean and anomalous features together,
            so that its batch normalisation sees what it does in the losses.
        project
            Anomalous features → projected ones, see `truncate`.
        noise_source
            A generator on the features' device.
        """
        drawn = torch.randn(features.shape, generator=noise_source, device=features.device)
        made = features + self.noise * drawn
        clean = features.detach()
        for step in range(self.steps):
            leaf = made.detach().requires_grad_()
            logits = discriminate(torch.cat([clean, leaf]))[len(clean) :]
            (gradient,) = torch.autograd.grad(cross_entropy(logits, True), leaf)
            length = gradient.norm(dim=1, keepdim=True)
            made = made + self.rate * gradient / (length + TINY)
            if (step + 1) % self.project_every == 0:
                made = project(made)
        return made


def truncate(
    features: torch.Tensor,
    anchor: torch.Tensor,
    low: float | torch.Tensor,
    high: float | torch.Tensor,
) -> torch.Tensor:
    """Move each feature along its ray from the anchor until its distance lies in [low, high].

    Source: GLASS, truncated projection; the anchor is the clean feature (manifold hypothesis) or
    the centre (hypersphere hypothesis).

    Parameters
    ----------
    features, anchor
        ``float32 [B, D]`` each.
    low, high
        Bounds of the Euclidean distance.
    """
    offset = features - anchor
    distance = offset.norm(dim=1, keepdim=True)
    bounds = [torch.as_tensor(bound).to(distance) for bound in (low, high)]
    return anchor + offset * (distance.clamp(*bounds) / (distance + TINY))
