"""A canvas in unit coordinates, with the few drawing tools that the painters share.

Coordinates are resolution free: the shorter side spans [-1, 1], x points right and y down. Shapes
are signed distance fields (negative inside) turned into anti-aliased coverage, so one scene keeps
its look at any size. All arithmetic is float64: elementary functions differ between processors in
the last bits only, far below the rounding to 8 bits, and so the bytes come out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[np.float64]
Zone = npt.NDArray[np.bool_]
Window = tuple[slice, slice]
Colour = float | Sequence[float]

# Mean of the squared cubic B-spline weights in one dimension (151/315); dividing a field by it
# gives unit variance in two.
_SPLINE_POWER = 151 / 315


@dataclass(frozen=True)
class Canvas:
    """A pixel grid in unit coordinates.

    Parameters
    ----------
    height, width
        Size in pixels.
    """

    height: int
    width: int

    @cached_property
    def px(self) -> float:
        """Side of a pixel in units."""
        return 2.0 / min(self.height, self.width)

    @cached_property
    def x(self) -> Array:
        """Abscissa of each pixel centre, ``[H, W]``, read-only."""
        return self._axis(self.width)[None, :].repeat(self.height, axis=0)

    @cached_property
    def y(self) -> Array:
        """Ordinate of each pixel centre, ``[H, W]``, read-only."""
        return self._axis(self.height)[:, None].repeat(self.width, axis=1)

    def _axis(self, count: int) -> Array:
        return np.arange(0.5 - count / 2, count / 2) * self.px

    def window(self, x: float, y: float, reach: float) -> Window:
        """Return the slices (rows, columns) of the square ``reach`` around (x, y), clipped."""
        return (
            _span(y, reach, self.px, self.height),
            _span(x, reach, self.px, self.width),
        )

    def fill(self, colour: Colour) -> Array:
        """Return ``[H, W, C]`` of one colour; a plain number gives a single channel."""
        tone = np.atleast_1d(np.asarray(colour, dtype=np.float64))
        return np.tile(tone, (self.height, self.width, 1))


def _span(centre: float, reach: float, px: float, count: int) -> slice:
    middle = centre / px + count / 2
    first = int(np.floor(middle - reach / px - 1))
    last = int(np.ceil(middle + reach / px + 1))
    return slice(min(max(first, 0), count), min(max(last, 0), count))


@lru_cache(maxsize=8)
def canvas(height: int, width: int) -> Canvas:
    """Return the canvas of a size; its coordinate arrays are kept between images."""
    made = Canvas(height, width)
    made.x.flags.writeable = False
    made.y.flags.writeable = False
    return made


@dataclass(frozen=True)
class Picture:
    """What a painter returns.

    Attributes
    ----------
    rgb
        ``float64 [H, W, C]`` in [0, 1], C = 1 or 3, before light, blur and noise.
    zones
        Named ``bool [H, W]`` regions that a surface defect may sit in; ``"surface"`` always exists.
    """

    rgb: Array
    zones: dict[str, Zone] = field(default_factory=dict)


@dataclass(frozen=True)
class Pose:
    """A similarity transform of an object in the picture.

    Attributes
    ----------
    dx, dy
        Position in units.
    angle
        Rotation in radians, clockwise on screen.
    scale
        Size factor.
    """

    dx: float = 0.0
    dy: float = 0.0
    angle: float = 0.0
    scale: float = 1.0

    def inverse(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Map canvas coordinates to object coordinates."""
        cos, sin = np.cos(self.angle) / self.scale, np.sin(self.angle) / self.scale
        left, up = x - self.dx, y - self.dy
        return cos * left + sin * up, cos * up - sin * left

    def forward(self, points: npt.ArrayLike) -> Array:
        """Map object points ``[n, 2]`` to canvas points."""
        cos, sin = np.cos(self.angle) * self.scale, np.sin(self.angle) * self.scale
        at = np.asarray(points, dtype=np.float64)
        x = cos * at[:, 0] - sin * at[:, 1] + self.dx
        y = sin * at[:, 0] + cos * at[:, 1] + self.dy
        return np.stack([x, y], axis=1)


def jitter(rng: np.random.Generator, shift: float, angle: float, scale: float) -> Pose:
    """Draw a pose: uniform within ± each bound (scale: 1 ± bound)."""
    dx, dy, turn, size = rng.uniform(-1, 1, 4)
    return Pose(dx * shift, dy * shift, turn * angle, 1 + size * scale)


@lru_cache(maxsize=128)
def _spline_basis(count: int, short: int, cells: float) -> sparse.csr_array:
    """Cubic B-spline weights ``[count, knots]`` with ``cells`` knot spans per ``short`` pixels.

    Sparse, four weights to a row: several times fewer operations than a dense product, summed in a
    fixed order, and no threads of a BLAS that would get into each other's way.
    """
    at = (np.arange(count) + 0.5) / short * cells
    first = np.floor(at).astype(int)
    t = at - first
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    )
    knots = (first[:, None] + np.arange(4)).ravel()
    starts = np.arange(0, 4 * count + 1, 4)
    shape = (count, _knots(count, short, cells))
    return sparse.csr_array((weights.ravel() / 6, knots, starts), shape)


def _knots(count: int, short: int, cells: float) -> int:
    # By the shape of the canvas only, not by its resolution: every size gets the same lattice.
    return int(np.ceil(count / short * cells)) + 3


def noise(rng: np.random.Generator, on: Canvas, across: float, down: float | None = None) -> Array:
    """Draw a smooth Gaussian field of unit variance.

    Parameters
    ----------
    rng
        Source of the lattice values; how many are drawn does not depend on the size of a square.
    on
        The canvas.
    across, down
        Lattice cells per short side, horizontally and vertically (default: the same).

    Returns
    -------
    Array
        ``[H, W]``.
    """
    short = min(on.height, on.width)
    rows = _spline_basis(on.height, short, down or across)
    columns = _spline_basis(on.width, short, across)
    lattice = rng.standard_normal(
        (_knots(on.height, short, down or across), _knots(on.width, short, across))
    )
    wide = columns @ np.ascontiguousarray((rows @ lattice).T)
    wide /= _SPLINE_POWER
    return np.ascontiguousarray(wide.T)


def cover(distance: Array, px: float) -> Array:
    """Turn a signed distance (negative inside) into anti-aliased coverage in [0, 1]."""
    return np.clip(0.5 - distance / px, 0.0, 1.0)


def ramp(value: Array, low: float, high: float) -> Array:
    """Smoothstep from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def box(u: Array, v: Array, half_u: float, half_v: float, corner: float = 0.0) -> Array:
    """Signed distance to a rounded box around the origin."""
    du, dv = np.abs(u) - (half_u - corner), np.abs(v) - (half_v - corner)
    outside = np.sqrt(np.maximum(du, 0) ** 2 + np.maximum(dv, 0) ** 2)
    return outside + np.minimum(np.maximum(du, dv), 0) - corner


def touched(alpha: Array) -> Window:
    """Return the smallest window that holds every non-zero value of ``alpha``."""
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def over(rgb: Array, colour: Array | Colour, alpha: Array) -> None:
    """Blend a colour (or an ``[H, W, C]`` layer) over ``rgb`` in place."""
    window, paint = touched(alpha), np.asarray(colour)
    if paint.ndim == 3:
        paint = paint[window]
    rgb[window] += alpha[window][..., None] * (paint - rgb[window])
