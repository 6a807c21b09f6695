"""The noise-robustness curve: a panel per dataset, a colour and marker per method.

Where a table has two quantities the first is solid, the second dashed. One style for all figures:
colours that colour-blind readers tell apart, markers so that grey prints stay readable, no title
inside the drawing. The same model gives the same bytes.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from ..tables.formatting import level
from ..tables.model import Entry, TableModel
from ..tables.quantities import title
from ..tables.statistics.intervals import mean_interval
from ..tables.statistics.summary import has_statistics
from .curves import Curve, Panel, panels
from .escape import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008) without yellow and black, which vanish on white and on dark pages; then four
# of Tol's muted scheme (2021) that differ from them in lightness. Markers repeat no colour's shape.
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"),
    *("#E69F00", "#882255", "#999933", "#332288", "#AA7744"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
DASHES: tuple[Any, ...] = ("solid", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
REPORTED = "#7F7F7F"
INK = "#1b1c1d"
GRID = "#c9cacb"
_PANELS_PER_ROW = 3
_HOLLOW = "hollow: as the paper reports"

_STYLE = {
    "svg.hashsalt": "adrepro",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "text.parse_math": False,
}
# Dates would make two renders differ.
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": "adrepro"},
    "pdf": {"CreationDate": None, "Creator": "adrepro", "Producer": None},
    "png": {"Software": None},
}


def has_figure(model: TableModel) -> bool:
    """Tell whether a table has a figure: its columns are noise levels."""
    return bool(panels(model))


def render_figure(model: TableModel, kind: str) -> bytes:
    """Draw the curve.

    Parameters
    ----------
    model
        A table over noise levels, see `has_figure`.
    kind
        ``"svg"``, ``"pdf"`` or ``"png"`` (200 dpi), on white.

    Returns
    -------
    bytes
        The file; fonts are embedded or drawn as paths.
    """
    return _save(model, kind, transparent=False)


def render_inline_svg(model: TableModel) -> str:
    """Draw the curve as an ``<svg>`` element without background that takes the page's ink."""
    text = _save(model, "svg", transparent=True).decode("utf-8")
    element = text[text.index("<svg") :]
    for drawn, wanted in ((INK, "currentColor"), (GRID, "var(--rule)")):
        element = element.replace(drawn, wanted)
    # A name for those who do not see it; the numbers stand in the tables.
    names = ", ".join(method.title for method in model.methods)
    metrics = " and ".join(title(name) for name in model.metrics)
    label = _attribute(f"{metrics} over label noise for {names}")
    return element.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()


def _attribute(text: str) -> str:
    from markupsafe import escape

    return str(escape(one_line(text)))


def _save(model: TableModel, kind: str, *, transparent: bool) -> bytes:
    import matplotlib as mpl

    buffer = io.BytesIO()
    # From the library's defaults, so that a user's matplotlibrc changes nothing.
    style: Any = {**mpl.rcParamsDefault, **_STYLE}
    with mpl.rc_context(style):
        figure = _draw(model)
        figure.savefig(
            buffer, format=kind, dpi=200, metadata=_METADATA[kind], transparent=transparent
        )
    return buffer.getvalue()


def _draw(model: TableModel) -> Figure:
    from matplotlib.figure import Figure

    shown = panels(model)
    across = min(max(1, len(shown)), _PANELS_PER_ROW)
    down = max(1, math.ceil(len(shown) / across))
    per_method = model.target.layout.block_per_method
    tall = 3.9 if per_method else 4.6
    figure = Figure(figsize=(1.2 + 3.6 * across, tall + 2.7 * (down - 1)), layout="constrained")
    axes = figure.subplots(down, across, sharey=True, squeeze=False)
    handles: dict[str, Any] = {}
    for axis, panel in zip(axes.flat, shown, strict=False):
        _panel(axis, model, panel, handles)
    for axis in list(axes.flat)[len(shown) :]:
        axis.set_visible(False)
    first = axes.flat[0]
    drawn = any(not panel.empty or _any_reported(panel) for panel in shown)
    low, high = first.get_ylim() if drawn else (0, 100)
    # A percentage has an end; the little above it is room for the markers that stand there.
    first.set_ylim(max(low, 0), min(high, 101))
    _legend(figure, model, handles)
    for axis in axes[:, 0]:
        axis.set_ylabel("Percent" if per_method else f"{_metric_names(model)} (%)")
    if model.synthetic:
        # A figure travels alone, so it says on its own face what it is.
        figure.suptitle("Embedded synthetic data, no reproduction", fontsize=9.5, color="#B00020")
    return figure


def _any_reported(panel: Panel) -> bool:
    return any(curve.reported for curve in (*panel.curves, *panel.paper))


