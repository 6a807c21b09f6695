"""A table without the rows and columns that a run has nothing of, for where space is dear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..tables.formatting import Mark
from ..tables.layout import Line
from ..tables.model import Cell, TableModel
from ..tables.printed import ReportedBlock


def without_empty(model: TableModel) -> tuple[TableModel, str]:
    """Leave out rows and columns that no method has anything of, whose cells nobody asked for.

    Parameters
    ----------
    model
        The whole table.

    Returns
    -------
    tuple
        The smaller table, and a sentence on what was left out; empty where nothing was. What failed
        or is pending was asked for and stays, and so does an average that is withheld. Of the
        paper's own tables the same categories and levels go; its methods stay.
    """
    rows = [[block.rows[i].cells for block in model.blocks] for i in range(_height(model))]
    kept_rows = [i for i, own in enumerate(rows) if any(_asked(c) for part in own for c in part)]
    kept_columns = [
        i
        for i in range(len(model.columns))
        if any(_asked(block.rows[r].cells[i]) for block in model.blocks for r in kept_rows)
    ]
    if not kept_rows or (len(kept_rows), len(kept_columns)) == (len(rows), len(model.columns)):
        return model, ""
    blocks = tuple(
        replace(
            block,
            rows=tuple(
                replace(row, cells=tuple(row.cells[i] for i in kept_columns))
                for row in (block.rows[i] for i in kept_rows)
            ),
        )
        for block in model.blocks
    )
    lines = [row.spec for row in model.blocks[0].rows]
    gone = {*_places(lines, kept_rows), *_places(model.columns, kept_columns)}
    smaller = replace(
        model,
        columns=tuple(model.columns[i] for i in kept_columns),
        blocks=blocks,
        reported=tuple(filter(None, (_reported(table, gone) for table in model.reported))),
    )
    return smaller, _said(model, len(kept_rows), len(kept_columns))


def _height(model: TableModel) -> int:
    return len(model.blocks[0].rows) if model.blocks else 0


def _asked(cell: Cell) -> bool:
    """Whether a cell has a number, or a mark that says more than that it was not part of the run.

    An average of which no category is complete says nothing that its categories do not say.
    """
    if any(e.outcome.estimate or e.outcome.mark is not Mark.NOT_RUN for e in cell.entries):
        return not all(
            e.outcome.mark is Mark.INCOMPLETE and e.outcome.detail.startswith("0 of ")
            for e in cell.entries
        )
    return False


def _places(lines: Sequence[Line], kept: Sequence[int]) -> set[str]:
    """Return the ids of lines that are left out and name a place, not a method."""
    return {
        line.id for i, line in enumerate(lines) if i not in set(kept) and line.at.method is None
    }


def _reported(table: ReportedBlock, gone: set[str]) -> ReportedBlock | None:
    columns = [i for i, column in enumerate(table.columns) if column.id not in gone]
    rows = tuple(
        replace(row, cells=tuple(row.cells[i] for i in columns))
        for row in table.rows
        if row.spec.id not in gone
    )
    if not rows or not columns:
        return None
    return replace(table, columns=tuple(table.columns[i] for i in columns), rows=rows)


def _said(model: TableModel, rows: int, columns: int) -> str:
    counts = ((_height(model), rows, "row"), (len(model.columns), columns, "column"))
    parts = [f"{total - kept} of {total} {name}s" for total, kept, name in counts if total != kept]
    one = len(parts) == 1 and parts[0].startswith("1 of")
    have, are = ("has", "is") if one else ("have", "are")
    return f"{' and '.join(parts)} {have} nothing in this run and {are} left out here"
