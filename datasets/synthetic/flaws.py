"""Defects that lie on a surface: painted over the nominal picture, wherever a zone allows.

Each function here makes an `Overlay` for the table of a category. An overlay gets the nominal
picture and returns the altered pixels; its severity in (0, 1] sets contrast and extent together
with a random share, so that of two equally severe defects one may be larger and the other darker.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from .canvas import Array, Canvas, Colour, Picture, noise, over, ramp
from .marks import Span, matched, shifted, spot_in, within
from .shapes import blob, curve, stroke

Overlay = Callable[[Canvas, Picture, np.random.Generator, float], Array]


def _wander(rng: np.random.Generator, start: tuple[float, float], length: float) -> Array:
    """Return the points of a crack: a walk that keeps its direction more or less."""
    steps = 12
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.45, steps))
    walk = np.stack([np.cos(heading), np.sin(heading)], axis=1) * (length / steps)
    walk = np.cumsum(walk, axis=0)
    return np.asarray(start) + walk - walk.mean(axis=0)


def _wander_join(root: Array, points: Array) -> Array:
    return points + (root - points[0])


def scratch(
    zone: str = "surface",
    *,
    step: Colour = 0.35,
    length: Span = (0.15, 0.7),
    width: Span = (0.008, 0.022),
) -> Overlay:
    """Make a scratch: a slightly bent line, tapered, lighter or darker by up to ``step``."""

    def paint(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
        x, y = spot_in(on, picture.zones[zone], rng)
        half, angle = within(length, severity, rng) / 2, rng.uniform(0, np.pi)
        along = np.array([np.cos(angle), np.sin(angle)]) * half
        bend = np.array([x, y]) + rng.normal(0, 0.15 * half, 2)
        points = curve((x - along[0], y - along[1]), bend, (x + along[0], y + along[1]))
        taper = np.sqrt(np.sin(np.linspace(0.15, np.pi - 0.15, len(points))))
        alpha = stroke(on, points, taper * within(width, severity, rng)) * picture.zones[zone]
        contrast = within((0.16, 1.0), severity, rng) * (1 if rng.random() < 0.75 else -0.8)
        return shifted(picture.rgb, np.asarray(step) * contrast, alpha)

    return paint


def crack(
    zone: str = "surface",
    *,
    colour: Colour = 0.05,
    length: Span = (0.2, 0.9),
    width: Span = (0.01, 0.03),
    rim: float = 0.06,
) -> Overlay:
    """Make a crack: a wandering dark line with one branch, and a lit rim beside it."""

    def paint(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
        reach = within(length, severity, rng)
        main = _wander(rng, spot_in(on, picture.zones[zone], rng), reach)
        fork = main[6] + (_wander(rng, (0.0, 0.0), reach / 3))
        wide = within(width, severity, rng) * np.linspace(1, 0.35, len(main))
        side = _wander_join(main[6], fork)
        line = np.maximum(stroke(on, main, wide), stroke(on, side, wide[6:].mean() * 0.6))
        lit = stroke(on, main + 0.8 * wide[:, None], wide)
        mask = picture.zones[zone]
        rgb = shifted(picture.rgb, rim * severity, lit * mask)
        over(rgb, matched(colour, rgb), line * mask * within((0.25, 1.0), severity, rng))
        return rgb

    return paint


def contamination(
    zone: str = "surface",
    *,
    colours: tuple[Colour, ...] = ((0.35, 0.3, 0.25),),
    radius: Span = (0.04, 0.16),
    grains: bool = False,
) -> Overlay:
    """Make foreign matter: an opaque mottled spot, or a handful of grains."""

    def paint(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
        x, y = spot_in(on, picture.zones[zone], rng)
        size = within(radius, severity, rng)
        colour = np.asarray(colours[int(rng.integers(len(colours)))])
        alpha = np.zeros((on.height, on.width))
        for _ in range(3 + int(9 * severity) if grains else 1):
            spread = rng.normal(0, size, 2) if grains else np.zeros(2)
            part = size * rng.uniform(0.15, 0.4) if grains else size
            piece = blob(rng, on, (x + spread[0], y + spread[1]), part, rough=0.2)
            np.maximum(alpha, piece, out=alpha)
        alpha *= picture.zones[zone] * within((0.3, 1.0), severity, rng)
        rgb = picture.rgb.copy()
        mottle = 1 + 0.18 * noise(rng, on, 30)[..., None]
        over(rgb, np.clip(matched(colour, rgb) * mottle, 0, 1), alpha)
        return rgb

    return paint


def hole(
    zone: str = "surface",
    *,
    colour: Colour = 0.03,
    radius: Span = (0.02, 0.09),
    rim: float = 0.25,
) -> Overlay:
    """Make a hole or a poke: a dark pit with a lit lower rim."""

    def paint(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
        at = spot_in(on, picture.zones[zone], rng)
        size = within(radius, severity, rng)
        state = rng.bit_generator.state
        edge = blob(rng, on, (at[0] + 0.2 * size, at[1] + 0.25 * size), size * 1.15, rough=0.08)
        rng.bit_generator.state = state  # the same outline again, smaller
        pit = blob(rng, on, at, size, rough=0.08, soft=0.5)
        strength = within((0.3, 1.0), severity, rng)
        mask = picture.zones[zone]
        rgb = shifted(picture.rgb, rim * strength, edge * mask)
        over(rgb, matched(colour, rgb), pit * mask * strength)
        return rgb

    return paint


def colour(
    zone: str = "surface",
    *,
    steps: tuple[Colour, ...] = ((0.3, -0.1, -0.15), (-0.2, -0.05, 0.3)),
    radius: Span = (0.06, 0.26),
) -> Overlay:
    """Make a discolouration: a soft-edged tint that leaves the texture visible."""

    def paint(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
        at = spot_in(on, picture.zones[zone], rng)
        step = np.asarray(steps[int(rng.integers(len(steps)))])
        alpha = blob(rng, on, at, within(radius, severity, rng), rough=0.22, soft=0.35)
        alpha *= picture.zones[zone] * np.clip(1 + 0.25 * noise(rng, on, 12), 0.3, 1.4)
        return shifted(picture.rgb, step * within((0.14, 1.0), severity, rng), alpha)

    return paint


def liquid(
    zone: str = "surface",
    *,
    radius: Span = (0.1, 0.32),
    gloss: float = 0.35,
    darken: float = 0.45,
) -> Overlay:
    """Make glue or oil: a film that darkens what it wets, smooths it and shines at one edge."""

    def paint(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
        at = spot_in(on, picture.zones[zone], rng)
        film = blob(rng, on, at, within(radius, severity, rng), rough=0.25, soft=0.12)
        film *= picture.zones[zone]
        strength = within((0.15, 1.0), severity, rng)
        sigma = 0.02 / on.px
        wet = ndimage.gaussian_filter(picture.rgb, (sigma, sigma, 0)) * (1 - darken * strength)
        rgb = picture.rgb.copy()
        over(rgb, wet, film * (0.35 + 0.65 * strength))
        thick = ndimage.gaussian_filter(film, sigma)
        lit = np.maximum(ndimage.sobel(thick, 0) + ndimage.sobel(thick, 1), 0)
        return shifted(rgb, gloss * strength, film * ramp(lit, 0.05, 1.2))

    return paint


def thread(
    zone: str = "surface",
    *,
    colours: tuple[Colour, ...] = (0.9, (0.75, 0.3, 0.25)),
    length: Span = (0.3, 1.1),
    width: Span = (0.012, 0.026),
) -> Overlay:
    """Make a loose thread or hair: a strongly bent line with a shadow."""

    def paint(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
        centre = np.array(spot_in(on, picture.zones[zone], rng))
        half, angle = within(length, severity, rng) / 2, rng.uniform(0, np.pi)
        along = np.array([np.cos(angle), np.sin(angle)]) * half
        bend = centre + np.array([-along[1], along[0]]) * rng.uniform(-1.6, 1.6)
        points = curve(centre - along, bend, centre + along, 18)
        wide = within(width, severity, rng)
        strength = within((0.25, 1.0), severity, rng)
        mask = picture.zones[zone]
        rgb = shifted(picture.rgb, -0.15 * strength, stroke(on, points + wide * 0.7, wide) * mask)
        tone = colours[int(rng.integers(len(colours)))]
        over(rgb, matched(tone, rgb), stroke(on, points, wide) * mask * strength)
        return rgb

    return paint


def fold(zone: str = "surface", *, depth: float = 0.4, length: Span = (0.5, 1.6)) -> Overlay:
    """Make a fold or dent: a ridge lit on one side and shaded on the other."""

    def paint(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
        x, y = spot_in(on, picture.zones[zone], rng)
        angle, half = rng.uniform(0, np.pi), within(length, severity, rng) / 2
        wide = rng.uniform(0.03, 0.07)
        along = (on.x - x) * np.cos(angle) + (on.y - y) * np.sin(angle)
        across = (on.y - y) * np.cos(angle) - (on.x - x) * np.sin(angle) - 0.4 * along**2
        flank = across / wide
        slope = flank * np.exp(0.5 - 0.5 * flank**2)
        alpha = slope * ramp(half - np.abs(along), 0, 0.3 * half) * picture.zones[zone]
        return shifted(picture.rgb, depth * within((0.12, 1.0), severity, rng), alpha)

    return paint


def push(
    zone: str = "surface",
    *,
    distance: Span = (0.015, 0.09),
    radius: Span = (0.12, 0.3),
) -> Overlay:
    """Make a deformation: pixels within a radius are pushed sideways, most in the middle."""

    def paint(on: Canvas, picture: Picture, rng: np.random.Generator, severity: float) -> Array:
        at = spot_in(on, picture.zones[zone], rng)
        reach, angle = within(radius, severity, rng), rng.uniform(0, 2 * np.pi)
        window = on.window(*at, reach)
        u, v = on.x[window] - at[0], on.y[window] - at[1]
        weight = np.clip(1 - (u**2 + v**2) / reach**2, 0, 1) ** 2
        weight *= within(distance, severity, rng) / on.px
        rows, columns = np.mgrid[window]
        source = [rows - weight * np.sin(angle), columns - weight * np.cos(angle)]
        rgb = picture.rgb.copy()
        for channel in range(rgb.shape[2]):
            rgb[window][..., channel] = ndimage.map_coordinates(
                picture.rgb[..., channel], source, order=1, mode="nearest"
            )
        return rgb

    return paint
