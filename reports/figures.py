"""The noise-robustness curve: image AUROC solid, pixel AUROC dashed, a panel per dataset.

One style for all figures: Okabe and Ito's colour-blind-safe palette, a marker per method so that
grey prints stay readable, no title inside the drawing. The same model gives the same bytes.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from ..tables.formatting import level
from ..tables.model import Block, TableModel
from ..tables.spec import METRICS, RowSpec
from .escape import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008) without yellow and black, which vanish on white and on dark pages.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("solid", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
REPORTED = "#7F7F7F"
INK = "#1b1c1d"
GRID = "#c9cacb"

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


def render_figure(model: TableModel, kind: str) -> bytes:
    """Draw the curve.

    Parameters
    ----------
    model
        The table; rows named by ``layout.curve`` get a panel each.
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
    names = ", ".join(block.title for block in model.blocks)
    label = _attribute(f"{_title_of_metrics(model)} over label noise for {names}")
    return element.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()


def _attribute(text: str) -> str:
    from markupsafe import escape

    return str(escape(one_line(text)))


def _title_of_metrics(model: TableModel) -> str:
    return " and ".join(METRICS[name] for name in model.target.layout.metrics)


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

    rows = [row for row in model.target.layout.rows if row.id in model.target.layout.curve]
    count = max(1, len(rows))
    figure = Figure(figsize=(1.2 + 3.6 * count, 3.9), layout="constrained")
    axes = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    handles: dict[str, Any] = {}
    drawn = [_panel(axis, model, row, handles) for axis, row in zip(axes, rows, strict=False)]
    low, high = axes[0].get_ylim() if any(drawn) else (0, 100)
    # A percentage has an end; the little above it is room for the markers that stand there.
    axes[0].set_ylim(max(low, 0), min(high, 101))
    for metric, dash in zip(model.target.layout.metrics, DASHES, strict=False):
        handles[METRICS[metric]] = _proxy(color=INK, linestyle=dash)
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
    axes[0].set_ylabel("Percent")
    if model.synthetic:
        # A figure travels alone, so it says on its own face what it is.
        figure.suptitle("Embedded synthetic data, no reproduction", fontsize=9.5, color="#B00020")
    return figure


def _panel(axis: Axes, model: TableModel, row: RowSpec, handles: dict[str, Any]) -> bool:
    """Draw one row; return whether there was anything to draw."""
    axis.set_title(one_line(row.label), fontsize=9.5, loc="left", fontweight="bold")
    axis.set_xlabel(model.level_title)
    axis.grid(axis="y")
    axis.set_axisbelow(True)
    drawn = False
    for index, block in enumerate(model.blocks):
        drawn |= _curves(axis, model, block, row, index, handles)
    if drawn and row.id in model.beside:
        _reported(axis, model, row, handles)
    _levels(axis, model)
    if not drawn:
        message = "nothing to draw:\nno complete result in this row"
        axis.text(0.5, 0.5, message, ha="center", va="center", transform=axis.transAxes)
    return drawn


def _levels(axis: Axes, model: TableModel) -> None:
    """Put a tick on every level of the run, and room around the outer ones for their markers."""
    first, last = min(model.columns, default=0.0), max(model.columns, default=0.0)
    margin = 0.05 * (last - first) or 1.0
    axis.set_xticks(list(model.columns), [level(column) for column in model.columns])
    axis.set_xlim(first - margin, last + margin)


def _curves(
    axis: Axes, model: TableModel, block: Block, row: RowSpec, index: int, handles: dict[str, Any]
) -> bool:
    look: dict[str, Any] = {"color": PALETTE[index % 6], "marker": MARKERS[index % 6]}
    cells = next(r for r in block.rows if r.spec.id == row.id).cells
    drawn = False
    handles.setdefault(one_line(block.title), _proxy(**look))
    for position, dash in zip(range(len(model.target.layout.metrics)), DASHES, strict=False):
        # A gap stays a gap: a level without a result breaks the line.
        means, sds = [], []
        for cell in cells:
            found = cell[position].outcome.estimate
            means.append(100 * float(found.mean) if found else float("nan"))
            sds.append(100 * (found.sd or 0.0) if found else float("nan"))
        if all(map(math.isnan, means)):
            continue
        drawn = True
        axis.plot(model.columns, means, linestyle=dash, **look)
        low = [m - s for m, s in zip(means, sds, strict=True)]
        high = [m + s for m, s in zip(means, sds, strict=True)]
        axis.fill_between(model.columns, low, high, color=look["color"], alpha=0.18, linewidth=0)
        _compared(axis, model, block, [cell[position] for cell in cells], look, handles)
    return drawn


def _compared(
    axis: Axes, model: TableModel, block: Block, entries: Any, look: Any, handles: dict[str, Any]
) -> None:
    """Hollow markers where the paper states a number of this very method."""
    hollow = {**look, "linestyle": "none", "markerfacecolor": "none", "markersize": 8}
    found = [
        (column, float(entry.reported.value))
        for column, entry in zip(model.columns, entries, strict=True)
        if entry.reported is not None
    ]
    if found:
        axis.plot(*zip(*found, strict=True), **hollow)
        handles.setdefault(f"{one_line(block.title)}, as reported", _proxy(**hollow))


def _reported(axis: Axes, model: TableModel, row: RowSpec, handles: dict[str, Any]) -> None:
    if model.reported is None:
        return
    name = reported_name(model)
    cells = next(r for r in model.reported.rows if r.spec.id == row.id).cells
    look: dict[str, Any] = {"color": REPORTED, "marker": "x", "linewidth": 0.9, "alpha": 0.9}
    for position, dash in zip(range(len(model.target.layout.metrics)), DASHES, strict=False):
        points = [
            (column, float(number.value))
            for column, cell in zip(model.columns, cells, strict=True)
            if (number := cell[position]) is not None
        ]
        if points:
            axis.plot(*zip(*points, strict=True), linestyle=dash, **look)
            handles.setdefault(one_line(name), _proxy(**look))


def reported_name(model: TableModel) -> str:
    """Name the paper's numbers where they stand beside achieved ones of possibly other methods."""
    if model.reported is None:
        return ""
    own = next((b for b in model.blocks if b.method == model.reported.method), None)
    aside = " (other method)" if own is None else " (other settings)" if own.departures else ""
    return f"{model.reported.title}, as reported{aside}"


def _proxy(**look: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)
