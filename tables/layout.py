"""How a paper lays a table out: blocks, rows and columns, each giving part of a place.

A place is what a number belongs to: method, categories, noise level and cell pattern. What neither
block, row nor column gives comes from the layout's ``at``. Where nobody names a method, there is a
block for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum

from .formatting import level
from .pattern import MetricRef, parse_pattern

# Instead of a list of lines: a line for each method of the run, or for each noise level.
METHODS, NOISE = "methods", "noise"

# The rule that calls every image anomalous: no run, computed from the sizes of the test sets.
ALL_ANOMALOUS = "all-anomalous"


class BoldRule(Enum):
    """Which achieved entries are set in bold."""

    NONE = "none"
    BEST_METHOD = "best-method"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Coordinates of a number, or part of them; None where nothing is said.

    Attributes
    ----------
    method
        Method by its name in result frames.
    dataset, category
        One category.
    average_of
        Dataset, instead of the two: all its categories; or a group of categories of the run.
    noise
        Label-noise level in percent.
    cell
        Cell pattern, e.g. ``"{image_auroc}/{pixel_auroc}"``.
    """

    method: str | None = None
    dataset: str | None = None
    category: str | None = None
    average_of: str | None = None
    noise: float | None = None
    cell: str | None = None

    def under(self, other: Place) -> Place:
        """Return the merged place; what ``other`` says wins."""
        given = {f.name: v for f in fields(other) if (v := getattr(other, f.name)) is not None}
        # A category and a whole dataset exclude each other.
        if "average_of" in given:
            given |= {"dataset": None, "category": None}
        elif "category" in given:
            given["average_of"] = None
        return replace(self, **given)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Quantities of the cell pattern, in its order."""
        parts = parse_pattern(self.cell or "")
        return tuple(part.name for part in parts if isinstance(part, MetricRef))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A block, a row or a column.

    Attributes
    ----------
    id, label
        Name in the file of reported numbers, and printed name.
    printed
        What the paper prints instead, where it prints another name: shown in its own table only.
    group
        A rule is drawn where it changes; over columns it is printed.
    header
        Small print below a column's head; empty for the layout's.
    at
        What it says about the place of its numbers.
    """

    id: str
    label: str
    group: str = ""
    header: str = ""
    printed: str = ""
    at: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the paper lays the table out.

    Attributes
    ----------
    label
        LaTeX label; the block's id is appended to it.
    blocks
        Tables below each other; empty for one table, or one per method where nobody names one.
    rows
        From top to bottom, or `METHODS`.
    columns
        From left to right, or `NOISE`.
    at
        What all places share.
    row_header, column_header, column_label
        Head of the label column, head over the columns, and the head of a noise column with ``{}``
        for the level.
    cell_header
        Small print below a column's head, e.g. what a cell pattern shows.
    bold
        Rule for bold achieved entries.
    curve
        Rows that the noise-robustness curve draws, a panel each, where methods have blocks.
    always_reported
        Whether the figure shows reported numbers also beside a run that differs from the paper's.
    """

    label: str
    rows: tuple[Line, ...] | str
    columns: tuple[Line, ...] | str
    blocks: tuple[Line, ...] = ()
    at: Place = Place()
    row_header: str = ""
    column_header: str = ""
    column_label: str = "{}"
    cell_header: str = ""
    bold: BoldRule = BoldRule.NONE
    curve: tuple[str, ...] = ()
    always_reported: bool = False

    @property
    def block_per_method(self) -> bool:
        """Whether neither blocks, rows nor columns name a method."""
        if METHODS in (self.rows, self.columns) or self.at.method is not None:
            return False
        lines = [*self.blocks, *_listed(self.rows), *_listed(self.columns)]
        return all(line.at.method is None for line in lines)


def _listed(lines: tuple[Line, ...] | str) -> tuple[Line, ...]:
    return () if isinstance(lines, str) else lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """A layout with a line for every method and noise level of a run."""

    blocks: tuple[Line, ...]
    rows: tuple[Line, ...]
    columns: tuple[Line, ...]
    at: Place

    def place(self, block: Line, row: Line, column: Line) -> Place:
        """Return the place of a cell."""
        return self.at.under(block.at).under(row.at).under(column.at)

    @property
    def places(self) -> tuple[Place, ...]:
        """Places of all cells, in reading order."""
        return tuple(
            self.place(block, row, column)
            for block in self.blocks
            for row in self.rows
            for column in self.columns
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """Quantities of all cells, each once."""
        cells = dict.fromkeys(place.cell for place in self.places)
        names = (name for cell in cells for name in Place(cell=cell).metrics)
        return tuple(dict.fromkeys(names))


def arrange(
    layout: Layout,
    methods: Sequence[str],
    noise: Iterable[float],
    titles: Mapping[str, str] | None = None,
) -> Arrangement:
    """Write a layout out for a run.

    Parameters
    ----------
    layout
        The layout.
    methods
        Methods that have results, in order; one that the layout names and that is not among them
        has no line, one that it does not name gets a line of its own at the end.
    noise
        Levels in percent.
    titles
        Printed names of methods, for lines that the layout does not name.
    """
    per_method = [
        Line(id=name, label=(titles or {}).get(name, name), at=Place(method=name))
        for name in methods
    ]

    def written(lines: tuple[Line, ...] | str) -> tuple[Line, ...]:
        if lines == METHODS:
            return tuple(per_method)
        if isinstance(lines, str):
            return tuple(
                Line(id=level(x), label=layout.column_label.format(level(x)), at=Place(noise=x))
                for x in noise
            )
        named = {line.at.method for line in lines}
        if named == {None} or not named:
            return lines
        kept = [line for line in lines if line.at.method is None or line.at.method in methods]
        added = [
            replace(line, group="added")
            for line in per_method
            if line.at.method not in (*named, ALL_ANOMALOUS)
        ]
        # The rule that calls everything anomalous stays last.
        last = [line for line in kept if line.at.method == ALL_ANOMALOUS]
        return (*(line for line in kept if line not in last), *added, *last)

    blocks = tuple(per_method) if layout.block_per_method else layout.blocks
    if not blocks and not layout.block_per_method:
        blocks = (Line(id="", label=""),)
    return Arrangement(
        blocks=blocks, rows=written(layout.rows), columns=written(layout.columns), at=layout.at
    )
