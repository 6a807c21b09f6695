"""The electrical objects: the cut face of a three-core cable, and a transistor on a board."""

from __future__ import annotations

import numpy as np

from .canvas import Array, Canvas, Picture, Pose, box, cover, jitter, noise, over, ramp
from .change import Change
from .shapes import curve, stroke

_CORE_COLOURS = np.array([(0.24, 0.52, 0.30), (0.22, 0.36, 0.66), (0.50, 0.47, 0.44)])
_CORE_ANGLES = (-0.5 * np.pi, np.pi / 6, 5 * np.pi / 6)


def cable(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a cut cable: a pale sheath around three coloured cores of copper strands."""
    pose = jitter(rng, 0.02, 0.06, 0.015)
    u, v = pose.inverse(on.x, on.y)
    u, v = u + 0.008 * noise(rng, on, 4), v + 0.008 * noise(rng, on, 4)
    radius = np.sqrt(u**2 + v**2)
    rgb = on.fill((0.40, 0.39, 0.37)) + (0.015 * noise(rng, on, 8))[..., None]
    sheath = 0.74 + 0.05 * np.cos(7 * radius) + 0.025 * noise(rng, on, 30)
    over(rgb, sheath[..., None] * np.array([1.0, 0.98, 0.93]), cover(radius - 0.90, on.px))
    cavity = 0.13 + 0.02 * noise(rng, on, 20)
    over(rgb, cavity[..., None] * np.array([1.0, 0.97, 0.9]), cover(radius - 0.775, on.px))
    grain = noise(rng, on, 35)
    colours = _cores(change)
    missing = change.pick("missing_cable", 3)
    bare = change.pick("missing_wire", 3)
    zones = {"surface": radius < 0.88, "sheath": (radius > 0.79) & (radius < 0.89)}
    zones["insulation"] = np.zeros_like(radius, dtype=bool)
    for k, angle in enumerate(_CORE_ANGLES):
        at = np.array([0.405 * np.cos(angle), 0.405 * np.sin(angle)]) + rng.normal(0, 0.008, 2)
        turn, light = rng.uniform(0, np.pi / 3), rng.uniform(0.93, 1.07)
        centre = pose.forward([at])[0]
        window = on.window(centre[0], centre[1], 0.42)
        x, y = u[window] - at[0], v[window] - at[1]
        away = np.sqrt(x**2 + y**2)
        zones["insulation"][window] |= (away > 0.26) & (away < 0.35)
        if k == missing:
            continue
        tint = (light + 0.05 * grain[window]) * (1.1 - 0.5 * ramp(away, 0.30, 0.36))
        over(rgb[window], tint[..., None] * colours[k], cover(away - 0.36, on.px))
        strands = _strands(x, y, turn)
        if k == bare:
            strands = strands * (1 - _lost_strands(x, y, change))
        copper = (0.22 + 0.62 * strands * light + 0.04 * grain[window])[..., None]
        over(rgb[window], copper * np.array([1.0, 0.74, 0.52]), cover(away - 0.245, on.px))
    _loose_wire(on, pose, rgb, change)
    return Picture(np.clip(rgb, 0, 1), zones)


def _cores(change: Change) -> Array:
    """Return the colours of the cores: two of them change places, or one is of another kind."""
    if not change.is_("cable_swap"):
        return _CORE_COLOURS
    first = int(change.rng.integers(3))
    swapped = _CORE_COLOURS.copy()
    other = _CORE_COLOURS[(first + 1) % 3]
    swapped[first] += (other - swapped[first]) * change.amount("cable_swap", 0.15, 1.0)
    return swapped


def _strands(x: Array, y: Array, turn: float) -> Array:
    """Return the brightness of hexagonally packed strands, 0 between them and 1 on top."""
    waves = np.zeros_like(x)
    for k in range(3):
        angle = turn + k * np.pi / 3
        waves += np.cos((np.cos(angle) * x + np.sin(angle) * y) * 75)
    return np.clip((waves + 1.5) / 4.2, 0, 1)


def _lost_strands(x: Array, y: Array, change: Change) -> Array:
    at = change.rng.uniform(-0.11, 0.11, 2)
    size = change.amount("missing_wire", 0.035, 0.10)
    return ramp(size - np.sqrt((x - at[0]) ** 2 + (y - at[1]) ** 2), -0.01, 0.02)


def _loose_wire(on: Canvas, pose: Pose, rgb: Array, change: Change) -> None:
    """Bend a strand out of its core, over the insulation."""
    if not change.is_("bent_wire"):
        return
    angle = _CORE_ANGLES[int(change.rng.integers(3))]
    core = np.array([np.cos(angle), np.sin(angle)]) * 0.405
    heading = change.rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(heading), np.sin(heading)])
    length = change.amount("bent_wire", 0.06, 0.22)
    start, end = core + 0.19 * along, core + (0.22 + length) * along
    bend = (start + end) / 2 + change.rng.normal(0, 0.05, 2)
    points = pose.forward(curve(start, bend, end))
    wide = 0.02 + 0.035 * change.severity
    over(rgb, 0.08, 0.5 * change.severity * stroke(on, points + 0.012, wide))
    over(rgb, (0.86, 0.62, 0.42), (0.5 + 0.5 * change.severity) * stroke(on, points, wide))


def transistor(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a transistor: black case, three leads down into a perforated board."""
    board = jitter(rng, 0.02, 0.01, 0.01)
    rgb, pitch = _board(on, board, rng), 0.2
    pose = jitter(rng, 0.02, 0.03, 0.01)
    pose = _misplaced(pose, change)
    u, v = pose.inverse(on.x, on.y)
    bent, cut = change.pick("bent_lead", 3), change.pick("cut_lead", 3)
    slant = change.amount("bent_lead", 0.025, 0.16) * change.sign()
    short = change.amount("cut_lead", 0.06, 0.55)
    brushed = noise(rng, on, 50)
    for k in range(3):
        off = (k - 1) * pitch + rng.normal(0, 0.008)
        end = 0.66 - (short if k == cut else 0.0)
        down = ramp(v, 0.05, 0.62)
        side = u - off - (slant * down if k == bent else 0.0)
        lead = np.maximum(np.abs(side) - 0.034, np.maximum(-v, v - end))
        shade = 0.66 - 3.5 * side + 0.03 * brushed
        over(rgb, 0.10, 0.35 * cover(lead - 0.02, 4 * on.px))
        over(rgb, np.clip(shade, 0, 1)[..., None] * np.array([1.0, 0.98, 0.94]), cover(lead, on.px))
    case = box(u, v + 0.27, 0.36, 0.34, 0.04)
    top = v + 0.27 + 0.34 - 0.06 * ramp(np.abs(u), 0.2, 0.36)
    case = np.maximum(case, -top)
    shade = 0.115 + 0.05 * ramp(-case, 0.03, 0.05) + 0.012 * noise(rng, on, 70)
    shade += 0.03 * ramp(-v, 0.0, 0.6) + 0.006 * noise(rng, on, 6)
    over(rgb, 0.05, 0.5 * cover(case - 0.03, 6 * on.px))
    over(rgb, shade[..., None] * np.array([1.0, 1.0, 1.04]), cover(case, on.px))
    _print(on, pose, rgb)
    inside = case < -0.02
    zones = {"surface": inside, "edge": (case < -0.005) & (case > -0.10)}
    return Picture(np.clip(rgb, 0, 1), zones)


def _board(on: Canvas, pose: Pose, rng: np.random.Generator) -> Array:
    """Draw the board: brown laminate with rows of copper rings around dark holes."""
    u, v = pose.inverse(on.x, on.y)
    base = 0.50 + 0.03 * noise(rng, on, 4) + 0.025 * noise(rng, on, 8, 80)
    rgb = base[..., None] * np.array([1.0, 0.72, 0.46])
    pitch = 0.2
    x, y = u / pitch + 0.5, v / pitch + 0.3
    away = np.sqrt((x - np.floor(x) - 0.5) ** 2 + (y - np.floor(y) - 0.5) ** 2) * pitch
    ring = 0.66 + 0.06 * noise(rng, on, 30)
    over(rgb, ring[..., None] * np.array([1.0, 0.80, 0.55]), cover(away - 0.066, on.px))
    over(rgb, (0.10, 0.08, 0.07), cover(away - 0.036, on.px))
    return np.clip(rgb, 0, 1)


def _misplaced(pose: Pose, change: Change) -> Pose:
    """Return the pose of the part: turned and shifted where it is misplaced."""
    if not change.is_("misplaced"):
        return pose
    turn = change.amount("misplaced", 0.05, 0.55) * change.sign()
    dx, dy = change.rng.normal(0, change.amount("misplaced", 0.02, 0.16), 2)
    return Pose(pose.dx + dx, pose.dy + dy, pose.angle + turn, pose.scale)


def _print(on: Canvas, pose: Pose, rgb: Array) -> None:
    """Print two short lines of type on the case."""
    ink = np.zeros((on.height, on.width))
    for row, marks in ((-0.36, "1101011"), (-0.22, "101101")):
        for k, mark in enumerate(marks):
            left = -0.22 + 0.066 * k
            glyph = [(left, row - 0.035), (left, row + 0.035)]
            if mark == "1":
                glyph += [(left + 0.035, row + 0.035)]
            np.maximum(ink, stroke(on, pose.forward(glyph), 0.014), out=ink)
    over(rgb, 0.42, 0.7 * ink)
