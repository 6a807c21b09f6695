"""The objects seen from the side: capsule, screw, toothbrush and zipper."""

from __future__ import annotations

import numpy as np

from .canvas import Array, Canvas, Picture, Pose, box, cover, jitter, noise, over, ramp
from .change import Change
from .shapes import stroke

_FIVE = ((0.10, -0.09), (0.0, -0.09), (0.0, -0.01), (0.06, -0.025), (0.1, 0.03), (0.06, 0.09))
_FIVE += ((0.0, 0.075),)
_TURN = np.linspace(0, 2 * np.pi, 9)
_ZERO = np.stack([0.055 + 0.05 * np.cos(_TURN), 0.085 * np.sin(_TURN)], axis=1)
_TUFT_COLUMNS = (-0.235, -0.08, 0.08, 0.235)
_TUFT_SPREAD = (0.68, 0.93, 1.0, 1.0, 0.93, 0.72)
_LOGO = np.stack([-0.52 + 0.08 * np.cos(_TURN[:7]), 0.10 + 0.05 * np.sin(_TURN[:7])], axis=1)


def capsule(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a capsule, black and orange, printed 500, on a light ground."""
    pose = jitter(rng, 0.03, 0.03, 0.012)
    u, v = pose.inverse(on.x, on.y)
    axis = np.sqrt(np.maximum(np.abs(u) - 0.56, 0) ** 2 + v**2)
    outline = axis - 0.29
    height = v / 0.29
    shade = 0.62 + 0.42 * np.sqrt(np.clip(1 - (axis / 0.3) ** 2, 0, 1)) - 0.10 * height
    shade *= 1 + 0.012 * noise(rng, on, 60)
    orange = shade[..., None] * np.array([0.72, 0.30, 0.20])
    body = shade[..., None] * np.array([0.10, 0.095, 0.10])
    over(body, orange, ramp(u + 0.02, -0.008, 0.008))
    turn = rng.uniform(-0.05, 0.03)  # the halves turn against each other: the print wanders
    shift = _misprint(change)
    for k, glyph in enumerate((_FIVE, _ZERO, _ZERO)):
        ink = 0.75 * _ink(change, k)
        points = pose.forward(np.asarray(glyph) + (0.12 + 0.14 * k, turn + 0.02) + shift[k])
        over(body, (0.90, 0.78, 0.72), ink * stroke(on, points, 0.03))
    logo = pose.forward(_LOGO + np.array([0.0, rng.uniform(-0.05, 0.12)]))
    over(body, 0.45, 0.8 * stroke(on, logo, 0.018))
    gloss = np.exp(-(((height + 0.58) / 0.13) ** 2)) * ramp(0.62 - np.abs(u), 0, 0.1)
    over(body, 0.95, 0.28 * gloss * (1 + 0.3 * noise(rng, on, 6)))
    rgb = on.fill((0.80, 0.795, 0.78)) + (0.008 * noise(rng, on, 3))[..., None]
    shadow = np.exp(-np.maximum(outline, 0) * 11) * ramp(v, -0.25, 0.3)
    over(rgb, (0.55, 0.44, 0.42), 0.4 * shadow)
    over(rgb, np.clip(body, 0, 1), cover(outline, on.px))
    inside = outline < -0.02
    return Picture(rgb, {"surface": inside, "orange": inside & (u > 0.05)})


def _misprint(change: Change) -> Array:
    """Return the displacement of the three digits, ``[3, 2]``."""
    if not change.is_("faulty_imprint"):
        return np.zeros((3, 2))
    return change.rng.normal(0, change.amount("faulty_imprint", 0.008, 0.05), (3, 2))


def _ink(change: Change, digit: int) -> float:
    """Return how much ink a digit gets: all, or less where the imprint is faulty."""
    if not change.is_("faulty_imprint") or digit != 1:
        return 1.0
    return 1.0 - 0.9 * change.severity


def screw(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a wood screw in any direction on a light ground; one channel."""
    pose = jitter(rng, 0.06, np.pi, 0.02)
    u, v = pose.inverse(on.x, on.y)
    phase = rng.uniform(0, 2 * np.pi)
    bent, end = _front(change)
    v = v - bent * ramp(u, 0.45, 0.95)
    tip = ramp(0.88 - u, 0.0, 0.26)
    on_thread = ramp(u, -0.10, 0.0)
    pitch = u * 48 + phase
    half = _profile(u) * (0.25 + 0.75 * tip) * (u < 0.88)
    ridge = np.maximum(np.cos(pitch - 1.3 * np.sign(v)), -0.3) * 0.045 * on_thread * tip
    ridge = ridge * _worn(u, v, change)
    half = np.maximum(half + ridge, 1e-6)
    outline = np.maximum(np.abs(v) - half, np.maximum(-0.86 - u, u - end))
    bulge = np.sqrt(np.clip(1 - (v / half) ** 2, 0, 1))
    # The lamp stays where it is while the screw turns: one flank is lit, depending on the pose.
    lit = np.sin(pose.angle - 0.6) * v / half
    grooves = on_thread * _worn(u, v, change) * np.cos(pitch - 9 * v)
    shade = 0.20 + 0.24 * bulge + 0.10 * lit + 0.13 * grooves + 0.015 * noise(rng, on, 50)
    shade += 0.10 * np.exp(-(((u + 0.83) / 0.02) ** 2)) + 0.012 * noise(rng, on, 9)
    ground = 0.73 - 0.05 * (on.x**2 + on.y**2) + 0.008 * noise(rng, on, 3)
    ground += 0.006 * noise(rng, on, 60)
    rgb = ground[..., None]
    over(rgb, 0.42, 0.35 * np.exp(-np.maximum(outline, 0) * 22))
    over(rgb, np.clip(shade, 0.02, 1)[..., None], cover(outline, on.px))
    metal = outline < -0.01
    zones = {"surface": metal, "head": metal & (u < -0.55)}
    zones |= {"neck": metal & (u > -0.55) & (u < -0.05), "thread": metal & (u > 0)}
    return Picture(rgb, zones)


def _front(change: Change) -> tuple[float, float]:
    """Return how far the tip is bent sideways and where the screw ends: bent or broken off."""
    if not change.is_("manipulated_front"):
        return 0.0, 0.88
    side = change.sign()
    if change.rng.random() < 0.5:
        return side * change.amount("manipulated_front", 0.04, 0.22), 0.88
    return 0.0, 0.88 - change.amount("manipulated_front", 0.05, 0.3)


def _profile(u: Array) -> Array:
    """Return the half width of a screw along its axis, without the thread."""
    return np.interp(
        u,
        [-0.86, -0.80, -0.56, -0.50, -0.05, 0.02, 0.9],
        [0.27, 0.26, 0.12, 0.11, 0.11, 0.085, 0.07],
    )


def _worn(u: Array, v: Array, change: Change) -> Array | float:
    """Return how much of the thread is left, by place."""
    if not change.is_("thread_side", "thread_top"):
        return 1.0
    at = change.rng.uniform(0.1, 0.55)
    reach = change.amount("thread_side", 0.07, 0.28) + change.amount("thread_top", 0.06, 0.2)
    left = 1 - ramp(reach - np.abs(u - at), 0.0, 0.03) * (0.55 + 0.45 * change.severity)
    if change.is_("thread_top"):
        return left
    side = change.sign()
    return np.where(side * v > 0, left, 1.0)


def toothbrush(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a toothbrush head from above: tufts in blue and white on a pale body."""
    pose = jitter(rng, 0.03, 0.025, 0.015)
    u, v = pose.inverse(on.x, on.y)
    head = (np.sqrt((u / 0.37) ** 2 + (np.abs(v + 0.02) / 0.90) ** 2.6) - 1) * 0.35
    outline = np.minimum(head, box(u, v - 0.98, 0.13, 0.3, 0.05))
    rgb = on.fill((0.055, 0.055, 0.075)) + (0.008 * np.abs(noise(rng, on, 10)))[..., None]
    rim = 0.80 - 0.25 * ramp(outline, -0.05, 0.0) + 0.02 * noise(rng, on, 8)
    over(rgb, rim[..., None] * np.array([0.97, 1.0, 0.98]), cover(outline, on.px))
    over(rgb, (0.62, 0.68, 0.74), 0.8 * cover(outline + 0.07, on.px))
    # Bristles: fine bright and dark lines, pushed apart from tuft to tuft.
    hair = noise(rng, on, 110) + 0.8 * noise(rng, on, 55)
    lost = change.pick("missing_tuft", 24)
    dyed = change.pick("wrong_tuft", 24)
    for k in range(24):
        row, column = divmod(k, 4)
        at = (_TUFT_COLUMNS[column] * _TUFT_SPREAD[row], -0.66 + 0.255 * row)
        place = pose.forward([at])[0] + rng.normal(0, 0.008, 2)
        tilt, blue = rng.normal(0, 0.012, 2), (row + column) % 2 == 0
        height = rng.uniform(0.9, 1.1)
        left = 1 - change.amount("missing_tuft", 0.35, 1.0) if k == lost else 1.0
        tone = np.array([0.13, 0.18, 0.42] if blue else [0.78, 0.85, 0.90])
        if k == dyed:
            tone = tone + change.amount("wrong_tuft", 0.12, 1.0) * np.array([0.45, -0.05, -0.3])
        window = on.window(place[0] + tilt[0], place[1] + tilt[1], 0.14)
        x, y = on.x[window] - place[0] - tilt[0], on.y[window] - place[1] - tilt[1]
        splay = 0.078 + 0.011 * hair[window]
        alpha = ramp(splay - np.sqrt(1.1 * x**2 + 0.55 * y**2), -0.01, 0.02) * left
        shade = height * (1 + 0.2 * hair[window])[..., None] * (0.95 - 1.2 * y[..., None])
        over(rgb[window], np.clip(tone * shade + 0.02 * hair[window][..., None], 0, 1), alpha)
    _bent_bristles(on, pose, rgb, change)
    return Picture(rgb, {"surface": outline < -0.03, "tufts": outline < -0.1})


def _bent_bristles(on: Canvas, pose: Pose, rgb: Array, change: Change) -> None:
    if not change.is_("bent_bristles"):
        return
    rng, side = change.rng, change.sign()
    root = np.array([side * 0.25, rng.uniform(-0.6, 0.5)])
    for _ in range(int(change.amount("bent_bristles", 2, 22))):
        start = root + rng.normal(0, 0.035, 2)
        reach = rng.uniform(0.08, 0.24) * (0.5 + 0.5 * change.severity)
        end = start + reach * np.array([side, rng.normal(0, 0.5)])
        bend = (start + end) / 2 + rng.normal(0, 0.03, 2)
        tone = np.array([0.30, 0.38, 0.62]) * rng.uniform(0.8, 1.4)
        over(rgb, tone, 0.85 * stroke(on, pose.forward([start, bend, end]), 0.012))


def zipper(on: Canvas, rng: np.random.Generator, change: Change) -> Picture:
    """Draw a closed zipper: two rows of interlocking teeth on dark fabric; one channel."""
    pose = jitter(rng, 0.03, 0.015, 0.02)
    u, v = pose.inverse(on.x, on.y)
    v = v + rng.uniform(0, 1)
    place = change.rng.uniform(0.55, 1.35)
    squeezed = change.amount("squeezed_teeth", 0.015, 0.075) * change.sign()
    v = v + squeezed * np.exp(-(((v - place) / 0.14) ** 2)) * (np.abs(u) < 0.3)
    split = change.amount("split_teeth", 0.015, 0.13) * np.exp(-(((v - place) / 0.3) ** 2))
    edge = 0.80 + 0.008 * noise(rng, on, 12)
    twill = 0.5 + 0.5 * np.cos((u * np.sign(u) + 0.8 * v) * 105)
    cloth = 0.19 + 0.075 * twill + 0.022 * noise(rng, on, 80) + 0.012 * noise(rng, on, 6)
    cloth += 0.06 * np.exp(-(((np.abs(u) - 0.40) / 0.02) ** 2)) * (1 + np.cos(v * 70))
    cloth *= 1 - 0.35 * ramp(0.34 - np.abs(u), 0, 0.1)
    rgb = (0.70 + 0.01 * noise(rng, on, 5))[..., None]
    over(rgb, cloth[..., None], cover(np.abs(u) - edge, on.px))
    over(rgb, 0.06, cover(np.abs(u) - split, on.px) * (split > 0.004))
    gloss = 0.03 * noise(rng, on, 30)
    pitch = 0.115
    for side in (-1.0, 1.0):
        t = v / pitch + (0.25 if side > 0 else -0.25)
        index = np.floor(t)
        across = side * u - split + 0.02 * np.sin(index * 12.9898) * 0.3
        along = (t - index - 0.5) * pitch
        tooth = box(across - 0.125, along, 0.165, 0.030, 0.026)
        knob = np.sqrt((across + 0.012) ** 2 + along**2) - 0.042
        shape = np.minimum(tooth, knob)
        keep = _teeth_left(across / 0.29, index, side, place / pitch, change)
        shade = 0.56 + 0.16 * ramp(-shape, 0, 0.03) - 3.2 * along + gloss
        over(rgb, 0.07, 0.6 * cover(shape - 0.012, on.px * 2) * keep)
        over(rgb, np.clip(shade, 0, 1)[..., None], cover(shape, on.px) * keep)
    cloth_zone = (np.abs(u) > 0.36) & (np.abs(u) < 0.76)
    border = (np.abs(u) > 0.66) & (np.abs(u) < 0.84)
    zones = {"surface": np.abs(u) < 0.78, "fabric": cloth_zone, "border": border}
    return Picture(np.clip(rgb, 0, 1), zones | {"teeth": np.abs(u) < 0.26})


def _teeth_left(
    along: Array, index: Array, side: float, place: float, change: Change
) -> Array | float:
    """Return the opacity of the teeth: broken ones end before their tip, or are gone.

    ``along`` runs from 0 at a tooth's tip to 1 at its root.
    """
    if not change.is_("broken_teeth"):
        return 1.0
    first = np.floor(place)
    hit = (index >= first) & (index <= first + np.floor(1.9 * change.severity)) & (side > 0)
    return np.where(hit, ramp(along - change.amount("broken_teeth", 0.0, 1.0), 0, 0.1), 1.0)
