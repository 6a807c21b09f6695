"""Figures of a report, in one style: which there are, which a table allows, and how to draw them.

`available` lists what can be drawn from a `Material`, `missing` says why the rest cannot;
`render_named` gives a PDF, SVG or PNG file, `inline_svg` an element for a page.
"""

from ...tables.model import TableModel
from .material import Material, default_cells
from .registry import FIGURES, Drawing, available, figure, inline_svg, missing, render_named
from .style import FORMATS, WIDTHS

__all__ = [
    "FIGURES",
    "FORMATS",
    "WIDTHS",
    "Drawing",
    "Material",
    "available",
    "default_cells",
    "figure",
    "has_figure",
    "inline_svg",
    "missing",
    "render_figure",
    "render_inline_svg",
    "render_named",
]

NOISE = "noise"


def has_figure(model: TableModel) -> bool:
    """Tell whether a table has a noise curve: its columns are noise levels."""
    return not figure(NOISE).why_not(Material(model=model))


def render_figure(model: TableModel, kind: str) -> bytes:
    """Draw the noise curve at page width.

    Parameters
    ----------
    model
        A table over noise levels, see `has_figure`.
    kind
        One of `FORMATS`; on white, fonts embedded or drawn as paths.
    """
    return render_named(NOISE, Material(model=model), kind)


def render_inline_svg(model: TableModel) -> str:
    """Draw the noise curve as an ``<svg>`` element that takes the page's ink."""
    return inline_svg(NOISE, Material(model=model))
