"""Small multiples: one quantity over noise levels, a panel per category, methods in each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...tables.quantities import title
from ...tables.statistics.places import AVERAGE, Place
from .material import Material
from .series import curve, dots, level_axis, offset, points, ruled
from .style import canvas, finish, looks, percent_limits, proxy, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAGE_INCHES = 5.0


def why_not(material: Material) -> str:
    """Say why the figure cannot be drawn; empty where it can."""
    count = len(_panels(material))
    return "" if count > 1 else f"it needs results of two categories, there are {count}"


def alt(material: Material) -> str:
    """Say what the figure shows."""
    names = ", ".join(material.category_title(*key) for key in _panels(material))
    methods = ", ".join(method.title for method in material.model.methods)
    what = title(material.metric)
    return f"{what} over label noise for {methods}, a panel for each of {names}"


def draw(material: Material, width: float) -> Figure:
    """Draw the panels."""
    model, found = material.model, _panels(material)
    across = min(len(found), 2 if width < _PAGE_INCHES else 4)
    down = math.ceil(len(found) / across)
    figure = canvas(width, 0.35 + 1.3 * down)
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    levels = sorted({place.noise for places in found.values() for place in places})
    handles: dict[str, Any] = {}
    for axis, (key, places) in zip(axes.flat, found.items(), strict=False):
        titled(axis, material.category_title(*key), 24 if across > 2 else 28)
        _panel(axis, material, places, handles)
        if len(levels) > 1:
            level_axis(axis, levels)
        else:
            axis.set_xticks([])
        ruled(axis)
    one = f": {levels[0]:g}" if len(levels) == 1 else ""
    for axis in _lowest(axes, len(found)):
        axis.xaxis.set_tick_params(labelbottom=True)
        axis.set_xlabel(f"{model.level_title}{one}")
    percent_limits(axes.flat[0])
    what = title(material.metric)
    figure.supylabel(f"{what[:1].upper()}{what[1:]} (%)", fontsize=7.5)
    return finish(figure, handles, synthetic=model.synthetic)


def _panels(material: Material) -> dict[tuple[str, str], list[Place]]:
    """Return the places of each category that has a number, in the target's order."""
    found = material.statistics
    by_category: dict[tuple[str, str], list[Place]] = {}
    for place in found.places if found else ():
        if place.category != AVERAGE:
            by_category.setdefault((place.dataset, place.category), []).append(place)
    return {
        key: places
        for key, places in by_category.items()
        if any(place.mean is not None for place in places)
    }


def _panel(axis: Axes, material: Material, places: list[Place], handles: dict[str, Any]) -> None:
    look = looks(material.model)
    methods = list(dict.fromkeys(place.method for place in places))
    single = len({place.noise for place in places}) == 1
    for index, name in enumerate(methods):
        own = points([place for place in places if place.method == name])
        if single:
            dots(axis, own, look[name], [offset(index, len(methods))])
        else:
            curve(axis, own, look[name])
        line = {"linestyle": "none"} if single else {}
        handles.setdefault(material.model.method_title(name), proxy(**look[name].line, **line))
    if single:
        axis.set_xlim(-0.5, 0.5)


def _lowest(axes: Any, count: int) -> list[Axes]:
    """Hide the places after the last panel; return the lowest panel of each column."""
    for axis in list(axes.flat)[count:]:
        axis.set_visible(False)
    return list(axes.flat)[max(0, count - axes.shape[1]) : count]
