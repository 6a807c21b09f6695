"""What a noise-robustness figure shows: panels of curves, taken from the model of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..tables.layout import Line
from ..tables.model import Block, Cell, Entry, TableModel
from ..tables.printed import ReportedCell
from ..tables.spec import ReportedNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One quantity of one method over the noise levels.

    Attributes
    ----------
    method, title
        Method and its printed name.
    color
        Index of its colour and marker: the method's place among all methods of the report.
    dash
        Index of its dash: the quantity's place in the cell pattern.
    entries
        Level in percent and achieved entry; empty for a method that did not run.
    reported
        Level and reported number, where they may stand beside the achieved ones.
    """

    method: str
    title: str
    color: int
    dash: int
    entries: tuple[tuple[float, Entry], ...] = ()
    reported: tuple[tuple[float, ReportedNumber], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw but reported numbers."""
        return all(entry.outcome.estimate is None for _, entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One drawing: achieved curves, and the paper's own curves apart, in grey.

    Attributes
    ----------
    title
        Printed over it.
    curves
        Achieved, with the reported numbers of the same method.
    paper
        The paper's own curves where methods have blocks: possibly of another method.
    """

    title: str
    curves: tuple[Curve, ...]
    paper: tuple[Curve, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is no achieved number."""
        return all(curve.empty for curve in self.curves)


def panels(model: TableModel) -> tuple[Panel, ...]:
    """Return the panels of a table over noise levels; none where the columns are something else."""
    if not model.over_noise or not model.blocks:
        return ()
    if model.target.layout.block_per_method:
        return tuple(_row_panel(model, row) for row in model.curve)
    return tuple(_block_panel(model, block) for block in model.blocks)


def _row_panel(model: TableModel, row: Line) -> Panel:
    """Draw one row of every method's block."""
    curves = []
    order = method_order(model)
    for block in model.blocks:
        cells = next(r for r in block.rows if r.spec.id == row.id).cells
        name = block.method or ""
        curves += [
            Curve(
                method=name,
                title=model.method_title(name),
                color=order.index(name),
                dash=position,
                entries=_entries(model.columns, cells, position),
                reported=_compared(model.columns, cells, position),
            )
            for position in range(len(cells[0].entries))
        ]
    return Panel(title=row.label, curves=tuple(curves), paper=_paper_curves(model, row))


def _paper_curves(model: TableModel, row: Line) -> tuple[Curve, ...]:
    if row.id not in model.beside:
        return ()
    block = model.reported[0]
    cells = next(r for r in block.rows if r.spec.id == row.id).cells
    return tuple(
        Curve(
            method=block.spec.id,
            title=reported_name(model),
            color=0,
            dash=position,
            reported=_printed(block.columns, cells, position),
        )
        for position in range(len(cells[0].numbers))
    )


def _block_panel(model: TableModel, block: Block) -> Panel:
    """Draw every row of a block, and beside it what the paper reports of the same method."""
    rows = [
        (own.columns, row)
        for own in (model.reported if block.spec.id in model.beside else ())
        if own.spec.id == block.spec.id
        for row in own.rows
    ]
    curves = []
    for index, name in enumerate(method_order(model)):
        cells = next((r.cells for r in block.rows if r.spec.at.method == name), ())
        own = next(((c, row.cells) for c, row in rows if row.spec.at.method == name), None)
        entries = len(cells[0].entries) if cells else 0
        for position in range(max(entries, len(own[1][0].numbers) if own else 0)):
            curves.append(
                Curve(
                    method=name,
                    title=model.method_title(name),
                    color=index,
                    dash=position,
                    entries=_entries(model.columns, cells, position) if cells else (),
                    reported=_printed(*own, position) if own else (),
                )
            )
    return Panel(title=block.spec.label or model.target.title, curves=tuple(curves))


def method_order(model: TableModel) -> tuple[str, ...]:
    """List the methods of a report: each has one colour and marker in all figures, by its place.

    Those that ran come first, then those of which only reported numbers are drawn.
    """
    printed = model.reported if model.beside else ()
    rows = (row for block in printed for row in block.rows)
    blocks = (block.method for block in model.blocks)
    names = [method.name for method in model.methods]
    names += [name for name in (*blocks, *(row.spec.at.method for row in rows)) if name]
    return tuple(dict.fromkeys(names))


def _level(line: Line) -> float:
    return line.at.noise if line.at.noise is not None else 0.0


def _entries(
    columns: Sequence[Line], cells: Sequence[Cell], position: int
) -> tuple[tuple[float, Entry], ...]:
    return tuple(
        (_level(column), cell.entries[position])
        for column, cell in zip(columns, cells, strict=True)
    )


def _compared(
    columns: Sequence[Line], cells: Sequence[Cell], position: int
) -> tuple[tuple[float, ReportedNumber], ...]:
    found = _entries(columns, cells, position)
    return tuple((x, entry.reported) for x, entry in found if entry.reported is not None)


def _printed(
    columns: Sequence[Line], cells: Sequence[ReportedCell], position: int
) -> tuple[tuple[float, ReportedNumber], ...]:
    return tuple(
        (_level(column), number)
        for column, cell in zip(columns, cells, strict=True)
        if (number := cell.numbers[position]) is not None
    )


def reported_name(model: TableModel) -> str:
    """Name the paper's numbers where they stand beside achieved ones of possibly other methods."""
    if not model.reported:
        return ""
    block = model.reported[0]
    own = next((m for m in model.methods if m.name == block.spec.id), None)
    aside = " (other method)" if own is None else " (other settings)" if own.departures else ""
    return f"{block.title}, as reported{aside}"
