"""The list of figures: what each is called, shows and needs, and which a table allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...datasets.errors import UnknownNameError, UsageError
from ..escape import one_line
from . import (
    ablation,
    categories,
    cell_curves,
    histogram,
    noise,
    pareto,
    qualitative,
    ranks,
    removal,
)
from .material import Material
from .style import ON_PAGE, WIDTHS, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One kind of figure.

    Attributes
    ----------
    name
        Short name, as on the command line and in file names.
    title
        Heading.
    caption
        What it shows, a sentence or two for below it.
    why_not
        Material → why it cannot be drawn; empty where it can.
    alt
        Material → text for those who do not see it.
    draw
        Material and width in inches → the figure.
    left_out
        Material → which methods it leaves out though they have to do with it, and why.
    per_cell
        Whether it shows single cells, `Material.cells`, and not a whole table.
    """

    name: str
    title: str
    caption: str
    why_not: Callable[[Material], str]
    alt: Callable[[Material], str]
    draw: Callable[[Material, float], Figure]
    left_out: Callable[[Material], str] = lambda _: ""
    per_cell: bool = False


FIGURES: tuple[Drawing, ...] = (
    Drawing(
        name="noise",
        title="Noise robustness",
        caption="Mean over seeds with its 95 % interval (Student's t, cut at 0 and 100) at each "
        "level of label noise; hollow markers, and grey lines, are numbers that the paper reports.",
        why_not=noise.why_not,
        alt=noise.alt,
        draw=noise.draw,
    ),
    Drawing(
        name="categories",
        title="Noise robustness by category",
        caption="Mean over seeds with its 95 % interval (Student's t, cut at 0 and 100), a panel "
        "per category.",
        why_not=categories.why_not,
        alt=categories.alt,
        draw=categories.draw,
    ),
    Drawing(
        name="ablation",
        title="Ablation",
        caption="A method and its variants at each level of label noise: mean over seeds with its "
        "95 % interval (Student's t, cut at 0 and 100).",
        why_not=ablation.why_not,
        alt=ablation.alt,
        draw=ablation.draw,
    ),
    Drawing(
        name="pareto",
        title="Accuracy against time",
        caption="Means over the cells that all methods of a panel have; times of runs that had "
        "the device for themselves. The dashed line joins methods that no other one beats in both.",
        why_not=pareto.why_not,
        alt=pareto.alt,
        draw=pareto.draw,
    ),
    Drawing(
        name="removal",
        title="Removed training images",
        caption="Precision and recall of the images that a method takes out of its training set, "
        "pooled over seeds and categories.",
        why_not=removal.why_not,
        alt=removal.alt,
        draw=removal.draw,
        left_out=removal.left_out,
    ),
    Drawing(
        name="ranks",
        title="Critical differences",
        caption="Mean rank over categories, 1 is best; a bar joins methods that Nemenyi's test at "
        "5 % cannot tell apart.",
        why_not=ranks.why_not,
        alt=ranks.alt,
        draw=ranks.draw,
    ),
    Drawing(
        name="roc",
        title="ROC curves",
        caption="Of image scores in single cells, methods of one place beside each other; the "
        "marker is the label-free threshold.",
        per_cell=True,
        why_not=cell_curves.why_not,
        alt=cell_curves.alt_roc,
        draw=cell_curves.draw_roc,
    ),
    Drawing(
        name="pr",
        title="Precision-recall curves",
        caption="Of image scores in single cells; the dashed line is the share of anomalous "
        "images, the marker the label-free threshold.",
        per_cell=True,
        why_not=cell_curves.why_not,
        alt=cell_curves.alt_pr,
        draw=cell_curves.draw_pr,
    ),
    Drawing(
        name="scores",
        title="Histograms of scores",
        caption="Nominal and anomalous test images and mislabelled training images of single "
        "cells, each group 100 %, with the label-free threshold.",
        per_cell=True,
        why_not=histogram.why_not,
        alt=histogram.alt,
        draw=histogram.draw,
    ),
    Drawing(
        name="grid",
        title="Images and anomaly maps",
        caption="Of each kind of defect the test image with the middle score, then the nominal "
        "image with the middle score, by the first method; one colour scale for all maps of a "
        "method.",
        per_cell=True,
        why_not=qualitative.why_not,
        alt=qualitative.alt,
        draw=qualitative.draw,
    ),
)


def figure(name: str) -> Drawing:
    """Return a kind of figure by its name.

    Raises
    ------
    UnknownNameError
        There is none of that name.
    """
    for one in FIGURES:
        if one.name == name:
            return one
    raise UnknownNameError("figure", name, [one.name for one in FIGURES])


def available(material: Material) -> tuple[Drawing, ...]:
    """Return the figures that this material allows, in the order of the list."""
    return tuple(one for one in FIGURES if not one.why_not(material))


def missing(material: Material) -> dict[str, str]:
    """Return name → reason of the figures that this material does not allow."""
    return {one.name: why for one in FIGURES if (why := one.why_not(material))}


def render_named(
    name: str, material: Material, kind: str, *, width: str = "page", transparent: bool = False
) -> bytes:
    """Draw a figure by its name and return the file.

    Parameters
    ----------
    name
        Of `FIGURES`.
    material
        What to draw.
    kind
        ``"pdf"``, ``"svg"`` or ``"png"`` (300 dpi).
    width
        ``"column"`` (3.5 in) or ``"page"`` (7.16 in).
    transparent
        Without the white background.

    Raises
    ------
    UnknownNameError
        No figure, or no width, of that name.
    UsageError
        The material does not allow it.
    """
    one = figure(name)
    if width not in WIDTHS:
        raise UnknownNameError("width", width, WIDTHS)
    if why := one.why_not(material):
        raise UsageError(f"figure {name} cannot be drawn: {why}")
    return render(lambda: one.draw(material, WIDTHS[width]), kind, transparent=transparent)


_IDS = re.compile(r'(\bid="|url\(#|href="#)')


def inline_svg(name: str, material: Material, *, width: str = "page", prefix: str = "") -> str:
    """Draw a figure as an ``<svg>`` element without background that takes the page's ink.

    Parameters
    ----------
    name, material, width
        As of `render_named`.
    prefix
        Put before all ids of the drawing, so that several stand on one page; empty = its name.
    """
    from markupsafe import escape

    text = render_named(name, material, "svg", width=width, transparent=True).decode("utf-8")
    element = text[text.index("<svg") :]
    for drawn, wanted in ON_PAGE.items():
        element = element.replace(drawn, wanted)
    element = _IDS.sub(rf"\g<1>{prefix or name}-", element)
    # A name for those who do not see it; the numbers stand in the tables.
    label = escape(one_line(figure(name).alt(material)))
    return element.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()
