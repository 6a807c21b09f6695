"""The list of figures: what each is called, shows and needs, and which a table allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from ...datasets.errors import UnknownNameError, UsageError
from ..escape import one_line
from . import noise, ranks
from .material import Material
from .style import GRID, INK, WIDTHS, render

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
    per_cell
        Whether it shows single cells, `Material.cells`, and not a whole table.
    why_not
        Material → why it cannot be drawn; empty where it can.
    alt
        Material → text for those who do not see it.
    draw
        Material and width in inches → the figure.
    """

    name: str
    title: str
    caption: str
    per_cell: bool
    why_not: Callable[[Material], str]
    alt: Callable[[Material], str]
    draw: Callable[[Material, float], Figure]


def _drawing(
    name: str, module: ModuleType, title: str, caption: str, *, cell: bool = False
) -> Drawing:
    return Drawing(
        name=name,
        title=title,
        caption=caption,
        per_cell=cell,
        why_not=module.why_not,
        alt=module.alt,
        draw=module.draw,
    )


FIGURES: tuple[Drawing, ...] = (
    _drawing(
        "noise",
        noise,
        "Noise robustness",
        "Mean over seeds with its 95 % interval (Student's t); hollow markers are the paper's.",
    ),
    _drawing(
        "ranks",
        ranks,
        "Critical differences",
        "Mean rank over categories, 1 is best; a bar joins methods that Nemenyi's test at 5 % "
        "cannot tell apart.",
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
    for drawn, wanted in ((INK, "currentColor"), (GRID, "var(--rule)")):
        element = element.replace(drawn, wanted)
    element = _IDS.sub(rf"\g<1>{prefix or name}-", element)
    # A name for those who do not see it; the numbers stand in the tables.
    label = escape(one_line(figure(name).alt(material)))
    return element.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()
