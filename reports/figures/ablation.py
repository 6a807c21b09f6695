"""Ablation: a method and its variants side by side at each noise level, with intervals."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ...tables.formatting import level
from ...tables.quantities import title
from ...tables.statistics.places import AVERAGE, Place
from .material import Material, averages
from .series import dots, offset, points, ruled
from .style import canvas, finish, looks, percent_limits, proxy, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAGE_INCHES = 5.0
_MOST_PANELS = 4


def why_not(material: Material) -> str:
    """Say why the figure cannot be drawn; empty where it can."""
    if not variants(material):
        return "it needs two variants of one method (name and name@variant)"
    if not _panels(material):
        return "no complete result of a method and a variant of it in one place"
    return ""


def alt(material: Material) -> str:
    """Say what the figure shows."""
    names = ", ".join(material.model.method_title(name) for name in variants(material))
    return f"{title(material.metric)} at each level of label noise for the variants {names}"


def variants(material: Material) -> tuple[str, ...]:
    """List the methods that ran with another variant of theirs, in the report's order."""
    names = [method.name for method in material.model.methods]
    count = Counter(name.partition("@")[0] for name in names)
    return tuple(name for name in names if count[name.partition("@")[0]] > 1)


def draw(material: Material, width: float) -> Figure:
    """Draw a panel per dataset, or per category where a dataset is not complete."""
    found = _panels(material)
    page = width >= _PAGE_INCHES
    across = min(len(found), 2) if page else 1
    down = -(-len(found) // across)
    figure = canvas(width, 2.1 * down)
    axes = figure.subplots(down, across, sharey=True, squeeze=False)
    handles: dict[str, Any] = {}
    for axis, (name, places) in zip(axes.flat, found.items(), strict=False):
        titled(axis, name, 40)
        _panel(axis, material, places, handles)
        axis.set_xlabel(material.model.level_title)
    for axis in list(axes.flat)[len(found) :]:
        axis.set_visible(False)
    percent_limits(axes.flat[0])
    what = title(material.metric)
    for axis in axes[:, 0]:
        axis.set_ylabel(f"{what[:1].upper()}{what[1:]} (%)")
    return finish(figure, handles, synthetic=material.model.synthetic)


def _panels(material: Material) -> dict[str, list[Place]]:
    """Return title → places of a panel: a dataset's average, else its categories one by one."""
    found, names = material.statistics, set(variants(material))
    panels: dict[str, list[Place]] = {}
    for dataset in material.datasets if found else ():
        assert found is not None
        own = [p for p in found.places if p.dataset == dataset and p.method in names]
        whole = averages(own, dataset)
        if _compared(whole):
            panels[material.dataset_title(dataset)] = whole
            continue
        for category in dict.fromkeys(p.category for p in own if p.category != AVERAGE):
            part = [place for place in own if place.category == category]
            if _compared(part) and len(panels) < _MOST_PANELS:
                title = material.category_title(dataset, category)
                if title in panels:  # another dataset has one of that name
                    title = f"{material.dataset_title(dataset)}, {title}"
                panels[title] = part
    return panels


def _compared(places: list[Place]) -> bool:
    return len({place.method for place in places if place.mean is not None}) > 1


def _panel(axis: Axes, material: Material, places: list[Place], handles: dict[str, Any]) -> None:
    look = looks(material.model)
    levels = sorted({place.noise for place in places})
    methods = list(dict.fromkeys(place.method for place in places))
    for index, name in enumerate(methods):
        own = points([place for place in places if place.method == name])
        at = [levels.index(point.noise) + offset(index, len(methods)) for point in own]
        dots(axis, own, look[name], at)
        label = material.model.method_title(name)
        handles.setdefault(label, proxy(**look[name].line, linestyle="none"))
    axis.set_xticks(range(len(levels)), [level(noise) for noise in levels])
    axis.set_xlim(-0.5, len(levels) - 0.5)
    for edge in range(1, len(levels)):
        axis.axvline(edge - 0.5, color="#c9cacb", linewidth=0.5)
    ruled(axis)
