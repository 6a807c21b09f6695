"""Outlier weights of training patches, each among the patches at its own position (SoftPatch).

Every function takes ``float32 [G, N, D]``, for each of G positions the features of N images, and
returns ``float32 [G, N]``; positions do not influence each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from ...datasets.errors import UsageError

Discriminator = Literal["lof", "nearest", "gaussian"]

BLOCK = 2**22  # distances held at once, 32 MiB of float64; bounds memory, changes no value
TINY = 1e-10  # keeps the density of coinciding points finite, as in scikit-learn
RIDGE = 0.01  # added to the diagonal of every covariance (official code)


def outlier_weights(
    points: torch.Tensor, discriminator: Discriminator, neighbours: int
) -> torch.Tensor:
    """Tell how far every patch lies off the other images' patches at its position.

    Parameters
    ----------
    points
        ``float32 [G, N, D]``.
    discriminator
        ``"lof"``: local outlier factor, about 1 for an inlier. ``"nearest"``: 1 + distance to the
        nearest other patch. ``"gaussian"``: 1 + Mahalanobis distance.
    neighbours
        Of the local outlier factor; where there are fewer other images, all of them.

    Returns
    -------
    torch.Tensor
        ``float32 [G, N]``, higher = more of an outlier.

    Raises
    ------
    UsageError
        A single image, which nothing can be compared with.
    """
    count, dim = points.shape[1:]
    if count < 2:
        raise UsageError("softpatch compares training images: 1 given, expected at least 2")
    measure: Callable[[torch.Tensor], torch.Tensor] = {
        "lof": lambda part: local_outlier_factor(part, min(neighbours, count - 1)),
        "nearest": lambda part: 1 + nearest_distance(part),
        "gaussian": lambda part: 1 + mahalanobis_distance(part),
    }[discriminator]
    step = max(1, BLOCK // (max(count, dim) ** 2))
    return torch.cat([measure(part) for part in points.split(step)])


def local_outlier_factor(points: torch.Tensor, neighbours: int) -> torch.Tensor:
    """Compute the local outlier factor (Breunig et al., SIGMOD 2000) for many small sets at once.

    The same as scikit-learn's ``-LocalOutlierFactor(k).fit(x).negative_outlier_factor_`` on every
    set, without a loop in Python over the positions.

    Parameters
    ----------
    points
        ``float32 [G, N, D]``.
    neighbours
        k, 1 ≤ k < N.

    Returns
    -------
    torch.Tensor
        ``float32 [G, N]``: mean density of a point's neighbours / its own density.
    """
    distances, indices = _others(points).topk(neighbours, dim=2, largest=False)
    reach_of_others = _gather(distances[:, :, -1], indices)
    density = 1 / (torch.maximum(distances, reach_of_others).mean(dim=2) + TINY)
    return (_gather(density, indices).mean(dim=2) / density).float()


def nearest_distance(points: torch.Tensor) -> torch.Tensor:
    """Return the Euclidean distance to the nearest other point, ``[G, N, D] → [G, N]``."""
    return _others(points).amin(dim=2).float()


def mahalanobis_distance(points: torch.Tensor) -> torch.Tensor:
    """Return the distance to the position's mean under its covariance, ``[G, N, D] → [G, N]``.

    The covariance is the unbiased one plus 0.01 on the diagonal, so it can be inverted where there
    are fewer images than dimensions.
    """
    centred = points.double() - points.double().mean(dim=1, keepdim=True)
    covariance = centred.mT @ centred / (points.shape[1] - 1)
    covariance += RIDGE * torch.eye(points.shape[2], dtype=torch.float64, device=points.device)
    solved = torch.linalg.solve(covariance, centred.mT).mT
    return (centred * solved).sum(dim=2).clamp(min=0).sqrt().float()


def _others(points: torch.Tensor) -> torch.Tensor:
    """Return distances in each set, ``float64 [G, N, N]``; of a point to itself infinite."""
    # In double precision and centred: the product formula is faster than differences, but in
    # single precision loses the digits that tell close neighbours apart.
    centred = points.double() - points.double().mean(dim=1, keepdim=True)
    squares = centred.square().sum(dim=2)
    squared = squares[:, :, None] + squares[:, None, :] - 2 * centred @ centred.mT
    distances = squared.clamp(min=0).sqrt()
    distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    return distances


def _gather(values: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Look up ``values [G, N]`` at ``indices [G, N, K]``: ``[G, N, K]``."""
    groups, count, width = indices.shape
    return values.gather(1, indices.reshape(groups, count * width)).reshape(groups, count, width)
