"""Noise robustness: a panel per dataset, a colour and marker per method.

Where a table has two quantities the first is solid, the second dashed. A run of one level has no
curve: there the quantities stand side by side, a marker with its interval per method.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...tables.formatting import level
from ...tables.model import Entry, TableModel
from ...tables.quantities import title
from ...tables.statistics.intervals import mean_interval, of_fraction
from ...tables.statistics.summary import has_statistics
from ..curves import Curve, Panel, panels
from ..escape import one_line
from .material import Material
from .series import level_axis, offset, ruled
from .style import (
    DASHES,
    INK,
    REPORTED,
    canvas,
    finish,
    look_of,
    percent_limits,
    proxy,
    titled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HOLLOW = "hollow: as the paper reports"
_PAGE_INCHES = 5.0
_EMPTY = "nothing to draw:\nno complete result in this row"


def why_not(material: Material) -> str:
    """Say why the figure cannot be drawn; empty where it can."""
    return "" if panels(material.model) else "the table's columns are no noise levels"


def alt(material: Material) -> str:
    """Say what the figure shows."""
    model = material.model
    names = ", ".join(method.title for method in model.methods)
    metrics = " and ".join(title(name) for name in model.metrics)
    return f"{metrics} over label noise for {names}"


def draw(material: Material, width: float) -> Figure:
    """Draw the panels."""
    model = material.model
    shown = panels(model)
    across = min(len(shown), 1 if width < _PAGE_INCHES else 3) or 1
    down = max(1, math.ceil(len(shown) / across))
    each = 2.5 if across == 1 else 2.2
    figure = canvas(width, each * down)
    axes = figure.subplots(down, across, sharey=True, squeeze=False)
    handles: dict[str, Any] = {}
    single = len(_levels(model)) == 1
    for axis, panel in zip(axes.flat, shown, strict=False):
        (_single if single else _panel)(axis, model, panel, handles)
        if panel.empty:
            axis.text(0.5, 0.5, _EMPTY, ha="center", va="center", transform=axis.transAxes)
    for axis in list(axes.flat)[len(shown) :]:
        axis.set_visible(False)
    first = axes.flat[0]
    if any(not panel.empty or _any_reported(panel) for panel in shown):
        percent_limits(first)
    else:
        first.set_ylim(0, 100)
    if not single and (len(model.metrics) > 1 or model.target.layout.block_per_method):
        for metric, dash in zip(model.metrics, DASHES, strict=False):
            handles[title(metric)] = proxy(color=INK, linestyle=dash)
    # What is hollow is explained once, after the methods.
    if _HOLLOW in handles:
        handles[_HOLLOW] = handles.pop(_HOLLOW)
    for axis in axes[:, 0]:
        axis.set_ylabel(_y_label(model, single=single))
    return finish(figure, handles, synthetic=model.synthetic)


def _y_label(model: TableModel, *, single: bool) -> str:
    if single or model.target.layout.block_per_method:
        return "Percent"
    names = " / ".join(title(name) for name in model.metrics)
    return f"{names[:1].upper()}{names[1:]} (%)"


def _any_reported(panel: Panel) -> bool:
    return any(curve.reported for curve in (*panel.curves, *panel.paper))


def _levels(model: TableModel) -> list[float]:
    return [line.at.noise or 0.0 for line in model.columns]


def _panel(axis: Axes, model: TableModel, panel: Panel, handles: dict[str, Any]) -> None:
    titled(axis, panel.title)
    axis.set_xlabel(model.level_title)
    ruled(axis)
    for curve in panel.curves:
        _achieved(axis, curve, handles)
        _hollow(axis, model, curve, handles)
    for curve in () if panel.empty else panel.paper:
        _paper(axis, curve, handles)
    level_axis(axis, _levels(model))


def _achieved(axis: Axes, curve: Curve, handles: dict[str, Any]) -> None:
    look = look_of(curve.color).line
    # What is only reported is hollow in the legend, too.
    if curve.empty and curve.reported:
        handles.setdefault(one_line(curve.title), proxy(**_hollow_look(curve)))
    else:
        handles.setdefault(one_line(curve.title), proxy(**look))
    # A gap stays a gap: a level without a result breaks the line.
    levels, means, bands = [], [], []
    for noise, entry in curve.entries:
        levels.append(noise)
        means.append(_mean(entry))
        bands.append(band(entry))
    if all(map(math.isnan, means)):
        return
    axis.plot(levels, means, linestyle=DASHES[curve.dash % len(DASHES)], **look)
    low, high = zip(*bands, strict=True)
    axis.fill_between(levels, low, high, color=look["color"], alpha=0.18, linewidth=0)


def _mean(entry: Entry) -> float:
    found = entry.outcome.estimate
    return 100 * float(found.mean) if found else float("nan")


def band(entry: Entry) -> tuple[float, float]:
    """Return the 95 % interval of a mean over seeds in percent, cut at 0 and 100; NaN for none."""
    found = entry.outcome.estimate
    if found is None or found.sd is None or not has_statistics(entry.metric):
        return float("nan"), float("nan")
    interval = of_fraction(mean_interval(float(found.mean), found.sd, found.n))
    return 100 * interval.low, 100 * interval.high


def _hollow(axis: Axes, model: TableModel, curve: Curve, handles: dict[str, Any]) -> None:
    """Hollow markers where the paper states a number of this very method."""
    if not curve.reported:
        return
    look = _hollow_look(curve)
    points = [(noise, float(number.value)) for noise, number in curve.reported]
    if len(points) > 2:
        # Two end points say nothing of the way between them.
        axis.plot(
            *zip(*points, strict=True), color=look["color"], linestyle=DASHES[2], linewidth=0.8
        )
    axis.plot(*zip(*points, strict=True), **look)
    _explain_hollow(model, curve, handles)


def _hollow_look(curve: Curve) -> dict[str, Any]:
    look = look_of(curve.color).line
    return look | {"linestyle": "none", "markerfacecolor": "none", "markersize": 6}


def _explain_hollow(model: TableModel, curve: Curve, handles: dict[str, Any]) -> None:
    look = _hollow_look(curve)
    if model.target.layout.block_per_method:
        handles.setdefault(f"{one_line(curve.title)}, as reported", proxy(**look))
    else:
        handles[_HOLLOW] = proxy(**look | {"color": INK, "marker": "o"})


def _paper(axis: Axes, curve: Curve, handles: dict[str, Any]) -> None:
    look: dict[str, Any] = {"color": REPORTED, "marker": "x", "linewidth": 0.9, "alpha": 0.9}
    points = [(noise, float(number.value)) for noise, number in curve.reported]
    if points:
        axis.plot(*zip(*points, strict=True), linestyle=DASHES[curve.dash % len(DASHES)], **look)
        handles.setdefault(one_line(curve.title), proxy(**look))


def _single(axis: Axes, model: TableModel, panel: Panel, handles: dict[str, Any]) -> None:
    """Draw the results of one level: quantities side by side, methods beside each other in each."""
    (noise,) = _levels(model)
    titled(axis, panel.title)
    axis.set_xlabel(f"{model.level_title}: {level(noise)}")
    ruled(axis)
    order = list(dict.fromkeys(curve.color for curve in panel.curves))
    for curve in panel.curves:
        x = curve.dash + offset(order.index(curve.color), len(order))
        _point(axis, curve, x, handles)
        if curve.reported:
            value = float(curve.reported[0][1].value)
            axis.plot([x], [value], **_hollow_look(curve))
            _explain_hollow(model, curve, handles)
    for curve in () if panel.empty else panel.paper:
        look: dict[str, Any] = {"color": REPORTED, "marker": "x", "linestyle": "none"}
        if curve.reported:
            axis.plot([curve.dash], [float(curve.reported[0][1].value)], **look)
            handles.setdefault(one_line(curve.title), proxy(**look))
    axis.set_xticks(range(len(model.metrics)), [title(name) for name in model.metrics])
    axis.set_xlim(-0.5, len(model.metrics) - 0.5)


def _point(axis: Axes, curve: Curve, x: float, handles: dict[str, Any]) -> None:
    look: dict[str, Any] = look_of(curve.color).line | {"linestyle": "none"}
    if curve.empty and curve.reported:
        look = _hollow_look(curve)
    handles.setdefault(one_line(curve.title), proxy(**look))
    for _, entry in curve.entries:
        mean, (low, high) = _mean(entry), band(entry)
        if math.isnan(mean):
            continue
        axis.plot([x], [mean], **look)
        if not math.isnan(low):
            axis.vlines(x, low, high, color=look["color"], linewidth=1.0)
