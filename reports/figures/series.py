"""Means over noise levels as they are drawn in every figure: a curve, or a marker at one level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...tables.formatting import level
from ...tables.statistics.places import Place
from .style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Share of the space between two ticks that markers side by side take.
SPREAD = 0.7


@dataclass(frozen=True, slots=True)
class Point:
    """A mean at a level, and its interval where there is one; all in percent."""

    noise: float
    mean: float | None
    low: float | None = None
    high: float | None = None


def points(places: Sequence[Place]) -> list[Point]:
    """Return the means of places in percent, by level."""
    return [_point(place) for place in sorted(places, key=lambda place: place.noise)]


def _point(place: Place) -> Point:
    mean = None if place.mean is None else 100 * place.mean
    if mean is None or place.interval is None:
        return Point(place.noise, mean)
    return Point(place.noise, mean, 100 * place.interval.low, 100 * place.interval.high)


def curve(axis: Axes, found: Sequence[Point], look: Look) -> None:
    """Draw means over their levels with a band of intervals; a gap stays a gap."""
    gap = float("nan")
    levels = [point.noise for point in found]
    means = [gap if point.mean is None else point.mean for point in found]
    if not any(point.mean is not None for point in found):
        return
    style = "none" if len(found) == 1 else "solid"
    axis.plot(levels, means, linestyle=style, color=look.color, marker=look.marker)
    low = [gap if point.low is None else point.low for point in found]
    high = [gap if point.high is None else point.high for point in found]
    axis.fill_between(levels, low, high, color=look.color, alpha=0.18, linewidth=0)


def dots(axis: Axes, found: Sequence[Point], look: Look, x: Sequence[float]) -> None:
    """Draw means as markers at ``x``, each with its interval."""
    drawn = [(at, p) for at, p in zip(x, found, strict=True) if p.mean is not None]
    if not drawn:
        return
    means = [float(p.mean or 0.0) for _, p in drawn]
    axis.plot(
        [at for at, _ in drawn], means, linestyle="none", color=look.color, marker=look.marker
    )
    for at, point in drawn:
        if point.low is not None and point.high is not None:
            axis.vlines(at, point.low, point.high, color=look.color, linewidth=0.9)


def offset(index: int, count: int) -> float:
    """Return where marker ``index`` of ``count`` stands beside its tick, in ticks."""
    return SPREAD * ((index + 0.5) / count - 0.5)


def level_axis(axis: Axes, levels: Sequence[float]) -> None:
    """Put a tick on every level, and room around the outer ones for their markers."""
    first, last = min(levels, default=0.0), max(levels, default=0.0)
    margin = 0.05 * (last - first) or 1.0
    axis.set_xticks(levels, [level(noise) for noise in levels])
    axis.set_xlim(first - margin, last + margin)


def ruled(axis: Axes) -> None:
    """Rule an axis at its ticks, behind what is drawn."""
    axis.grid(axis="y")
    axis.set_axisbelow(True)
