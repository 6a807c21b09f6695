"""From a painted scene to a photograph: light, lens and sensor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .canvas import Array, Canvas, Window, noise


@dataclass(frozen=True)
class Shot:
    """The conditions of one exposure, drawn once and shared by a scene with and without defect.

    Attributes
    ----------
    gain
        Light on each pixel and channel, ``[H, W, C]``, around 1.
    blur
        Weight of each neighbour in the three-tap lens blur.
    grain
        Standard normal sensor noise ``[H, W, C]``.
    read, shot
        Standard deviation of the noise in the dark, and what is added at full brightness.
    """

    gain: Array
    blur: float
    grain: Array
    read: float
    shot: float

    def crop(self, window: Window) -> Shot:
        """Return the conditions within a window."""
        return replace(self, gain=self.gain[window], grain=self.grain[window])


def expose(rng: np.random.Generator, on: Canvas, channels: int) -> Shot:
    """Draw the conditions of an exposure: lamp position, exposure, white balance, focus, noise."""
    exposure, slope_x, slope_y = 1 + 0.03 * rng.uniform(-1, 1), *rng.normal(0, 0.022, 2)
    lamp = exposure + slope_x * on.x + slope_y * on.y + 0.010 * noise(rng, on, 1.5)
    lamp -= 0.012 * (on.x**2 + on.y**2)
    balance = 1 + rng.normal(0, 0.006, 3)[:channels]
    blur = rng.uniform(0.10, 0.17)
    read, shot = 0.004 * rng.uniform(0.8, 1.2), 0.005 * rng.uniform(0.8, 1.2)
    grain = rng.standard_normal((on.height, on.width, channels), dtype=np.float32).astype(
        np.float64
    )
    return Shot(lamp[..., None] * balance, blur, grain, read, shot)


def project(rgb: Array, shot: Shot) -> Array:
    """Light and blur a scene; ``[H, W, C]`` in [0, 1], still without noise."""
    lit = rgb * shot.gain
    np.clip(lit, 0, 1, out=lit)
    for axis in (0, 1):
        share = shot.blur * lit
        lit *= 1 - 2 * shot.blur
        into, out = np.moveaxis(lit, axis, 0), np.moveaxis(share, axis, 0)
        into[1:] += out[:-1]
        into[:-1] += out[1:]
        into[0] += out[0]  # the picture's border is repeated outside
        into[-1] += out[-1]
    return lit


def sense(light: Array, shot: Shot) -> np.ndarray:
    """Add sensor noise and round to ``uint8 [H, W, 3]``; one channel is repeated."""
    noisy = np.sqrt(light)
    noisy *= shot.shot
    noisy += shot.read
    noisy *= shot.grain
    noisy += light
    noisy *= 255
    noisy += 0.5
    levels = np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
    return levels if levels.shape[2] == 3 else levels.repeat(3, axis=2)
