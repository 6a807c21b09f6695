"""Statistics as LaTeX on booktabs, and what explains marks and failures below a report's tables."""

from __future__ import annotations

from collections.abc import Iterator

from ..tables.model import TableModel, reason
from ..tables.quantities import title
from ..tables.statistics.summary import Statistics
from . import cells, marks
from .escape import latex
from .latex_texts import Row, Table, floats
from .statistics import INTERVALS, Grid, grids
from .statistics_section import CAPTION, HEADING, Section, in_lines, section

_HEAD = r"""% Put this line into the preamble, then \input this file where the tables are to stand:
%   \usepackage{array,booktabs,graphicx}
"""
_MAX_FAILURES = 10


def render_tex(found: Statistics, heading: str) -> str:
    r"""Render statistics for ``\input``: a table each, with the digits of every other output.

    Parameters
    ----------
    found
        The statistics.
    heading
        Name of the target; it goes into captions and labels.
    """
    about = f"{heading}: {title(found.metric)}, percent."
    said = " ".join([about, *found.notes, INTERVALS])
    if found.absent:
        said += f" Without any result: {', '.join(found.absent)}."
    parts = []
    for index, grid in enumerate(grids(found)):
        caption = said if index == 0 else " ".join(p for p in (about, grid.caption) if p)
        again = f"{heading}: {grid.caption or title(found.metric)}, continued."
        label = f"{heading}-stats-{index + 1}"
        parts += floats(_of_grid(grid), latex(caption), latex(again), label)
    return _HEAD + "\n".join(parts)


def section_tables(model: TableModel) -> Iterator[str]:
    """Yield the statistics of a table as floats; a paragraph where no method has a number."""
    found = section(model)
    if found is not None and found.rows:
        banner = rf"\textbf{{{latex(cells.SYNTHETIC_BANNER)}}} " if model.synthetic else ""
        said = latex(" ".join([f"{HEADING}.", CAPTION, *found.sentences]))
        label = f"{model.target.layout.label}-statistics"
        again = latex(f"{HEADING}, continued.")
        yield from floats(_of_section(found), f"{banner}{said}", again, label)
    elif found is not None and found.sentences:
        yield rf"\par\noindent {HEADING}. {latex(' '.join(found.sentences))}\par" + "\n"


def explained(model: TableModel) -> Iterator[str]:
    """Yield a paragraph on the marks of the tables, and one on what failed and why."""
    said = marks.sentence(model)
    if said:
        yield rf"\par\noindent Marks: {latex(said)}.\par" + "\n"
    failures = model.failures
    if failures:
        listed = [f"{run.label}: {reason(run.error)}" for run in failures[:_MAX_FAILURES]]
        more = len(failures) - len(listed)
        listed += [f"and {more} more"] if more else []
        # Sloppy: names of cells are long words, which must not stand beyond the margin.
        yield rf"{{\par\noindent\sloppy Failed: {latex('; '.join(listed))}.\par}}" + "\n"


def _of_grid(grid: Grid) -> Table:
    """Return a table of statistics without the columns that say nothing."""
    kept = [i for i in range(len(grid.heads)) if any(row[i] for row in grid.rows)]
    rows = (Row(texts=tuple(row[i] for i in kept)) for row in grid.rows)
    return Table(heads=tuple(grid.heads[i] for i in kept), rows=tuple(rows), names=grid.names)


def _of_section(found: Section) -> Table:
    """Return the section with what rows share above them, and intervals below their means."""
    rows = (
        Row(group=", ".join(about), texts=(name, *map(in_lines, texts)))
        for name, *about, texts in ((*row[:4], row[4:]) for row in found.rows)
    )
    return Table(heads=(found.heads[0], *found.heads[4:]), rows=tuple(rows), names=1)
