"""The five textures: carpet, grid, leather, tile and wood."""

from __future__ import annotations

import numpy as np

from .canvas import Array, Canvas, Picture, cover, jitter, noise, over, ramp
from .change import Change


def _everywhere(on: Canvas) -> np.ndarray:
    return np.ones((on.height, on.width), dtype=bool)


def _tinted(brightness: Array, colour: tuple[float, float, float]) -> Array:
    return brightness[..., None] * np.asarray(colour)


def carpet(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw grey woven carpet: warp and weft threads over and under each other, with fibres."""
    del change  # every defect of a carpet lies on top or pushes threads about
    pose = jitter(rng, 1.0, 0.05, 0.04)
    u, v = pose.inverse(on.x, on.y)
    u, v = u + 0.012 * noise(rng, on, 5), v + 0.012 * noise(rng, on, 5)
    threads = 13.0
    column, row = np.floor(u * threads), np.floor(v * threads * 0.75)
    a, b = u * threads - column - 0.5, v * threads * 0.75 - row - 0.5
    # A 2/1 twill: the thread on top changes with the diagonal.
    weft = np.mod(column + row, 3) == 0
    across = np.where(weft, b, a)
    along = np.where(weft, a, b)
    relief = np.sqrt(np.clip(1 - (1.75 * across) ** 2, 0, 1)) * (1 - 1.1 * along**2)
    fibre = noise(rng, on, 90) + 0.7 * noise(rng, on, 40)
    tone = np.where(weft, rng.uniform(0.52, 0.58), rng.uniform(0.36, 0.41))
    shade = tone * (0.35 + 0.7 * relief) * (1 + 0.13 * fibre) + 0.02 * noise(rng, on, 3)
    return Picture(_tinted(shade, (1.0, 0.98, 0.95)), {"surface": _everywhere(on)})


def grid(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a woven wire mesh over a dark ground; one channel."""
    pose = jitter(rng, 0.3, 0.04, 0.03)
    u, v = pose.inverse(on.x, on.y)
    u, v = (u + v) * 0.7071 + 0.012 * noise(rng, on, 3), (u - v) * 0.7071
    v += 0.012 * noise(rng, on, 3)
    pitch, thick = 0.27, 0.052 * rng.uniform(0.94, 1.06)
    rgb = on.fill(0.16 * rng.uniform(0.9, 1.1))
    rgb += 0.025 * (noise(rng, on, 6) + 0.6 * noise(rng, on, 60))[..., None]
    gap = _gap(on, u, v, pitch, change)
    layers = []
    for along, across, first in ((u, v, 0.0), (v, u, 1.0)):
        index = np.floor(across / pitch)
        offset = across - (index + 0.5) * pitch
        wave = np.cos(np.pi * (along / pitch + index + first))
        flank = np.clip(1 - (offset / thick) ** 2, 0, 1)
        shade = (0.34 + 0.42 * np.sqrt(flank) + 0.09 * wave) * (1 + 0.05 * noise(rng, on, 70))
        layers.append((cover(np.abs(offset) - thick, on.px) * gap, wave, shade))
    (low, wave, shade), (high, _, other) = layers
    over(rgb, shade[..., None], low)
    over(rgb, other[..., None], high)
    over(rgb, shade[..., None], low * ramp(wave, -0.15, 0.15) * (high > 0))
    return Picture(rgb, {"surface": _everywhere(on), "wire": (low + high) > 0.5})


def _gap(on: Canvas, u: Array, v: Array, pitch: float, change: Change) -> Array:
    """Return where wires are left: 1, or 0 in the middle of a broken mesh."""
    if not change.is_("broken"):
        return np.ones_like(u)
    x, y = change.rng.uniform(-0.7, 0.7, 2)
    near = int(np.argmin((on.x - x) ** 2 + (on.y - y) ** 2))
    column, row = (np.floor(axis.flat[near] / pitch) + 0.5 for axis in (u, v))
    long = change.amount("broken", 0.12, 0.9) * pitch
    wide = 0.45 * pitch if change.severity < 0.75 else 1.2 * pitch
    if change.rng.random() < 0.5:
        long, wide = wide, long
    inside = np.maximum(np.abs(u - column * pitch) - long, np.abs(v - row * pitch) - wide)
    return 1 - cover(inside + 0.008 * noise(change.rng, on, 40), on.px)


def leather(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw brown pebbled leather: grains between the zero lines of two noise fields."""
    del change
    fine, coarse = noise(rng, on, 46), noise(rng, on, 33)
    crease = np.minimum(np.abs(fine), 1.25 * np.abs(coarse))
    pebble = 1 - np.exp(-((crease / 0.33) ** 2))
    # Light from the upper left: the slope of the pebbles makes them round.
    slope = np.zeros_like(pebble)
    slope[1:, 1:] = pebble[1:, 1:] - pebble[:-1, :-1]
    pores = ramp(noise(rng, on, 75), 1.6, 2.6)
    level = rng.uniform(0.9, 1.1) * (1 + 0.035 * noise(rng, on, 2.5))
    shade = level * (0.34 + 0.12 * pebble + 0.24 * slope / (on.px * 128) - 0.14 * pores)
    shade *= 1 + 0.045 * noise(rng, on, 100)
    rgb = _tinted(shade, (1.32, 0.86, 0.62))
    return Picture(np.clip(rgb, 0, 1), {"surface": _everywhere(on)})


def tile(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a granite tile: dark and mid-grey flecks of several sizes on a light ground."""
    del change
    shade = rng.uniform(0.70, 0.76) + 0.02 * noise(rng, on, 4) + 0.03 * noise(rng, on, 60)
    for cells, low, tone in ((24, 0.6, 0.52), (36, 0.85, 0.34), (56, 1.15, 0.16)):
        wobble = 0.35 * noise(rng, on, 2.7 * cells)
        fleck = ramp(noise(rng, on, cells) + wobble, low, low + 0.28)
        shade += fleck * (tone + 0.05 * noise(rng, on, 80) - shade) * 0.9
    tint = np.array([1.0, 0.99, 0.96]) + rng.normal(0, 0.006, 3)
    return Picture(np.clip(shade[..., None] * tint, 0, 1), {"surface": _everywhere(on)})


def wood(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw sawn wood: wavy growth rings along the height, pores and a slow drift of colour."""
    del change
    pose = jitter(rng, 0.0, 0.06, 0.1)
    u, v = pose.inverse(on.x, on.y)
    bend = 0.10 * noise(rng, on, 1.2, 0.5) + 0.035 * noise(rng, on, 5, 1.0)
    rings = (u + bend) * rng.uniform(11, 15) + 0.3 * v + rng.uniform(0, 10)
    wave = rings - np.floor(rings)
    late = wave**2.2 * ramp(1 - wave, 0.0, 0.16)  # slow to darken, quick to turn light again
    streaks = 0.55 * noise(rng, on, 60, 3) + 0.45 * noise(rng, on, 110, 7)
    pores = ramp(noise(rng, on, 95, 9), 1.5, 2.4)
    shade = 0.66 * rng.uniform(0.94, 1.06) * (1 + 0.03 * noise(rng, on, 2.0))
    shade = shade * (1 - 0.30 * late) * (1 + 0.055 * streaks) - 0.13 * pores
    # Late wood is redder: blue falls faster than red.
    tint = np.stack([shade * 1.08, shade * (0.80 - 0.06 * late), shade * (0.55 - 0.1 * late)], -1)
    return Picture(np.clip(tint, 0, 1), {"surface": _everywhere(on)})
