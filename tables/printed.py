"""The paper's own tables, laid out as it prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .layout import Arrangement, Line, Place
from .spec import Misprint, ReportedNumber, Target

# Follows what the paper prints and cannot mean.
SIC = "[sic]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCell:
    """A cell of the paper's own table: per quantity the printed number, None where none is.

    A misprint stands in place of all numbers of its cell; ``signs`` gives, by quantity, what is
    printed where there is no number.
    """

    place: Place
    numbers: tuple[ReportedNumber | None, ...]
    misprint: Misprint | None = None
    signs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRow:
    """A row of the paper's own table, a cell per column of its block."""

    spec: Line
    cells: tuple[ReportedCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A number that the paper states of a method whose table it does not print."""

    number: ReportedNumber
    method: str
    row: str
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedBlock:
    """A table of the paper as printed, and the numbers of other methods that it states.

    ``columns`` are those of the table that the paper has numbers for.
    """

    spec: Line
    title: str
    columns: tuple[Line, ...]
    rows: tuple[ReportedRow, ...]
    stated: tuple[Stated, ...] = ()


def reported_blocks(target: Target) -> tuple[ReportedBlock, ...]:
    """Lay out the paper's own tables; none where the target has no paper.

    Rows and columns without any reported number are left out: what is achieved may have more.
    """
    if target.paper is None or not (target.numbers or target.misprints):
        return ()
    methods = tuple(dict.fromkeys(number.method for number in target.numbers))
    grid = target.arranged(methods)
    per_method = target.layout.block_per_method
    wanted = [b for b in grid.blocks if not per_method or b.id == target.reported_method]
    blocks = [_reported_block(target, grid, block) for block in wanted]
    return tuple(block for block in blocks if block.rows)


def _reported_block(target: Target, grid: Arrangement, block: Line) -> ReportedBlock:
    numbers = {number.key: number for number in target.numbers}
    misprints = {misprint.key: misprint for misprint in target.misprints}
    blanks = {blank.key: blank.text for blank in target.blanks}

    def cell(row: Line, column: Line) -> ReportedCell:
        place = grid.place(block, row, column)
        keys = [(block.id, row.id, column.id, name) for name in place.metrics]
        return ReportedCell(
            place=place,
            numbers=tuple(numbers.get(key) for key in keys),
            misprint=misprints.get((block.id, row.id, column.id)),
            signs={key[3]: blanks[key] for key in keys if key in blanks},
        )

    ids = {key[:3] for key in (*numbers, *blanks)} | set(misprints)
    columns = [c for c in grid.columns if any((block.id, r.id, c.id) in ids for r in grid.rows)]
    rows = [
        ReportedRow(spec=_as_printed(row), cells=tuple(cell(row, column) for column in columns))
        for row in grid.rows
        if any((block.id, row.id, column.id) in ids for column in columns)
    ]
    paper = f"{target.paper.short}, {target.title}" if target.paper else target.title
    return ReportedBlock(
        spec=block,
        title=block.label or paper,
        columns=tuple(map(_as_printed, columns)),
        rows=tuple(rows),
        stated=_stated(target, grid) if target.layout.block_per_method else (),
    )


def _as_printed(line: Line) -> Line:
    """Give a line the name that the paper prints, marked where it is not the line's own."""
    return replace(line, label=f"{line.printed} {SIC}") if line.printed else line


def _stated(target: Target, grid: Arrangement) -> tuple[Stated, ...]:
    rows = {row.id: row.label for row in grid.rows}
    columns = {column.id: column.label for column in grid.columns}
    named = target.paper.methods if target.paper else {}
    return tuple(
        Stated(
            number=number,
            method=named.get(number.method, number.method),
            row=rows[number.row],
            # A level that this run leaves out still has its name.
            column=columns.get(number.column, target.layout.column_label.format(number.column)),
        )
        for number in target.numbers
        if number.method != target.reported_method
    )
