"""Locally aware patch features (PatchCore, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional


def pool_neighbourhood(maps: torch.Tensor, patch: int, dim: int) -> torch.Tensor:
    """Describe every position by its neighbourhood.

    The ``patch`` × ``patch`` neighbourhood (stride 1, zero padding) is flattened, channels first,
    and adaptively average-pooled to ``dim`` numbers. As in the official code this also holds where
    channels · patch² < ``dim``: the bins then overlap and repeat values, which weights the
    features a little unevenly and adds no information.

    Parameters
    ----------
    maps
        ``float32 [N, C, h, w]``.
    patch
        Side of the neighbourhood, odd.
    dim
        Length of the description.

    Returns
    -------
    torch.Tensor
        ``float32 [N, dim, h, w]``.
    """
    count, _, height, width = maps.shape
    flat = functional.unfold(maps, patch, padding=patch // 2)  # [N, C·patch², h·w]
    pooled = functional.adaptive_avg_pool1d(flat.transpose(1, 2), dim)  # [N, h·w, dim]
    return pooled.transpose(1, 2).reshape(count, dim, height, width)


def patch_features(
    maps: Mapping[int, torch.Tensor], patch: int, layer_dim: int, dim: int
) -> torch.Tensor:
    """Combine layers into one feature per position of the finest grid.

    The official code resizes a coarse layer's neighbourhoods to the finest grid before pooling
    them; both steps are linear and act on different axes, so pooling first gives the same values
    at a fraction of the work.

    Parameters
    ----------
    maps
        Stride → ``float32 [N, C, h, w]``.
    patch
        Side of the neighbourhood.
    layer_dim
        Length per layer.
    dim
        Length of the combined feature.

    Returns
    -------
    torch.Tensor
        ``float32 [N, H, W, dim]``, H × W the finest grid.
    """
    finest = maps[min(maps)].shape[-2:]
    layers = []
    for stride in sorted(maps):
        pooled = pool_neighbourhood(maps[stride], patch, layer_dim)
        if pooled.shape[-2:] != finest:
            pooled = functional.interpolate(pooled, size=finest, mode="bilinear")
        layers.append(pooled)
    stacked = torch.cat(layers, dim=1).permute(0, 2, 3, 1)  # [N, H, W, layers · layer_dim]
    if stacked.shape[-1] == dim:
        return stacked.contiguous()
    height, width = finest
    pooled = functional.adaptive_avg_pool1d(stacked.flatten(1, 2), dim)
    return pooled.reshape(-1, height, width, dim)
