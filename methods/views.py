"""Views of an image: the rotations, flips and translations that flows train and score on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

__all__ = ["View", "apply_view", "bank", "rotate"]


@dataclass(frozen=True, slots=True)
class View:
    """One transform of an image, applied in the order flip, rotation, translation.

    Attributes
    ----------
    angle
        Degrees, counter-clockwise.
    flip
        Whether the image is mirrored left to right; with a rotation by 180° that is the other flip.
    shift
        Translation to the right and down, as fractions of the side.
    """

    angle: float = 0.0
    flip: bool = False
    shift: tuple[float, float] = (0.0, 0.0)

    def __str__(self) -> str:
        mirrored = "m" if self.flip else ""
        moved = "" if self.shift == (0.0, 0.0) else f"@{self.shift[0]:g},{self.shift[1]:g}"
        return f"{mirrored}{self.angle!r}{moved}"


def bank(count: int, *, flips: bool = False, shift: float = 0.0) -> tuple[View, ...]:
    """Return a fixed bank of views: rotations by i · 360° / count.

    Parameters
    ----------
    count
        Number of views.
    flips
        Mirror every second view.
    shift
        Move the views but the first by this fraction of the side, in eight directions in turn.
    """
    diagonal = shift / 2**0.5
    directions = (
        *((shift, 0.0), (diagonal, diagonal), (0.0, shift), (-diagonal, diagonal)),
        *((-shift, 0.0), (-diagonal, -diagonal), (0.0, -shift), (diagonal, -diagonal)),
    )
    return tuple(
        View(
            i * 360 / count,
            flips and i % 2 == 1,
            directions[(i - 1) % 8] if shift and i else (0.0, 0.0),
        )
        for i in range(count)
    )


def rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate ``uint8 [H, W, 3]`` counter-clockwise as DifferNet does: nearest, black corners."""
    if degrees % 360 == 0:
        return image
    return np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.NEAREST))


def apply_view(image: np.ndarray, view: View) -> np.ndarray:
    """Return the view of ``uint8 [H, W, 3]``; what moves in from outside is black."""
    seen = rotate(image[:, ::-1] if view.flip else image, view.angle)
    if view.shift == (0.0, 0.0):
        return np.ascontiguousarray(seen)
    height, width = seen.shape[:2]
    right, down = round(view.shift[0] * width), round(view.shift[1] * height)
    moved = np.zeros_like(seen)
    rows, columns = _overlap(down, height), _overlap(right, width)
    moved[rows[1], columns[1]] = seen[rows[0], columns[0]]
    return moved


def _overlap(offset: int, size: int) -> tuple[slice, slice]:
    """Return where a shifted axis is read and where it is written."""
    kept = max(0, size - abs(offset))
    if offset >= 0:
        return slice(0, kept), slice(size - kept, size)
    return slice(size - kept, size), slice(0, kept)
