"""Lines and spots on a canvas, as anti-aliased coverage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .canvas import Array, Canvas, cover, ramp


def curve(start: npt.ArrayLike, bend: npt.ArrayLike, end: npt.ArrayLike, count: int = 14) -> Array:
    """Return ``count`` points of a quadratic Bézier curve, ``[count, 2]``."""
    t = np.linspace(0, 1, count)[:, None]
    a, b, c = (np.asarray(p, dtype=np.float64) for p in (start, bend, end))
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c


def stroke(on: Canvas, points: Array, width: float | Array) -> Array:
    """Return the coverage ``[H, W]`` of a polyline.

    Parameters
    ----------
    on
        The canvas.
    points
        ``[n, 2]`` in canvas units.
    width
        Full width in units, one number or one per point. Below a pixel the coverage fades instead.
    """
    alpha = np.zeros((on.height, on.width))
    widths = np.broadcast_to(np.asarray(width, dtype=np.float64), (len(points),))
    for (ax, ay), (bx, by), wide in zip(points[:-1], points[1:], widths[:-1], strict=True):
        drawn = max(float(wide), on.px)
        half = max(abs(bx - ax), abs(by - ay)) / 2 + drawn
        rows, columns = on.window((ax + bx) / 2, (ay + by) / 2, half)
        px, py = on.x[rows, columns] - ax, on.y[rows, columns] - ay
        run = (bx - ax) ** 2 + (by - ay) ** 2 + 1e-18
        t = np.clip((px * (bx - ax) + py * (by - ay)) / run, 0, 1)
        away = np.sqrt((px - t * (bx - ax)) ** 2 + (py - t * (by - ay)) ** 2)
        piece = cover(away - drawn / 2, on.px) * min(1.0, float(wide) / on.px)
        np.maximum(alpha[rows, columns], piece, out=alpha[rows, columns])
    return alpha


def blob(
    rng: np.random.Generator,
    on: Canvas,
    at: tuple[float, float],
    radius: float,
    *,
    rough: float = 0.15,
    soft: float = 0.1,
) -> Array:
    """Return the coverage ``[H, W]`` of an irregular spot.

    Parameters
    ----------
    rng
        Draws the outline.
    on
        The canvas.
    at
        Centre (x, y).
    radius
        Mean radius in units.
    rough
        Relative amplitude of the outline's harmonics.
    soft
        Width of the soft edge relative to the radius.
    """
    amplitudes = rng.normal(0, rough, 5) / np.array([1, 1.3, 1.7, 2.2, 2.8])
    phases = rng.uniform(0, 2 * np.pi, 5)
    alpha = np.zeros((on.height, on.width))
    window = on.window(*at, radius * (1.3 + 3 * rough))
    u, v = on.x[window] - at[0], on.y[window] - at[1]
    theta = np.arctan2(v, u)
    limit = np.ones_like(theta)
    for k in range(5):
        limit += amplitudes[k] * np.cos((k + 2) * theta + phases[k])
    inside = radius * np.maximum(limit, 0.3) - np.sqrt(u**2 + v**2)
    alpha[window] = ramp(inside, -on.px / 2, soft * radius + on.px / 2)
    return alpha
