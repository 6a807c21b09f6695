"""A table of numbers and words as LaTeX: siunitx columns, booktabs rules, within the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from ..tables.layout import Layout
from . import cells
from .escape import latex
from .latex_parts import Column, Field, Part, Row, Table

# Sets bold digits as wide as others, which \bfseries does not: columns stay aligned.
BOLD = r"\adreprobold"
# Widths in points, of small type on the text block of A4; a table that is wider shrinks to the
# line, one that would shrink by more than a fifth is split.
_CHAR, _SEPARATION, _WIDEST = 4.6, 4, 590.0
_MOST_ROWS = 40
# Between the numbers of one column.
_THIN = r"\,"
# Longer names and heads are broken into lines.
_LONG_NAME, _LONG_HEAD = 34, 26
_COMMAND, _SILENT = re.compile(r"\\[a-zA-Z]+"), re.compile(r"[\\{}$^]")


def split(table: Table) -> list[Table]:
    """Split a table that is too wide for a page between groups of columns, or too long."""
    found = []
    for start in range(0, len(table.rows), _MOST_ROWS):
        rows = table.rows[start : start + _MOST_ROWS]
        for indexes in _fitting(table):
            part = tuple(
                Row(label=r.label, group=r.group, fields=tuple(r.fields[i] for i in indexes))
                for r in rows
            )
            found.append(Table(columns=tuple(table.columns[i] for i in indexes), rows=part))
    return found


def separation(table: Table) -> int:
    r"""Return half the space between columns in points, ``\tabcolsep``.

    A column of several numbers holds together only where it stands further from its neighbours than
    they from each other.
    """
    spread = any("" in column.joints for column in table.columns)
    return 5 if spread or sum(column.places for column in table.columns) < 8 else 3


def tabular(table: Table, layout: Layout) -> list[str]:
    """Return the lines of a tabular that shrinks to the line where it is wider."""
    places = "".join(_preamble(table))
    long = any(len(row.label) > _LONG_NAME for row in table.rows)
    names = r">{\raggedright\arraybackslash}p{45mm}" if long else "l"
    lines = [
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{names}{places}@{{}}}}",
        r"\toprule",
        *_heads(table, layout),
        r"\midrule",
    ]
    before = table.rows[0].group if table.rows else ""
    for row in table.rows:
        if row.group != before:
            lines.append(r"\midrule")
            before = row.group
        fields = (
            _field(field, column, last=index == len(table.columns) - 1)
            for index, (field, column) in enumerate(zip(row.fields, table.columns, strict=True))
        )
        lines.append(rf"{latex(row.label)} & {' & '.join(fields)} \\")
    return [*lines, r"\bottomrule", r"\end{tabular}}"]


def _fitting(table: Table) -> list[list[int]]:
    """Put the columns into as few tables as fit, groups of columns together where they can be."""
    longest = max((len(row.label) for row in table.rows), default=0)
    room = _WIDEST - min(longest, _LONG_NAME) * _CHAR
    widths = [_width(table, index) for index in range(len(table.columns))]
    groups = groupby(range(len(widths)), key=lambda i: table.columns[i].line.group)
    parts: list[list[int]] = [[]]

    def used(part: Iterable[int]) -> float:
        return sum(widths[i] for i in part)

    for _, members in groups:
        group = list(members)
        if used([*parts[-1], *group]) <= room:
            parts[-1] += group
        elif used(group) <= room:
            parts.append(group)
        else:
            parts += _evenly(group, -int(-used(group) // room))
    return [part for part in parts if part]


def _evenly(group: Sequence[int], count: int) -> list[list[int]]:
    count = min(count, len(group))
    ends = [round(len(group) * k / count) for k in range(count + 1)]
    return [list(group[a:b]) for a, b in pairwise(ends)]


def _width(table: Table, index: int) -> float:
    """Estimate the width of a column in points, its head and the space around it included."""
    column = table.columns[index]
    fields = [row.fields[index] for row in table.rows]
    across = max((_length(f[0]) for f in fields if len(f) < column.places), default=0)
    words = max(min(len(column.line.label), _LONG_HEAD), across) + sum(map(len, column.joints))
    return max(words * _CHAR, _inside(table, index)) + 2 * max(_SEPARATION, separation(table))


def _inside(table: Table, index: int) -> float:
    """Estimate the width in points of a column's numbers with what joins them."""
    column = table.columns[index]
    fields = [row.fields[index] for row in table.rows if len(row.fields[index]) == column.places]
    numbers = sum(
        max((_length(field[place]) for field in fields), default=0)
        for place in range(column.places)
    )
    joints = sum(map(len, column.joints))
    return (numbers + joints) * _CHAR + 2 * (len(column.joints) - joints)


