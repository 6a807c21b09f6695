"""One Gaussian per position and the Mahalanobis distance to it (PaDiM, section III).

Axis suffixes: N images, P positions, D channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

BLOCK = 2**20  # numbers in one temporary matrix, 8 MiB of float64: it stays in the cache


def embed(
    maps: Mapping[int, torch.Tensor], channels: torch.Tensor, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Stack chosen channels of several layers on the finest layer's grid (section III-A).

    A coarse value is repeated over the fine positions that it covers, not interpolated.

    Parameters
    ----------
    maps
        Stride → ``float32 [N, C, h, w]``.
    channels
        ``int64 [D]``, ascending indices into the layers' channels, finest layer first.
    out
        Where the result is written to, ``float32 [P, N, D]``; None for a new tensor.

    Returns
    -------
    torch.Tensor
        ``float32 [P, N, D]``, P = H · W of the finest grid, row by row.
    """
    finest = maps[min(maps)]
    height, width = finest.shape[-2:]
    if out is None:
        out = finest.new_empty(height * width, len(finest), len(channels))
    grid = out.unflatten(0, (height, width))
    first = column = 0
    for stride in sorted(maps):
        layer = maps[stride]
        last = first + layer.shape[1]
        own = channels[(channels >= first) & (channels < last)] - first
        picked = layer[:, own.to(layer.device)]
        if height % picked.shape[-2] or width % picked.shape[-1]:
            picked = functional.interpolate(picked, size=(height, width), mode="nearest")
        rows, columns = picked.shape[-2:]
        target = grid[..., column : column + len(own)]
        target = target.unflatten(1, (columns, -1)).unflatten(0, (rows, -1))
        # One copy instead of a repeated, a joined and a transposed map.
        target.copy_(picked.permute(2, 3, 0, 1).contiguous()[:, None, :, None])
        first, column = last, column + len(own)
    return out


def fit_gaussians(vectors: torch.Tensor, epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Estimate mean and covariance at every position (equation 1).

    Parameters
    ----------
    vectors
        ``float32 [P, N, D]``, N ≥ 2.
    epsilon
        Added to the diagonal of the sample covariance, so that it is invertible.

    Returns
    -------
    tuple
        Means ``float32 [P, D]`` and lower Cholesky factors of the covariances
        ``float32 [P, D, D]``.
    """
    _, count, dim = vectors.shape
    means = vectors.mean(dim=1)
    factors = vectors.new_empty(len(vectors), dim, dim)
    # In double precision: with fewer images than channels the smallest eigenvalue is epsilon,
    # which single precision loses beside channels of large variance.
    ridge = epsilon * torch.eye(dim, device=vectors.device, dtype=torch.float64)
    step = max(1, BLOCK // (dim * max(dim, count)))
    for start in range(0, len(vectors), step):
        rows = slice(start, start + step)
        centred = vectors[rows].double() - means[rows, None]
        covariance = centred.mT @ centred / (count - 1) + ridge
        factors[rows] = torch.linalg.cholesky(covariance).to(vectors.dtype)
    return means, factors


def mahalanobis(vectors: torch.Tensor, means: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Return √((x − μ)ᵀ Σ⁻¹ (x − μ)) of every vector at its position (equation 2).

    Parameters
    ----------
    vectors
        ``float32 [P, N, D]``.
    means, factors
        From `fit_gaussians`.

    Returns
    -------
    torch.Tensor
        ``float32 [N, P]``.
    """
    offsets = (vectors - means[:, None]).mT  # [P, D, N]
    whitened = torch.linalg.solve_triangular(factors, offsets, upper=False)
    return whitened.square().sum(dim=1).sqrt().T
