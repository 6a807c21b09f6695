r"""Tables of texts as LaTeX floats on booktabs, split so that their type stays readable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from .escape import latex

# Widths in points, of \footnotesize type on the text block of A4, which is 495 wide. A table that
# is wider shrinks to the line; one that is wider than this is split. So no type is below 7 points.
_CHAR, _SEPARATION, _WIDEST = 4.25, 4, 550.0
# A longer text is a paragraph of lines of so many characters, and as wide as they are.
_LINE, _PARAGRAPH = 28, "45mm"
# Lines of a float: no more than a page has.
_MOST_LINES = 44
_BETWEEN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    r"""A row of texts; lines of a text stand below each other.

    Attributes
    ----------
    texts
        A text per column, its lines apart by ``\n``.
    group
        What stands above this row and those behind it that share it; empty for nothing.
    """

    texts: tuple[str, ...]
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    heads
        A head per column.
    rows
        The rows.
    names
        How many columns, from the first on, say what a row is about: every part repeats them.
    """

    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    names: int


def floats(table: Table, caption: str, again: str, label: str) -> list[str]:
    """Return the floats that a table takes.

    Parameters
    ----------
    table
        The table.
    caption
        Caption of the first float, as LaTeX.
    again
        Caption of the others, as LaTeX.
    label
        Label of the first; the others get a number behind it.
    """
    name = "".join(c for c in label if c.isascii() and (c.isalnum() or c in ":-."))
    parts = [_columns(part, kept) for part in _by_rows(table) for kept in _by_columns(table)]
    return [
        _float(part, again if index else caption, f"{name}-{index + 1}" if index else name)
        for index, part in enumerate(parts)
    ]


def _by_rows(table: Table) -> Iterator[Table]:
    """Yield parts of a table that are no longer than a page."""
    rows: list[Row] = []
    used, group = 0, ""
    for row in table.rows:
        needed = max(map(_height, row.texts)) + (row.group != group)
        if rows and used + needed > _MOST_LINES:
            yield Table(heads=table.heads, rows=tuple(rows), names=table.names)
            rows, used = [], 0
        rows.append(row)
        used, group = used + needed, row.group
    if rows:
        yield Table(heads=table.heads, rows=tuple(rows), names=table.names)


def _by_columns(table: Table) -> list[list[int]]:
    """Put the columns into as few parts as fit, about as many into each."""
    widths = [_width(table, index) for index in range(len(table.heads))]
    names, others = range(table.names), range(table.names, len(widths))
    room = _WIDEST - sum(widths[i] for i in names)
    parts: list[list[int]] = [[]]
    for count in range(1, len(others) + 1):
        ends = [table.names + round(len(others) * k / count) for k in range(count + 1)]
        parts = [list(range(*ends_of_part)) for ends_of_part in pairwise(ends)]
        if all(sum(widths[i] for i in part) <= room for part in parts):
            break
    return [[*names, *part] for part in parts]


def _columns(table: Table, kept: Sequence[int]) -> Table:
    rows = (Row(group=r.group, texts=tuple(r.texts[i] for i in kept)) for r in table.rows)
    return Table(heads=tuple(table.heads[i] for i in kept), rows=tuple(rows), names=table.names)


def _texts(table: Table, index: int) -> list[str]:
    return [table.heads[index], *(row.texts[index] for row in table.rows)]


def _longest(table: Table, index: int) -> int:
    lines = (line for text in _texts(table, index) for line in text.split("\n"))
    return max(map(len, lines), default=0)


def _width(table: Table, index: int) -> float:
    """Estimate the width of a column in points."""
    return min(_longest(table, index), _LINE) * _CHAR + 2 * _SEPARATION


def _height(text: str) -> int:
    """Estimate the lines that a text takes; a paragraph is ragged and rarely fills them."""
    lines = text.split("\n")
    return len(lines) + sum(len(line) // (_LINE - 8) for line in lines if len(line) > _LINE)


def _place(table: Table, index: int) -> str:
    if _longest(table, index) > _LINE:
        return rf">{{\raggedright\arraybackslash}}p{{{_PARAGRAPH}}}"
    return "c" if any("\n" in text for text in _texts(table, index)) else "l"


def _float(table: Table, caption: str, label: str) -> str:
    places = "".join(_place(table, index) for index in range(len(table.heads)))
    lines = [
        r"\begin{table}[htbp]",
        rf"\centering\footnotesize\setlength{{\tabcolsep}}{{{_SEPARATION}pt}}",
        r"\setlength{\abovecaptionskip}{0pt}\setlength{\belowcaptionskip}{6pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{places}@{{}}}}",
        r"\toprule",
        _line(table.heads),
    ]
    for group, rows in groupby(table.rows, key=lambda row: row.group):
        lines += [r"\midrule", *_heading(group, len(table.heads))]
        for row in rows:
            lines += _lines(row)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""])


def _heading(group: str, count: int) -> list[str]:
    r"""Return the line above a group; it widens no column, ``\rlap``, unless it is a paragraph."""
    if not group:
        return []
    said = rf"\emph{{{latex(group)}}}"
    if len(group) * _CHAR > _WIDEST / 2:
        return [rf"\multicolumn{{{count}}}{{@{{}}p{{.9\linewidth}}@{{}}}}{{{said}}} \\"]
    return [rf"\multicolumn{{{count}}}{{@{{}}l@{{}}}}{{\rlap{{{said}}}}} \\"]


def _lines(row: Row) -> Iterator[str]:
    """Yield the lines of a row; what belongs together stands closer than what does not."""
    columns = [text.split("\n") for text in row.texts]
    count = max(map(len, columns))
    for index in range(count):
        line = _line([lines[index] if index < len(lines) else "" for lines in columns])
        yield f"{line}[{_BETWEEN}pt]" if index == count - 1 > 0 else line


def _line(texts: Sequence[str]) -> str:
    return rf"{' & '.join(map(latex, texts))} \\"
