"""Training crops of AE-SSIM: shifted, rotated, mirrored; and the windows that scoring slides."""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def draw_crops(
    pool: torch.Tensor,
    count: int,
    side: int,
    generator: torch.Generator,
    *,
    shift: int = 0,
    rotate_share: float = 0.0,
    rotate_degrees: float = 0.0,
    mirror_share: float = 0.0,
) -> torch.Tensor:
    """Draw random crops of random images; beyond the border an image is mirrored.

    Parameters
    ----------
    pool
        ``uint8 [N, 3, size, size]``.
    count
        How many.
    side
        Of a crop in pixels, at most ``size``.
    generator
        A CPU generator.
    shift
        How far in pixels a crop may reach beyond the border.
    rotate_share, rotate_degrees
        Share of the crops that are rotated, by a uniform angle up to ± this many degrees.
    mirror_share
        Share that is mirrored left to right, and as many, independently, top to bottom.

    Returns
    -------
    torch.Tensor
        ``float32 [count, 3, side, side]`` in [0, 1].
    """
    size = pool.shape[-1]
    chosen = torch.randint(len(pool), (count,), generator=generator)
    corner = torch.randint(-shift, size - side + shift + 1, (count, 2), generator=generator)
    turned = torch.rand(count, generator=generator) < rotate_share
    spin = (2 * torch.rand(count, generator=generator) - 1) * math.radians(rotate_degrees)
    flipped = torch.rand(count, 2, generator=generator) < mirror_share
    grid = _grid(
        side, size, corner + side / 2, torch.where(turned, spin, 0.0), torch.where(flipped, -1, 1)
    )
    images = pool[chosen.to(pool.device)].float() / 255
    return functional.grid_sample(
        images, grid.to(pool.device), padding_mode="reflection", align_corners=False
    )


def _grid(
    side: int, size: int, centres: torch.Tensor, angles: torch.Tensor, signs: torch.Tensor
) -> torch.Tensor:
    """Return where each crop's pixels lie, ``[count, side, side, 2]`` as `grid_sample` wants it."""
    line = torch.arange(side) + 0.5 - side / 2
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    x = columns * signs[:, 0, None, None]
    y = rows * signs[:, 1, None, None]
    cosine, sine = angles.cos()[:, None, None], angles.sin()[:, None, None]
    turned = torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=3)
    return (turned + centres[:, None, None]) * (2 / size) - 1


def window_corners(size: int, side: int, stride: int) -> list[int]:
    """Return where windows of ``side`` pixels start along an axis of ``size``, the last flush."""
    starts = list(range(0, size - side + 1, stride))
    return starts if starts[-1] == size - side else [*starts, size - side]
