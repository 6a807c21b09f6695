"""Draw one image: paint the scene, alter it, photograph both, keep what really changed.

The same scene is photographed twice under the same light and the same sensor noise, with and
without its defect. The mask is what the two photographs disagree on, so it is exact by
construction; faint skirts below one grey level and single stray pixels are put back to nominal.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from ..errors import DataError, UnknownNameError
from ..seeds import derive_seed
from .canvas import Array, Canvas, Window, canvas, touched
from .change import NOTHING, Change
from .flaws import Overlay
from .photo import Shot, expose, project, sense
from .strip import STRIP_DEFECTS, strip
from .table import RECIPES, Painter

CATEGORIES: tuple[str, ...] = tuple(RECIPES)
STRIP = "strip"
SMALLEST = 48

_ONE_LEVEL = 1 / 255
_SPECK = 3  # altered pixels in a group of fewer than this are put back
_TRIES = 12
_WHOLE_PART = 0.5  # more than this share of the picture is never altered


def defects(category: str) -> tuple[str, ...]:
    """Return the names of the defects that a category can have.

    Raises
    ------
    UnknownNameError
        No such category.
    """
    if category not in RECIPES:
        raise UnknownNameError("synthetic category", category, CATEGORIES)
    return tuple(RECIPES[category].defects)


def draw(
    category: str, index: int, *, defect: str | None, size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image of a category; a pure function of its arguments.

    Parameters
    ----------
    category
        One of `CATEGORIES`.
    index
        Which image: pose, texture, light and noise follow from it, whatever the defect.
    defect
        One of ``defects(category)``, or None for a nominal image.
    size
        Side in pixels, at least `SMALLEST`.
    seed
        Seed of the whole dataset.

    Returns
    -------
    image
        ``uint8 [size, size, 3]``; grid, screw and zipper are grey, with three equal channels.
    mask
        ``uint8 [size, size]``, 1 exactly where the image differs from the same one without the
        defect; all zero for a nominal image.

    Raises
    ------
    UnknownNameError
        No such category or defect.
    DataError
        The size is too small.
    """
    known = defects(category)
    if defect is not None and defect not in known:
        raise UnknownNameError(f"defect of {category}", defect, known)
    recipe = RECIPES[category]
    return _photograph(
        recipe.paint, recipe.defects, (category, index, seed), defect, _checked(size, size)
    )


def draw_strip(
    index: int, *, defective: bool, height: int, width: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one piece of steel strip; a pure function of its arguments.

    Parameters
    ----------
    index
        Which image.
    defective
        Whether it has a defect; the kind is drawn from the index.
    height, width
        In pixels, at least `SMALLEST`.
    seed
        Seed of the whole dataset.

    Returns
    -------
    image
        ``uint8 [height, width, 3]``.
    mask
        ``uint8 [height, width]`` in {0, 1}, as of `draw`.

    Raises
    ------
    DataError
        The size is too small.
    """
    kinds = tuple(STRIP_DEFECTS)
    kind = kinds[derive_seed("synthetic-kind", STRIP, index, seed) % len(kinds)]
    return _photograph(
        strip,
        STRIP_DEFECTS,
        (STRIP, index, seed),
        kind if defective else None,
        _checked(height, width),
    )


def _checked(height: int, width: int) -> Canvas:
    if min(height, width) < SMALLEST:
        raise DataError(
            f"synthetic images of {height}×{width} pixels are too small:"
            f" ask for at least {SMALLEST} on each side"
        )
    return canvas(height, width)


def _photograph(
    paint: Painter,
    table: Mapping[str, Overlay | None],
    axes: tuple[str, int, int],
    defect: str | None,
    on: Canvas,
) -> tuple[np.ndarray, np.ndarray]:
    picture = paint(on, _stream("scene", *axes), NOTHING)
    shot = expose(_stream("shot", *axes), on, picture.rgb.shape[2])
    nominal = sense(project(picture.rgb, shot), shot)
    if defect is None:
        return nominal, np.zeros((on.height, on.width), dtype=np.uint8)
    for attempt in range(_TRIES):
        rng = _stream("defect", *axes, defect, attempt)
        # Towards the obvious with each try: the faintest draws may fall below one grey level.
        severity = min(1.0, 0.1 + 0.9 * rng.random() + 0.08 * attempt)
        overlay = table[defect]
        if overlay is None:
            altered = paint(on, _stream("scene", *axes), Change(defect, severity, rng)).rgb
        else:
            altered = overlay(on, picture, rng, severity)
        image, mask = _keep_changes(nominal, picture.rgb, altered, shot)
        if _smallest_area(on) <= mask.sum() <= _WHOLE_PART * mask.size:
            return image, mask
    raise RuntimeError(f"no visible {defect} in {_TRIES} tries for {axes} at {mask.shape}")


def _stream(purpose: str, *axes: str | int) -> np.random.Generator:
    # PCG64 by name: default_rng may choose another generator in a later NumPy.
    return np.random.Generator(np.random.PCG64(derive_seed(f"synthetic-{purpose}", *axes)))


def _smallest_area(on: Canvas) -> float:
    return max(6.0, 0.0004 * on.height * on.width)


def _keep_changes(
    nominal: np.ndarray, before: Array, after: Array, shot: Shot
) -> tuple[np.ndarray, np.ndarray]:
    """Return the photograph of the scene ``after``, and the mask of where it differs."""
    image, mask = nominal.copy(), np.zeros(nominal.shape[:2], dtype=np.uint8)
    # Two pixels around the changed ones: what the lens spreads, and one that it leaves alone.
    window = _grown(touched(np.abs(after - before).max(axis=2)), 2)
    conditions = shot.crop(window)
    light = project(after[window], conditions)
    changed = np.abs(light - project(before[window], conditions)).max(axis=2) >= _ONE_LEVEL
    photo = sense(light, conditions)
    changed &= (photo != nominal[window]).any(axis=2)
    groups = np.zeros(changed.shape, dtype=np.int32)
    ndimage.label(changed, structure=np.ones((3, 3)), output=groups)
    changed &= np.bincount(groups.ravel(), minlength=1)[groups] >= _SPECK
    image[window][changed] = photo[changed]
    mask[window] = changed
    return image, mask


def _grown(window: Window, margin: int) -> Window:
    rows, columns = (slice(max(s.start - margin, 0), s.stop + margin) for s in window)
    return rows, columns
