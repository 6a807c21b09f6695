"""Statistics as plain text that fits a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ..tables.formatting import level
from ..tables.statistics.places import AVERAGE, Place
from .escape import one_line

if TYPE_CHECKING:
    from .statistics import Rows

WIDTH = 80
_GAP = 2
# The columns of all places that differ within one method and dataset, and fit side by side.
PLACE_HEADS = ("category", "noise", "mean", "sd", "95 % interval", "over", "seeds")


def paragraph(text: str) -> str:
    """Return a text in lines of at most `WIDTH` columns."""
    from rich.text import Text

    return _printed(Text(one_line(text)))


def grid(heads: Sequence[str], rows: Rows) -> str:
    """Return aligned columns of at most `WIDTH` columns together; long cells take more lines."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=True)
    for head in heads:
        table.add_column(Text(head), overflow="fold", header_style="none")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return _printed(table)


def places(found: Sequence[Place], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table per method and dataset, and what is missing there as lines below it.

    Parameters
    ----------
    found
        Everything that was asked for.
    cells
        For each place the texts of `PLACE_HEADS`, as every other output shows them.
    """
    pairs = zip(found, cells, strict=True)
    for (method, dataset), members in groupby(pairs, key=lambda p: (p[0].method, p[0].dataset)):
        own = list(members)
        whole = next((p.categories for p, _ in own if p.category == AVERAGE), 0)
        kinds = f", average of {whole} categories" if whole else ""
        yield paragraph(f"{method}, {dataset}{kinds}")
        yield grid(PLACE_HEADS, [list(row) for _, row in own])
        missing = [
            paragraph(f"{place.category}, {level(place.noise)} %: {place.reason}")
            for place, _ in own
            if place.reason
        ]
        if missing:
            yield "\n".join(["Missing:", *missing])


def _printed(what: object) -> str:
    """Return what rich makes of something, without colours and trailing spaces."""
    import io

    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False
    )
    console.print(what, highlight=False, markup=False, emoji=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
