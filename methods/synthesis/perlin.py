"""Masks of irregular shape from gradient noise (Perlin, SIGGRAPH 1985; as used by DRAEM)."""

from __future__ import annotations

import math

import numpy as np

LARGEST_ANGLE = 90.0  # degrees that a noise field is turned by at most (DRAEM and GLASS)


def perlin_noise(size: int, cells: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Draw a field of gradient noise.

    Random unit gradients on a lattice, their ramps blended by Perlin's quintic fade
    6t⁵ − 15t⁴ + 10t³. The factor √2 brings values to about [−1, 1].

    Parameters
    ----------
    size
        Side in pixels; it need be no multiple of ``cells``.
    cells
        Lattice cells along rows and columns, each at least 1.
    generator
        Where the gradients come from.

    Returns
    -------
    numpy.ndarray
        ``float32 [size, size]``; 0 on lattice points.
    """
    if size < 1 or min(cells) < 1:
        raise ValueError(f"size={size}, cells={cells}: expected at least 1 each")
    angles = generator.uniform(0, 2 * math.pi, (cells[0] + 1, cells[1] + 1))
    slopes = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    rows, columns = (np.arange(size) * count / size for count in cells)
    top, left = rows.astype(int), columns.astype(int)
    down = (rows - top).astype(np.float32)[:, None]
    right = (columns - left).astype(np.float32)[None, :]

    def ramp(row: int, column: int) -> np.ndarray:
        """Return the plane that belongs to one corner of every pixel's cell."""
        along, across = slopes[:, top + row].take(left + column, axis=2)
        return along * (down - row) + across * (right - column)

    fade_down, fade_right = (t**3 * (t * (6 * t - 15) + 10) for t in (down, right))
    upper = ramp(0, 0) * (1 - fade_right) + ramp(0, 1) * fade_right
    lower = ramp(1, 0) * (1 - fade_right) + ramp(1, 1) * fade_right
    return np.float32(math.sqrt(2)) * (upper * (1 - fade_down) + lower * fade_down)


def perlin_mask(
    size: int,
    generator: np.random.Generator,
    *,
    threshold: float = 0.5,
    scale_powers: tuple[int, int] = (0, 6),
) -> np.ndarray:
    """Draw a mask of blobs: gradient noise, turned by a random angle, above a threshold.

    Source: DRAEM's and GLASS's official code. Where turning brings in what lies outside the
    field, the mask is empty, as there.

    Parameters
    ----------
    size
        Side in pixels.
    generator
        Where all random numbers come from; the same state gives the same mask.
    threshold
        Noise above it is masked; 0.5 leaves a mask empty now and then.
    scale_powers
        The cells per axis are 2ᵏ, k uniform in [first, second), drawn per axis.

    Returns
    -------
    numpy.ndarray
        ``bool [size, size]``, possibly all False.
    """
    from PIL import Image

    powers = generator.integers(*scale_powers, size=2)
    field = perlin_noise(size, (2 ** int(powers[0]), 2 ** int(powers[1])), generator)
    angle = generator.uniform(-LARGEST_ANGLE, LARGEST_ANGLE)
    turned = Image.fromarray(field).rotate(angle, Image.Resampling.BILINEAR, fillcolor=0.0)
    return np.asarray(turned) > threshold
