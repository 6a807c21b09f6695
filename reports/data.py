"""A table as plain values for programs: what every other output shows, at full precision."""

from __future__ import annotations

from typing import Any

from ..tables.formatting import Mark
from ..tables.layout import Line
from ..tables.model import Block, BlockRow, Entry, MethodRuns, TableModel, reason
from ..tables.quantities import QUANTITIES
from . import marks

SCHEMA = 1


def table_document(model: TableModel) -> dict[str, Any]:
    """Return a table as plain JSON values.

    Returns
    -------
    dict
        ``numbers`` has a line per block, row, column and quantity. ``shown`` has the unit and the
        digits of every other output, or the mark that stands there; ``mean`` and ``sd`` have full
        precision and are fractions where the unit is percent; ``reported`` is as printed, only
        where it may be compared; ``difference`` is in the unit (points for percent). ``marks``
        explains every mark that may stand in place of a number.
    """
    return {
        "schema": SCHEMA,
        "name": model.target.name,
        "title": model.target.title,
        "caption": model.target.caption,
        "synthetic": model.synthetic,
        "methods": [_method(method) for method in model.methods],
        "marks": {
            mark.name.lower(): {"symbol": mark.symbol, "meaning": mark.meaning} for mark in Mark
        },
        "occurring_marks": [mark.name.lower() for mark in marks.legend(model)],
        "numbers": [
            _number(block, row, column, entry)
            for block in model.blocks
            for row in block.rows
            for column, cell in zip(model.columns, row.cells, strict=True)
            for entry in cell.entries
        ],
        "failures": [{"cell": run.label, "reason": reason(run.error)} for run in model.failures],
        "notes": list(model.notes),
    }


def _method(method: MethodRuns) -> dict[str, Any]:
    return {
        "name": method.name,
        "title": method.title,
        "seeds": method.seeds,
        "backbone": list(method.facts["backbone"]),
        "image_size": list(method.facts["image_size"]),
        "protocol": list(method.facts["protocol"]),
        "comparable": method.comparable,
        "departures": list(method.departures),
    }


def _number(block: Block, row: BlockRow, column: Line, entry: Entry) -> dict[str, Any]:
    found, outcome = entry.outcome.estimate, entry.outcome
    return {
        "block": block.spec.id,
        "method": entry.method,
        "row": row.spec.id,
        "column": column.id,
        "metric": entry.metric,
        "unit": QUANTITIES[entry.metric].unit.value,
        "shown": outcome.text(),
        "mean": float(found.mean) if found else None,
        "sd": found.sd if found else None,
        "n": found.n if found else 0,
        "mark": outcome.mark.name.lower() if outcome.mark else None,
        "detail": outcome.detail,
        "best": entry.best,
        "reported": str(entry.reported.value) if entry.reported else None,
        "reported_shown": str(entry.reported.value) if entry.reported else Mark.NOT_REPORTED.symbol,
        "difference": None if entry.difference is None else float(entry.difference),
    }
