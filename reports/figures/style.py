"""One style for all figures: sizes, fonts, colours, markers and dashes, and how files are written.

Two widths, those of a column and of the page of a two-column paper. Colours that colour-blind
readers tell apart; markers and dashes beside them, so that grey prints stay readable. The same
drawing gives the same bytes.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...tables.model import TableModel
from ..curves import method_order
from ..escape import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches: a column and the text block of a two-column paper of letter size.
WIDTHS: Mapping[str, float] = {"column": 3.5, "page": 7.16}
FORMATS = ("pdf", "svg", "png")
DPI = 300

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
WARNING = "#B00020"
# On a page colours follow its scheme: style.css has a light and a dark value of each variable.
ON_PAGE = {
    **{color.lower(): f"var(--s{index})" for index, color in enumerate(PALETTE)},
    REPORTED.lower(): "var(--s-reported)",
    INK.lower(): "currentColor",
    GRID.lower(): "var(--rule)",
    WARNING.lower(): "var(--s-warning)",
}
SYNTHETIC = "Embedded synthetic data, no reproduction"

_STYLE = {
    "svg.hashsalt": "adrepro",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.2,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.8,
    "hatch.linewidth": 0.5,
    # A name with dollar signs is a name, no formula.
    "text.parse_math": False,
}
# Dates would make two renders differ.
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": "adrepro"},
    "pdf": {"CreationDate": None, "Creator": "adrepro", "Producer": None},
    "png": {"Software": None},
}


@dataclass(frozen=True, slots=True)
class Look:
    """Colour and marker of a method: the same in every figure of a report."""

    color: str
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """Both, as a plot takes them."""
        return {"color": self.color, "marker": self.marker}


def look_of(index: int) -> Look:
    """Return the look of the method at a place; after ten, colours meet other markers."""
    turn = index // len(PALETTE)
    return Look(PALETTE[index % len(PALETTE)], MARKERS[(index + turn) % len(MARKERS)])


def looks(model: TableModel) -> Mapping[str, Look]:
    """Return method → look, for all methods that a report on this table can draw."""
    return {name: look_of(index) for index, name in enumerate(method_order(model))}


def wrapped(text: str, width: int = 34) -> str:
    """Return a text on one line, or broken into several where it is longer than ``width``."""
    return "\n".join(textwrap.wrap(one_line(text), width)) or " "


def render(draw: Callable[[], Figure], kind: str, *, transparent: bool = False) -> bytes:
    """Draw in the one style and return the file.

    Parameters
    ----------
    draw
        Makes the figure.
    kind
        One of `FORMATS`.
    transparent
        Without the white background.
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    # From the library's defaults, so that a user's matplotlibrc changes nothing.
    style: Any = {**mpl.rcParamsDefault, **_STYLE}
    with mpl.rc_context(style):
        draw().savefig(
            buffer, format=kind, dpi=DPI, metadata=_METADATA[kind], transparent=transparent
        )
    return buffer.getvalue()


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def finish(
    figure: Figure, handles: Mapping[str, Any], *, synthetic: bool, beside: bool = False
) -> Figure:
    """Put the legend below the panels, in as many columns as fit, and make room for it.

    Parameters
    ----------
    figure
        With its panels; it keeps their height and grows by what is added.
    handles
        Label → handle.
    synthetic
        Whether the figure is to say that its data are drawn.
    beside
        Put the legend beside the panels instead, where there is room.
    """
    width, height = figure.get_size_inches()
    if synthetic:
        # A figure travels alone, so it says on its own face what it is.
        said = figure.get_suptitle()
        figure.suptitle(f"{SYNTHETIC}\n{said}".strip(), fontsize=7.5, color=WARNING)
        height += 0.2
    if handles and beside:
        figure.legend(
            list(handles.values()), _labels(handles), loc="outside right center", frameon=False
        )
    elif handles:
        height += _legend(figure, handles, width)
    figure.set_size_inches(width, height)
    return figure


def _legend(figure: Figure, handles: Mapping[str, Any], width: float) -> float:
    """Add the legend; return its height in inches."""
    labels = _labels(handles)
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for columns in range(min(5, len(labels)), 0, -1):
        legend = figure.legend(
            list(handles.values()), labels, loc="outside lower center", ncols=columns, frameon=False
        )
        box = legend.get_window_extent(renderer)
        if columns == 1 or box.width / figure.dpi <= width - 0.1:
            return float(box.height / figure.dpi)
        legend.remove()
    raise AssertionError("one column is always taken")


def _labels(handles: Mapping[str, Any]) -> list[str]:
    names = ["\n".join(map(wrapped, name.split("\n"))) for name in handles]
    # A label that starts with an underscore would be left out of the legend.
    return [f" {name}" if name.startswith("_") else name for name in names]


def log_x(axis: Axes) -> None:
    """Make the x axis logarithmic, with plain numbers: its own labels are formulas."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_xscale("log")
    low, high = axis.get_xlim()
    # Within a decade or two, powers of ten alone would leave one number or none.
    steps = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    axis.xaxis.set_major_locator(LogLocator(subs=steps))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def percent_limits(axis: Axes) -> None:
    """Cut an axis in percent at its ends; the little above them is room for markers there."""
    low, high = axis.get_ylim()
    axis.set_ylim(max(low, -1 if low < 0 else 0), min(high, 101))


def titled(axis: Axes, text: str, width: int = 34) -> None:
    """Name a panel."""
    axis.set_title(wrapped(text, width), loc="left", fontweight="bold")


def proxy(**look: Any) -> Any:
    """Return a legend handle."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)
