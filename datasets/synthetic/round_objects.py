"""The objects seen from above: bottle, hazelnut, metal nut and pill."""

from __future__ import annotations

import numpy as np

from .canvas import Array, Canvas, Picture, Pose, cover, jitter, noise, over, ramp
from .change import Change
from .shapes import curve, stroke

# Radius and colour of a bottle's rings, from the dark inside to the white ground.
_BOTTLE_RADII = (0.0, 0.45, 0.50, 0.53, 0.56, 0.62, 0.66, 0.69, 0.72, 0.76, 0.82, 0.88, 0.92, 0.96)
_BOTTLE_TONES = np.array(
    [
        (0.10, 0.09, 0.15),
        (0.07, 0.06, 0.10),
        (0.16, 0.13, 0.14),
        (0.08, 0.07, 0.09),
        (0.20, 0.22, 0.24),
        (0.12, 0.13, 0.16),
        (0.32, 0.35, 0.37),
        (0.14, 0.13, 0.16),
        (0.38, 0.26, 0.19),
        (0.15, 0.14, 0.19),
        (0.34, 0.34, 0.41),
        (0.17, 0.16, 0.22),
        (0.42, 0.42, 0.47),
        (0.22, 0.21, 0.26),
    ]
)


def bottle(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw the mouth of a brown bottle, lit from below: dark and bright rings on white."""
    pose = jitter(rng, 0.02, 0.15, 0.015)
    u, v = pose.inverse(on.x, on.y)
    u, v = u + 0.004 * noise(rng, on, 4), v + 0.004 * noise(rng, on, 4)
    radius, theta = np.sqrt(u**2 + v**2), np.arctan2(v, u)
    tones = _BOTTLE_TONES * rng.uniform(0.9, 1.1, (len(_BOTTLE_TONES), 1))
    rings = np.stack([np.interp(radius, _BOTTLE_RADII, tones[:, c]) for c in range(3)], axis=-1)
    # Reflexes: the lamp behind the glass shows amber on parts of two rings.
    arcs = 0.5 + 0.35 * np.sin(2 * theta + rng.uniform(1.2, 1.8)) + 0.25 * noise(rng, on, 7)
    amber = np.exp(-(((radius - 0.715) / 0.014) ** 2)) * np.clip(arcs, 0, 1)
    amber += 0.5 * np.exp(-(((radius - 0.535) / 0.01) ** 2)) * np.clip(1 - arcs, 0, 1)
    over(rings, (0.86, 0.5, 0.24), np.clip(amber, 0, 1) * 0.85)
    shine = np.exp(-(((radius - 0.83) / 0.02) ** 2)) * ramp(noise(rng, on, 5), 0.4, 2.0)
    over(rings, 0.75, 0.5 * shine)
    rings += (0.008 * noise(rng, on, 60))[..., None]
    rgb = on.fill((0.97, 0.97, 0.965))
    glass = _broken(on, pose, change, cover(radius - 0.94, on.px))
    over(rgb, rings, glass)
    zones = {
        "surface": radius < 0.92,
        "inside": radius < 0.42,
        "rim": (radius > 0.52) & (radius < 0.9),
    }
    return Picture(rgb, zones)


def _broken(on: Canvas, pose: Pose, change: Change, glass: Array) -> Array:
    """Return the coverage of the glass with splinters gone from its outer edge."""
    if not change.is_("broken_large", "broken_small"):
        return glass
    size = change.amount("broken_large", 0.16, 0.42) + change.amount("broken_small", 0.03, 0.11)
    angle = change.rng.uniform(0, 2 * np.pi)
    corners = np.sort(change.rng.uniform(0, 2 * np.pi, 6))
    at = pose.forward([(0.93 * np.cos(angle), 0.93 * np.sin(angle))])[0]
    u, v = on.x - at[0], on.y - at[1]
    # A convex chip: the deepest of six straight edges around it.
    edges = [np.cos(c) * u + np.sin(c) * v - size * change.rng.uniform(0.6, 1) for c in corners]
    return glass * (1 - cover(np.maximum.reduce(edges), on.px) * (0.35 + 0.6 * change.severity))


def hazelnut(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a hazelnut in any rotation: streaked brown shell, pale cap, dark ground."""
    del change
    base = jitter(rng, 0.04, np.pi, 0.05)
    u, v = base.inverse(on.x, on.y)
    egg = 1 + 0.10 * v + rng.uniform(-0.04, 0.04)
    radius = np.sqrt((u * egg / 0.69) ** 2 + (v / 0.76) ** 2)
    depth = np.sqrt(np.clip(1 - radius**2, 0.0, 1))
    longitude = np.arctan2(u * egg / 0.69, depth + 0.12)
    warp = 0.12 * noise(rng, on, 5)
    streak = np.zeros_like(u)
    for frequency in (7, 13, 22, 37):
        phase = rng.uniform(0, 2 * np.pi)
        streak += np.sin(frequency * (longitude + warp) + phase) / frequency**0.4
    shade = 0.30 + 0.075 * streak + 0.02 * noise(rng, on, 16) + 0.02 * noise(rng, on, 70)
    shell = shade[..., None] * np.array([1.55, 1.0, 0.62])
    edge = v + 0.05 * noise(rng, on, 9) - 0.5 - 0.10 * u**2
    pale = 0.66 + 0.05 * noise(rng, on, 40)
    over(shell, pale[..., None] * np.array([1.0, 0.84, 0.62]), ramp(edge, 0, 0.05) * 0.9)
    # Lamps hang above the picture, not above the nut: shading follows the canvas.
    light = 0.32 + 0.62 * depth - 0.16 * (on.x + on.y) * (1 - depth)
    rgb = on.fill((0.045, 0.045, 0.05)) + (0.006 * noise(rng, on, 20))[..., None]
    over(rgb, shell * light[..., None] * 1.25, cover((radius - 1) * 0.7, on.px))
    return Picture(np.clip(rgb, 0, 1), {"surface": radius < 0.86, "edge": radius < 0.97})


def metal_nut(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a stamped metal nut with four slanted lugs and a threaded hole."""
    pose = jitter(rng, 0.04, 0.5, 0.02)
    u, v = pose.inverse(on.x, on.y)
    mirrored = -1.0 if change.is_("flip") else 1.0
    radius, theta = np.sqrt(u**2 + v**2) + 1e-9, np.arctan2(mirrored * v, u)
    # The lugs lean to one side, so that the back of the part is not its front turned.
    lean = theta + 0.9 * np.clip(radius - 0.45, 0, 1)
    lobe = ramp(np.cos(4 * lean), -0.2, 0.45)
    bent = _bent_lug(lean, change)
    outline = (radius - 0.56 - lobe * (0.26 + bent)) * 0.75
    brushed = 0.6 * noise(rng, on, 4, 70) + 0.5 * noise(rng, on, 45)
    shade = 0.55 + 0.028 * brushed + 0.05 * noise(rng, on, 3)
    shade += 0.10 * np.cos(2 * theta + 2 * pose.angle + 0.8) * ramp(radius, 0.3, 0.5)
    shade -= 0.22 * ramp(outline, -0.07, -0.005) + 0.06 * lobe * ramp(radius, 0.56, 0.6)
    collar = np.exp(-(((radius - 0.40) / 0.02) ** 2)) - np.exp(-(((radius - 0.46) / 0.02) ** 2))
    shade += (0.10 if mirrored > 0 else -0.06) * collar
    bore = ramp(0.33 - radius, -on.px / 2, on.px / 2)
    turns = 0.20 + 0.10 * np.sin(radius * 190 + theta) * ramp(radius, 0.24, 0.28)
    shade += bore * (turns * ramp(radius, 0.22, 0.26) + 0.06 - shade)
    rgb = on.fill((0.17, 0.16, 0.155)) + (0.012 * noise(rng, on, 50))[..., None]
    metal = np.clip(shade[..., None] * np.array([1.0, 0.985, 0.95]), 0, 1)
    over(rgb, metal, cover(outline, on.px))
    return Picture(rgb, {"surface": (outline < -0.02) & (radius > 0.36), "part": outline < 0.03})


def _bent_lug(lean: Array, change: Change) -> Array:
    """Return by how much a lug is longer (or, bent up, shorter) than it should be."""
    lug = change.pick("bent", 4)
    if lug < 0:
        return np.zeros_like(lean)
    turn = np.mod(lean - lug * np.pi / 2 + np.pi, 2 * np.pi) - np.pi
    size = change.amount("bent", 0.03, 0.19) * (-1 if change.rng.random() < 0.7 else 0.6)
    return size * ramp(0.75 - np.abs(turn), 0, 0.15)


def pill(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a white oval pill with red specks and an embossed FF, on black."""
    pose = jitter(rng, 0.025, 0.05, 0.012)
    u, v = pose.inverse(on.x, on.y)
    radius = np.sqrt((u / 0.86) ** 2 + (v / 0.54) ** 2)
    dome = np.sqrt(np.clip(1 - radius**4, 0, 1))
    white = 0.52 + 0.30 * dome + 0.012 * noise(rng, on, 30) + 0.012 * noise(rng, on, 90)
    body = white[..., None] * np.array([0.98, 0.97, 0.95])
    if change.is_("pill_type"):
        body *= 1 - change.amount("pill_type", 0.06, 0.35) * np.array([0.1, 0.25, 1.0])
    specks = ramp(noise(rng, on, 52) + 0.2 * noise(rng, on, 13), 1.9, 2.4)
    over(body, (0.62, 0.20, 0.18), 0.65 * specks)
    for at in (-0.19, 0.05):
        _emboss(on, pose, body, _letter_f(at, change), 0.035)
    rgb = on.fill(0.02) + np.zeros(3)
    rgb += np.abs(0.004 * noise(rng, on, 20))[..., None]
    over(rgb, np.clip(body, 0, 1), cover((radius - 1) * 0.54, on.px))
    return Picture(rgb, {"surface": radius < 0.93, "edge": (radius > 0.72) & (radius < 0.98)})


def _letter_f(left: float, change: Change) -> list[Array]:
    """Return the strokes of an F; a faulty imprint shifts it and loses some of its strokes."""
    strokes = [
        curve((left, -0.17), (left, 0.0), (left, 0.17), 3),
        curve((left, -0.17), (left + 0.08, -0.17), (left + 0.15, -0.17), 3),
        curve((left, 0.0), (left + 0.06, 0.0), (left + 0.12, 0.0), 3),
    ]
    if not change.is_("faulty_imprint"):
        return strokes
    moved = change.rng.normal(0, change.amount("faulty_imprint", 0.02, 0.1), 2)
    lost = int(change.rng.integers(3)) if change.severity > 0.4 else -1
    return [piece + moved for k, piece in enumerate(strokes) if k != lost]


def _emboss(on: Canvas, pose: Pose, body: Array, strokes: list[Array], width: float) -> None:
    """Press strokes into a surface: shaded above, lit below."""
    for shift, tone, strength in ((-0.3, 0.1, 0.32), (0.4, 1.0, 0.55)):
        pressed = np.zeros((on.height, on.width))
        for piece in strokes:
            points = pose.forward(piece) + shift * width
            np.maximum(pressed, stroke(on, points, width * pose.scale), out=pressed)
        over(body, tone, strength * pressed)
