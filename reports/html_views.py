"""The three views of a table: achieved, as the paper reports it, and the difference of the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..tables.formatting import Mark
from ..tables.layout import Line
from ..tables.model import Block, Cell, TableModel
from ..tables.printed import ReportedCell
from ..tables.spec import Misprint, ReportedNumber
from . import cells
from .html_cells import Part, reported_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the paper prints at the places of a block, and why it may not be subtracted.

    Attributes
    ----------
    numbers, misprints, signs
        What is printed, by ids of block, row and column (and quantity).
    block, columns
        Ids of the block and of its columns.
    barred
        Method → why its numbers are not set against the paper's.
    """

    numbers: Mapping[tuple[str, str, str, str], ReportedNumber]
    misprints: Mapping[tuple[str, str, str], Misprint]
    signs: Mapping[tuple[str, str, str, str], str]
    block: str
    columns: tuple[Line, ...]
    barred: Mapping[str, str]

    def of(self, cell: Cell, row: Line, column: int) -> dict[str, Any]:
        """Return the reported parts of a cell, and the parts of its difference."""
        printed = self._printed(cell, row, self.columns[column])
        return {"reported": reported_parts(printed), "apart": self._apart(cell, printed)}

    def _printed(self, cell: Cell, row: Line, column: Line) -> ReportedCell:
        at = (self.block, row.id, column.id)
        return ReportedCell(
            place=cell.place,
            numbers=tuple(self.numbers.get((*at, name)) for name in cell.place.metrics),
            misprint=self.misprints.get(at),
            signs={
                name: self.signs[*at, name]
                for name in cell.place.metrics
                if (*at, name) in self.signs
            },
        )

    def _apart(self, cell: Cell, printed: ReportedCell) -> list[Part]:
        reason = self.barred.get(cell.entries[0].method, "")
        if reason and any(number is not None for number in printed.numbers):
            if all(entry.outcome.mark is Mark.NOT_RUN for entry in cell.entries):
                return [_mark(Mark.NOT_RUN.symbol, Mark.NOT_RUN.meaning)]
            return [_mark(cells.NOT_COMPARABLE, f"not comparable: {reason}")]
        compared = any(entry.reported is not None for entry in cell.entries)
        meaning = "" if compared else Mark.NOT_REPORTED.meaning
        return [_mark(cells.differences(cell, lambda text, _bold: text), meaning)]


def view_of(model: TableModel, block: Block) -> View | None:
    """Return the views of a block; None where the paper prints nothing at its places.

    On synthetic data nothing is reported, see `assemble.build_model`.
    """
    target = model.target
    if not model.reported:
        return None
    places = {(block.spec.id, row.spec.id, c.id) for row in block.rows for c in model.columns}
    numbers = {n.key: n for n in target.numbers if n.key[:3] in places}
    misprints = {m.key: m for m in target.misprints if m.key in places}
    if not numbers and not misprints:
        return None
    barred = {m.name: "; ".join(m.departures) for m in model.methods if m.departures}
    return View(
        numbers=numbers,
        misprints=misprints,
        signs={b.key: b.text for b in target.blanks if b.key[:3] in places},
        block=block.spec.id,
        columns=model.columns,
        barred=barred,
    )


def _mark(text: str, title: str) -> Part:
    return {"kind": "mark", "text": text, "title": title, "style": "", "bold": False}
