"""Drawn textures: bands, checks, hatches, dots, cells and blotches in random colours."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .perlin import perlin_noise

GRAIN = 8.0  # grey levels, standard deviation of the noise that makes colours uneven


def draw_pattern(size: int, generator: np.random.Generator) -> np.ndarray:
    """Draw a texture of a random kind, period, direction and pair of colours.

    Parameters
    ----------
    size
        Side in pixels.
    generator
        Where all random numbers come from.

    Returns
    -------
    numpy.ndarray
        ``uint8 [size, size, 3]``.
    """
    kind = KINDS[generator.integers(len(KINDS))]
    u, v = _plane(size, generator)
    share = kind(u, v, generator)[..., None]
    first, second = generator.uniform(0, 255, (2, 3))
    pixels = first + (second - first) * share + generator.normal(0, GRAIN, (size, size, 1))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _plane(size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return two coordinates, ``[size, size]`` each, in periods: turned, shifted and bent."""
    angle, periods = generator.uniform(0, math.pi), 2 ** generator.uniform(1.5, 5)
    rows, columns = np.mgrid[:size, :size] / size
    u = math.cos(angle) * columns + math.sin(angle) * rows
    v = math.cos(angle) * rows - math.sin(angle) * columns
    bend = generator.uniform(0, 0.08)
    u = u + bend * perlin_noise(size, (4, 4), generator)
    v = v + bend * perlin_noise(size, (4, 4), generator)
    return periods * u + generator.random(), periods * v + generator.random()


def _wave(t: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.sin(2 * math.pi * t)


def _banded(u: np.ndarray, _v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return _wave(u) ** generator.uniform(0.5, 4)


def _chequered(u: np.ndarray, v: np.ndarray, _generator: np.random.Generator) -> np.ndarray:
    return np.mod(np.floor(u) + np.floor(v), 2)


def _hatched(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.maximum(_wave(u), _wave(v)) ** generator.uniform(2, 8)


def _dotted(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    radius = np.hypot(np.mod(u, 1) - 0.5, np.mod(v, 1) - 0.5)
    return (radius < generator.uniform(0.2, 0.45)).astype(float)


def _cellular(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the distance to the nearest of random points, as in cobbles or bubbles."""
    from scipy.spatial import KDTree

    span = max(np.ptp(u), np.ptp(v))
    low = np.array([u.min(), v.min()])
    points = low + span * generator.random((max(8, round(span**2)), 2))
    distance, _ = KDTree(points).query(np.stack([u, v], axis=-1))
    return np.clip(distance, 0, 1)


def _blotchy(u: np.ndarray, _v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    size, field = len(u), np.zeros_like(u)
    for octave in range(2, 7):
        cells = 2**octave
        field += perlin_noise(size, (cells, cells), generator) / 2 ** (octave / 2)
    return np.clip(0.5 + field, 0, 1)


Kind = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
KINDS: tuple[Kind, ...] = (_banded, _chequered, _hatched, _dotted, _cellular, _blotchy)
