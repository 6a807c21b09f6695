"""Statistics as LaTeX on booktabs, and what explains marks and failures below a report's tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..tables.model import TableModel, reason
from ..tables.quantities import title
from ..tables.statistics.summary import Statistics
from . import marks
from .escape import latex
from .statistics import INTERVALS, grids
from .statistics_section import CAPTION, HEADING, section

_HEAD = r"""% Put this line into the preamble, then \input this file where the tables are to stand:
%   \usepackage{booktabs,graphicx}
"""
# A float takes no more rows than a page.
_MOST_ROWS = 40
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
        parts += _floats(grid.heads, grid.rows, caption, f"{heading}-stats-{index + 1}")
    return _HEAD + "\n".join(parts)


def section_tables(model: TableModel) -> Iterator[str]:
    """Yield the statistics of a table as floats; a paragraph where no method has a number."""
    found = section(model)
    if found is not None and found.rows:
        caption = " ".join([f"{HEADING}.", CAPTION, *found.sentences])
        yield from _floats(
            found.heads, found.rows, caption, f"{model.target.layout.label}-statistics"
        )
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
        yield rf"\par\noindent Failed: {latex('; '.join(listed))}.\par" + "\n"


def _floats(
    heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str, label: str
) -> list[str]:
    lines = list(rows)
    name = "".join(c for c in label if c.isascii() and (c.isalnum() or c in ":-."))
    found = []
    for start in range(0, len(lines), _MOST_ROWS):
        part = lines[start : start + _MOST_ROWS]
        again = " (continued)" if start else ""
        suffix = f"-{start // _MOST_ROWS + 1}" if start else ""
        found.append(_float(heads, part, f"{caption}{again}", f"{name}{suffix}"))
    return found


def _float(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str, label: str) -> str:
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{latex(caption)}}}",
            rf"\label{{{label}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{@{{}}{'l' * len(heads)}@{{}}}}",
            r"\toprule",
            rf"{' & '.join(map(latex, heads))} \\",
            r"\midrule",
            *(rf"{' & '.join(map(latex, row))} \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )
