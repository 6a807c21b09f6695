"""Cells of a LaTeX table as numbers and words, so that siunitx can align each number by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..tables.formatting import Mark
from ..tables.layout import Line
from ..tables.model import Block, Cell, Entry
from ..tables.pattern import MetricRef, parse_pattern
from ..tables.printed import SIC, ReportedBlock, ReportedCell
from . import cells
from .escape import latex

DAGGER, DOUBLE_DAGGER = r"$^{\dagger}$", r"$^{\ddagger}$"
_DIGITS = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_PLUS_MINUS = r"$\pm$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A number, or words in the place of one.

    Attributes
    ----------
    digits
        The number as shown; empty where words stand instead.
    bold
        Whether it is set in bold.
    before, after
        LaTeX around the number, or all there is where ``digits`` is empty.
    """

    digits: str = ""
    bold: bool = False
    before: str = ""
    after: str = ""


# What stands in one cell: a part per place of its column, or one part across all of them.
Field = tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the paper's table: how many aligned places it has and what joins them."""

    line: Line
    joints: tuple[str, ...] = ()

    @property
    def places(self) -> int:
        """Number of columns that it takes in LaTeX."""
        return len(self.joints) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row: its printed name, the group that a rule sets apart, and a field per column."""

    label: str
    group: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table before it becomes LaTeX."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def number(text: str, *, bold: bool = False, before: str = "", after: str = "") -> Part:
    """Return digits as a number; anything else becomes words."""
    if _DIGITS.fullmatch(text):
        return Part(digits=text, bold=bold, before=before, after=after)
    shown = _bold(latex(text)) if bold else latex(text)
    return Part(after=f"{before}{shown}{after}")


def words(text: str) -> Part:
    """Return a part without a number."""
    return Part(after=latex(text))


def achieved_table(block: Block, columns: Sequence[Line]) -> Table:
    """Return the achieved numbers, with the signs that explain them."""

    def field(cell: Cell) -> Field:
        parts = tuple(_achieved(entry) for entry in cell.entries)
        alike = len(set(parts)) == 1 and not parts[0].digits
        return parts[:1] if alike else parts

    return _table(block, columns, field, finish=_signed)


def difference_table(block: Block, columns: Sequence[Line]) -> Table:
    """Return achieved minus reported, of the rows and columns that have a reported number."""

    def field(cell: Cell) -> Field:
        if all(entry.reported is None for entry in cell.entries):
            return (words(Mark.NOT_REPORTED.symbol),)
        return tuple(number(cells.difference_text(entry)) for entry in cell.entries)

    rows, kept = cells.compared_lines(block)
    shown = replace(
        block,
        rows=tuple(replace(row, cells=tuple(row.cells[index] for index in kept)) for row in rows),
    )
    return _table(shown, [columns[index] for index in kept], field)


def spread_table(block: Block, columns: Sequence[Line], metrics: Collection[str]) -> Table:
    """Return achieved numbers, deviations over seeds, and the reported numbers in parentheses.

    A cell shows at most one of the quantities.

    Deviations and parentheses have a place of their own only in columns where one stands; columns
    that show none of the quantities are left out.
    """
    made, fields = [], []
    for index, line in enumerate(columns):
        own = [_only(row.cells[index], metrics) for row in block.rows]
        entries = [entry for cell in own for entry in cell.entries]
        if not entries:
            continue
        deviates = any(_sd(entry) for entry in entries)
        compared = any(entry.reported is not None for entry in entries)
        bare = replace(line, header="")
        made.append(Column(line=bare, joints=("",) * (deviates + compared)))
        fields.append([_spread(cell, deviates, compared) for cell in own])
    return Table(columns=tuple(made), rows=_rows(block, fields))


def reported_table(block: ReportedBlock) -> Table:
    """Return the paper's own numbers with digits, bold marks, dashes and misprints as printed."""
    none = Mark.NOT_REPORTED.symbol

    def field(cell: ReportedCell) -> Field:
        if cell.misprint is not None:
            return (words(f"{cell.misprint.text} {SIC}"),)
        if all(n is None for n in cell.numbers) and not cell.signs:
            return (words(none),)
        names = cell.place.metrics
        return tuple(
            words(cell.signs.get(name, none)) if n is None else number(str(n.value), bold=n.bold)
            for name, n in zip(names, cell.numbers, strict=True)
        )

    return _table(block, block.columns, field)