def _metric_names(model: TableModel) -> str:
    names = " / ".join(title(name) for name in model.metrics)
    return f"{names[:1].upper()}{names[1:]}"


def _legend(figure: Figure, model: TableModel, handles: dict[str, Any]) -> None:
    if len(model.metrics) > 1 or model.target.layout.block_per_method:
        for metric, dash in zip(model.metrics, DASHES, strict=False):
            handles[title(metric)] = _proxy(color=INK, linestyle=dash)
    # What is hollow is explained once, after the methods.
    if _HOLLOW in handles:
        handles[_HOLLOW] = handles.pop(_HOLLOW)
    if handles:
        # A label that starts with an underscore would be left out of the legend.
        labels = [f" {name}" if name.startswith("_") else name for name in handles]
        figure.legend(
            list(handles.values()),
            labels,
            loc="outside lower center",
            ncols=4 if len(labels) <= 4 else 3,
            frameon=False,
        )


def _panel(axis: Axes, model: TableModel, panel: Panel, handles: dict[str, Any]) -> None:
    axis.set_title(one_line(panel.title), fontsize=9.5, loc="left", fontweight="bold")
    axis.set_xlabel(model.level_title)
    axis.grid(axis="y")
    axis.set_axisbelow(True)
    for curve in panel.curves:
        _achieved(axis, curve, handles)
        _hollow(axis, model, curve, handles)
    for curve in () if panel.empty else panel.paper:
        _paper(axis, curve, handles)
    _levels(axis, model)
    if panel.empty:
        message = "nothing to draw:\nno complete result in this row"
        axis.text(0.5, 0.5, message, ha="center", va="center", transform=axis.transAxes)


def _levels(axis: Axes, model: TableModel) -> None:
    """Put a tick on every level of the run, and room around the outer ones for their markers."""
    levels = [line.at.noise or 0.0 for line in model.columns]
    first, last = min(levels, default=0.0), max(levels, default=0.0)
    margin = 0.05 * (last - first) or 1.0
    axis.set_xticks(levels, [level(noise) for noise in levels])
    axis.set_xlim(first - margin, last + margin)


def _look(curve: Curve) -> dict[str, Any]:
    index = curve.color % len(PALETTE)
    return {"color": PALETTE[index], "marker": MARKERS[index]}


def _achieved(axis: Axes, curve: Curve, handles: dict[str, Any]) -> None:
    look = _look(curve)
    handles.setdefault(one_line(curve.title), _proxy(**look))
    # A gap stays a gap: a level without a result breaks the line.
    levels, means, bands = [], [], []
    for noise, entry in curve.entries:
        found = entry.outcome.estimate
        levels.append(noise)
        means.append(100 * float(found.mean) if found else float("nan"))
        bands.append(_band(entry))
    if all(map(math.isnan, means)):
        return
    axis.plot(levels, means, linestyle=DASHES[curve.dash % len(DASHES)], **look)
    low, high = zip(*bands, strict=True)
    axis.fill_between(levels, low, high, color=look["color"], alpha=0.18, linewidth=0)


def _band(entry: Entry) -> tuple[float, float]:
    """Return the 95 % interval of a mean over seeds, in percent; NaN where there is none."""
    found = entry.outcome.estimate
    if found is None or found.sd is None or not has_statistics(entry.metric):
        return float("nan"), float("nan")
    interval = mean_interval(float(found.mean), found.sd, found.n)
    return 100 * interval.low, 100 * interval.high


def _hollow(axis: Axes, model: TableModel, curve: Curve, handles: dict[str, Any]) -> None:
    """Hollow markers where the paper states a number of this very method."""
    if not curve.reported:
        return
    look = _look(curve)
    look |= {"linestyle": "none", "markerfacecolor": "none", "markersize": 8}
    points = [(noise, float(number.value)) for noise, number in curve.reported]
    if len(points) > 2:
        # Two end points say nothing of the way between them.
        axis.plot(*zip(*points, strict=True), color=look["color"], linestyle=DASHES[2], linewidth=1)
    axis.plot(*zip(*points, strict=True), **look)
    if model.target.layout.block_per_method:
        handles.setdefault(f"{one_line(curve.title)}, as reported", _proxy(**look))
    else:
        look |= {"color": INK, "marker": "o"}
        handles[_HOLLOW] = _proxy(**look)


def _paper(axis: Axes, curve: Curve, handles: dict[str, Any]) -> None:
    look: dict[str, Any] = {"color": REPORTED, "marker": "x", "linewidth": 0.9, "alpha": 0.9}
    points = [(noise, float(number.value)) for noise, number in curve.reported]
    if points:
        axis.plot(*zip(*points, strict=True), linestyle=DASHES[curve.dash % len(DASHES)], **look)
        handles.setdefault(one_line(curve.title), _proxy(**look))


def _proxy(**look: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)
