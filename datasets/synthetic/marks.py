"""What the surface defects have in common: where they sit, how strong they are, how they tint."""

from __future__ import annotations

import numpy as np

from .canvas import Array, Canvas, Colour, Zone, touched

Span = tuple[float, float]


def within(span: Span, severity: float, rng: np.random.Generator) -> float:
    """Return a value of a span: three parts severity, one part chance."""
    return span[0] + (span[1] - span[0]) * (0.75 * severity + 0.25 * rng.random())


def spot_in(on: Canvas, zone: Zone, rng: np.random.Generator) -> tuple[float, float]:
    """Draw a point of a zone; a zone that misses the picture gives a point near its middle."""
    inside = np.flatnonzero(zone)
    if not inside.size:
        return float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.3, 0.3))
    row, column = divmod(int(inside[int(rng.random() * inside.size)]), on.width)
    return float(on.x[row, column]), float(on.y[row, column])


def shifted(rgb: Array, step: Array | Colour, alpha: Array) -> Array:
    """Return ``rgb`` plus a step in brightness (or colour) under ``alpha``."""
    tone = np.mean(step) if rgb.shape[2] == 1 else np.asarray(step)
    window, out = touched(alpha), rgb.copy()
    out[window] = np.clip(out[window] + alpha[window][..., None] * tone, 0, 1)
    return out


def matched(colour: Array | Colour, rgb: Array) -> Array:
    """Return a colour with as many channels as the picture."""
    tone = np.atleast_1d(np.asarray(colour, dtype=np.float64))
    return tone.mean(axis=-1, keepdims=True) if rgb.shape[2] == 1 else tone
