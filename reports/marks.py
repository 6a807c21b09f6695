"""The legend of marks: which stand in a table in place of numbers, and what each means."""

from __future__ import annotations

from ..tables.formatting import Mark
from ..tables.model import TableModel
from . import cells


def legend(model: TableModel) -> list[Mark]:
    """List the marks that occur in a table, among achieved, reported and compared numbers."""
    used = set(cells.marks(model))
    if _unreported(model):
        used.add(Mark.NOT_REPORTED)
    return [mark for mark in Mark if mark in used]


def _unreported(model: TableModel) -> bool:
    """Whether a reported table or one of differences shows a place without a reported number."""
    for table in model.reported:
        for cell in (cell for row in table.rows for cell in row.cells):
            missing = [name for name in cell.place.metrics if name not in cell.signs]
            known = {number.metric for number in cell.numbers if number is not None}
            if cell.misprint is None and any(name not in known for name in missing):
                return True
    for block in model.blocks:
        rows, columns = cells.compared_lines(block)
        shown = [row.cells[index] for row in rows for index in columns]
        if any(entry.reported is None for cell in shown for entry in cell.entries):
            return True
    return False


def sentence(model: TableModel, *, ascii_only: bool = False) -> str:
    """Explain the marks of a table in one line: ``"–: not part of this run; ✗: failed …"``."""
    return "; ".join(
        f"{mark.ascii if ascii_only else mark.symbol}: {mark.meaning}" for mark in legend(model)
    )