def _length(part: Part) -> int:
    """Count the characters that a part shows."""
    return _visible(part.before + part.digits + part.after)


def _preamble(table: Table) -> list[str]:
    """Return the specification of each column, joints included."""
    found = []
    for index, column in enumerate(table.columns):
        fields = [row.fields[index] for row in table.rows]
        for place in range(column.places):
            parts = [f[place] for f in fields if len(f) == column.places]
            beside = place > 0 and not column.joints[place - 1]
            found.append(_places([part for part in parts if part.digits], beside=beside))
            if place < len(column.joints):
                found.append(rf"@{{{column.joints[place] or _THIN}}}")
    return found


def _places(parts: Sequence[Part], *, beside: bool = False) -> str:
    """Return an S column with room for these numbers and for what stands around them.

    Numbers that belong to the one beside them stand close to it: where they differ in length, S
    would set the shorter ones apart from it.
    """
    if not parts:
        return "c"
    signs = "+" if any(part.digits[0] in "+-" for part in parts) else ""
    split_digits = [part.digits.lstrip("+-").partition(".") for part in parts]
    if beside and len({len(whole) for whole, _, _ in split_digits}) > 1:
        return "l"
    whole = max(len(whole) for whole, _, _ in split_digits)
    decimals = max(len(rest) for _, _, rest in split_digits)
    before = max((part.before for part in parts), key=_visible)
    after = max((part.after for part in parts), key=_visible)
    around = [f"{{{text}}}" if text else "" for text in (before, after)]
    return f"S[table-format={{{around[0]}{signs}{whole}.{decimals}{around[1]}}}]"


def _visible(text: str) -> int:
    """Count what LaTeX shows, roughly: a command is one character."""
    return len(_SILENT.sub("", _COMMAND.sub("x", text)))


def _field(field: Field, column: Column, *, last: bool) -> str:
    if len(field) < column.places:
        return across(f"{{{field[0].after}}}", column.places, last=last)
    return " & ".join(map(_part, field))


def _part(part: Part) -> str:
    if not part.digits:
        return f"{{{part.after}}}" if part.after else ""
    before = f"{{{part.before}}}" if part.before else ""
    after = f"{{{part.after}}}" if part.after else ""
    # Words before a number would end what is read as bold.
    return f"{f'{BOLD} ' if part.bold else ''}{before}{part.digits}{after}"


def across(text: str, places: int, *, last: bool) -> str:
    """Set a text over some places; at the end of a line without the space behind it."""
    return rf"\multicolumn{{{places}}}{{{'c@{}' if last else 'c'}}}{{{text}}}"


def _heads(table: Table, layout: Layout) -> list[str]:
    """Return the head rows: groups with rules below them, names, small print."""
    columns = table.columns
    lines, start, position = [], 2, 0
    groups, rules = [], []
    for text, count in cells.spans([column.line for column in columns], layout.column_header):
        members = range(position, position + count)
        places = sum(columns[index].places for index in members)
        position += count
        groups.append(across(_head(text, table, members), places, last=position == len(columns)))
        rules += [rf"\cmidrule(lr){{{start}-{start + places - 1}}}"] if text else []
        start += places
    if rules:
        lines += [rf"& {' & '.join(groups)} \\", "".join(rules)]
    lines.append(_over(table, latex(layout.row_header), [c.line.label for c in columns]))
    under = cells.under([column.line for column in columns], layout.cell_header)
    return [*lines, _over(table, "", under)] if under else lines


def _over(table: Table, name: str, texts: Sequence[str]) -> str:
    last = len(table.columns) - 1
    heads = [
        across(_head(text, table, [index]), column.places, last=index == last)
        for index, (text, column) in enumerate(zip(texts, table.columns, strict=True))
    ]
    return rf"{name} & {' & '.join(heads)} \\".lstrip()


def _head(text: str, table: Table, members: Sequence[int]) -> str:
    """Return the head of some columns; one that is too long in lines below each other.

    A head over several places must not be wider than they are: what is too much TeX gives to the
    last place, and numbers of one cell come apart.
    """
    places = sum(table.columns[index].places for index in members)
    space = 2 * separation(table) * (len(members) - 1)
    width = sum(_inside(table, index) for index in members) + space
    longest = max(map(len, text.split()), default=0)
    if places == 1:
        fits, width = len(text) <= _LONG_HEAD, 100.0
    else:
        # A single word cannot be broken.
        fits = len(text) * _CHAR <= width or longest == len(text)
    if fits:
        return latex(text)
    return rf"\parbox[b]{{{max(width, longest * _CHAR + 6):.0f}pt}}{{\centering {latex(text)}}}"
