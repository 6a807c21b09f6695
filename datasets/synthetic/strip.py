"""The steel strip of KolektorSDD2's kind: grey, grainy, streaked along its length."""

from __future__ import annotations

import numpy as np

from .canvas import Array, Canvas, Picture, Pose, noise, over, ramp
from .change import Change
from .flaws import Overlay, colour, contamination, crack, hole, scratch
from .shapes import stroke


def strip(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a piece of rolled steel: matt grain, dark pits, long faint streaks, roller marks."""
    del change
    pose = Pose(angle=rng.normal(0, 0.01))
    u, _ = pose.inverse(on.x, on.y)
    level = rng.uniform(0.42, 0.58)
    shade = level + 0.025 * noise(rng, on, 1.2) + 0.035 * noise(rng, on, 90)
    shade += 0.03 * noise(rng, on, 40) + 0.018 * noise(rng, on, 70, 1.2)
    shade -= 0.10 * ramp(noise(rng, on, 38), 1.5, 2.4)
    shade += 0.015 * np.sin(u * rng.uniform(25, 40) + rng.uniform(0, 6)) * rng.uniform(0, 1)
    # A guide leaves its shadow on one side of many pieces.
    side = 1.0 if rng.random() < 0.5 else -1.0
    shade -= rng.uniform(0, 0.10) * ramp(side * u, 0.55, 1.1)
    rgb = np.clip(shade, 0, 1)[..., None] * (np.array([1.0, 1.0, 1.0]) + rng.normal(0, 0.004, 3))
    return Picture(np.clip(rgb, 0, 1), {"surface": np.ones((on.height, on.width), dtype=bool)})


def _roller_mark(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
    """Repeat a short mark along the strip, as a damaged roller does."""
    rgb = picture.rgb.copy()
    x, step = rng.uniform(-0.8, 0.8), rng.uniform(0.35, 0.7)
    top, bottom = float(on.y[0, 0]), float(on.y[-1, 0])
    alpha = np.zeros((on.height, on.width))
    for y in np.arange(top + rng.uniform(0, step), bottom, step):
        mark = np.array([(x, y), (x + 0.05 + 0.1 * severity, y + 0.02)])
        np.maximum(alpha, stroke(on, mark, 0.02 + 0.03 * severity), out=alpha)
    over(rgb, rgb * 0.6, alpha * (0.25 + 0.75 * severity))
    return rgb


STRIP_DEFECTS: dict[str, Overlay] = {
    "scratch": scratch(step=0.4, length=(0.3, 1.8), width=(0.012, 0.035)),
    "inclusion": contamination(
        colours=((0.16, 0.15, 0.15), (0.30, 0.22, 0.16)), radius=(0.03, 0.3)
    ),
    "spots": contamination(colours=(0.12, (0.8, 0.8, 0.8)), radius=(0.05, 0.25), grains=True),
    "stain": colour(steps=(-0.22, 0.22, (-0.05, -0.12, -0.2)), radius=(0.12, 0.5)),
    "crack": crack(length=(0.3, 1.5), width=(0.012, 0.04)),
    "pit": hole(radius=(0.03, 0.14)),
    "roller_mark": _roller_mark,
}