def _achieved(entry: Entry) -> Part:
    found = entry.outcome.estimate
    if found is None:
        return words(entry.outcome.text())
    return number(found.text, bold=entry.best, after=DOUBLE_DAGGER if found.extrapolated else "")


def _signed(cell: Cell | ReportedCell, field: Field) -> Field:
    """Add the dagger and the number of seeds behind a cell's last part."""
    if isinstance(cell, ReportedCell):
        return field
    note = cells.seeds_note(cell)
    text = DAGGER if cells.off_level(cell) else ""
    text += rf"\,{{\tiny {latex(note)}}}" if note else ""
    return (*field[:-1], replace(field[-1], after=field[-1].after + text))


def _only(cell: Cell, metrics: Collection[str]) -> Cell:
    return replace(cell, entries=tuple(e for e in cell.entries if e.metric in metrics))


def _sd(entry: Entry) -> str:
    found = entry.outcome.estimate
    return found.sd_text if found is not None else ""


def _spread(cell: Cell, deviates: bool, compared: bool) -> Field:
    if not cell.entries:
        return (Part(),)
    (entry,) = cell.entries
    head = _signed(cell, (_achieved(entry),))
    if not head[0].digits and entry.reported is None:
        return head
    sd, reported = _sd(entry), entry.reported
    middle = (number(sd, before=_PLUS_MINUS) if sd else Part(),)
    last = (number(str(reported.value), before="(", after=")") if reported else Part(),)
    return (*head, *(middle if deviates else ()), *(last if compared else ()))


def _table(
    block: Block | ReportedBlock,
    columns: Sequence[Line],
    field: Callable[..., Field],
    *,
    finish: Callable[[Any, Field], Field] = lambda _cell, made: made,
) -> Table:
    """Lay a block out; a column whose rows differ in their pattern is one place of words."""
    made, fields = [], []
    for index, line in enumerate(columns):
        own = [row.cells[index] for row in block.rows]
        alike = len({cell.place.cell for cell in own}) == 1
        frame = _literals(own[0].place.cell or "") if alike else ()
        made.append(Column(line=line, joints=frame[1:-1]))
        shown = (_framed(field(cell), _literals(cell.place.cell or "")) for cell in own)
        fields.append(
            [finish(c, f if alike else _joined(c, f)) for c, f in zip(own, shown, strict=True)]
        )
    return Table(columns=tuple(made), rows=_rows(block, fields))


def _rows(block: Block | ReportedBlock, fields: Sequence[Sequence[Field]]) -> tuple[Row, ...]:
    return tuple(
        Row(label=row.spec.label, group=row.spec.group, fields=tuple(own[i] for own in fields))
        for i, row in enumerate(block.rows)
    )


def _literals(pattern: str) -> tuple[str, ...]:
    """Return the texts before, between and behind the quantities of a cell pattern, as LaTeX."""
    found = [""]
    for part in parse_pattern(pattern):
        if isinstance(part, MetricRef):
            found.append("")
        else:
            found[-1] = latex_spaced(part)
    return tuple(found)


def _framed(field: Field, literals: Sequence[str]) -> Field:
    """Put the outer texts of the pattern around a field; not around a mark alone."""
    if not any(part.digits for part in field):
        return field
    first = replace(field[0], before=literals[0] + field[0].before)
    framed = (first, *field[1:])
    return (*framed[:-1], replace(framed[-1], after=framed[-1].after + literals[-1]))


def _joined(cell: Cell | ReportedCell, field: Field) -> Field:
    """Write a field as one text."""
    texts = [f"{p.before}{_bold(p.digits) if p.bold else p.digits}{p.after}" for p in field]
    between = (*_literals(cell.place.cell or "")[1 : len(texts)], "")
    return (Part(after="".join(t + b for t, b in zip(texts, between, strict=True))),)


def _bold(text: str) -> str:
    return rf"\textbf{{{text}}}"


def latex_spaced(text: str) -> str:
    """Escape a literal of a pattern, whose outer spaces count."""
    ends = [" " if text != text.lstrip() else "", " " if text != text.rstrip() else ""]
    return f"{ends[0]}{latex(text)}{ends[1] if text.strip() else ''}".replace(" ", "~")
