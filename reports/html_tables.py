"""The tables of the HTML page as data for its template: the paper's own and the achieved ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..tables.layout import Line
from ..tables.model import Block, MethodRuns, TableModel
from ..tables.outcome import EXTRAPOLATED, EXTRAPOLATED_MEANING
from ..tables.printed import ReportedBlock
from ..tables.quantities import title as quantity_title
from . import cells, html_facts, notes
from .html_cells import (
    achieved_parts,
    number_part,
    outcome_part,
    reported_parts,
    row_style,
    spread,
)
from .html_verdicts import Places, signs
from .html_views import View, view_of


def _columns(columns: Sequence[Line], model: TableModel) -> dict[str, Any]:
    """Return the head rows of a table."""
    layout = model.target.layout
    spans = cells.spans(columns, layout.column_header)
    under = cells.under(columns, layout.cell_header) or [""] * len(columns)
    return {
        "spans": spans if any(text for text, _ in spans) else [],
        "names": list(zip([column.label for column in columns], under, strict=True)),
    }


def reported(model: TableModel) -> dict[str, Any] | None:
    """Return the section of the paper's own tables; None where there is none to show."""
    paper = model.target.paper
    if not model.reported or paper is None:
        return None
    own = model.target.layout.block_per_method
    return {
        "heading": f"{model.reported[0].title}, as reported" if own else "As reported",
        "tables": [_reported_table(model, block) for block in model.reported],
        "column": model.target.layout.column_header,
        "stated": [
            {
                "method": stated.method,
                "row": stated.row,
                "metric": quantity_title(stated.number.metric),
                "column": stated.column,
                "value": str(stated.number.value),
                "note": stated.number.note,
            }
            for block in model.reported
            for stated in block.stated
        ],
        "notes": (*model.target.notes, *paper.notes),
    }


def _reported_table(model: TableModel, block: ReportedBlock) -> dict[str, Any]:
    lines = [row.spec for row in block.rows]
    return {
        "title": block.title,
        "head": _columns(block.columns, model),
        "rows": [
            {
                "label": row.spec.label,
                "style": row_style(lines, index),
                "cells": [reported_parts(cell) for cell in row.cells],
            }
            for index, row in enumerate(block.rows)
        ],
        "notes": notes.table_notes(model, block),
    }


def achieved(
    model: TableModel, block: Block, index: int, places: Places, opens: Sequence[bool]
) -> dict[str, Any]:
    """Return the section of one achieved table.

    Parameters
    ----------
    model, block, index
        The table, its block, and which one that is.
    places
        Verdicts by place.
    opens
        Whether there is something behind each cell, over all blocks in reading order.
    """
    view = view_of(model, block)
    start = sum(len(row.cells) for other in model.blocks[:index] for row in other.rows)
    methods = cells.block_methods(model, block)
    single = block.method is not None
    title = cells.block_title(model, block)
    rows = _rows(block, places, view, dict(enumerate(opens[start:], start)))
    return {
        "id": f"method-{index + 1}" if single else f"table-{index + 1}",
        "title": title.removesuffix(", achieved") if single else title,
        "link": title.removesuffix(", achieved"),
        "region": f"{title.removesuffix(', achieved')} achieved",
        "made": html_facts.made_with(methods[0]) if single and methods else "",
        "sentences": cells.comparison_sentences(model, block),
        "caption": f"{title}. {model.target.caption}",
        "head": _columns(model.columns, model),
        "rows": rows,
        "judged": any(cell["signs"] for row in rows for cell in row["cells"]),
        "views": view is not None,
        "pairs": _pairs(model, block) if single else [],
        "apart": None if single else _apart(model, block),
        "unit": cells.difference_unit(model),
        "pair_notes": notes.compared_notes(model, block, model.columns),
        "reached": notes.reached_note(model, block),
        "extrapolated": _extrapolated(model, block),
        "tolerance": _tolerance(model),
        "methods": [_method(model, method, single=single) for method in methods]
        if index == 0 or single
        else [],
    }


def _rows(
    block: Block, places: Places, view: View | None, opens: Mapping[int, bool]
) -> list[dict[str, Any]]:
    lines = [row.spec for row in block.rows]
    number = iter(opens)
    return [
        {
            "label": row.spec.label,
            "style": row_style(lines, position),
            "cells": [
                {
                    "number": (own := next(number)),
                    "opens": opens[own],
                    "parts": achieved_parts(cell),
                    "sd": spread(cell.entries),
                    "few": cells.seeds_note(cell),
                    "off": cells.off_level(cell),
                    "signs": signs(places, cell),
                    **(view.of(cell, row.spec, column) if view else {}),
                }
                for column, cell in enumerate(row.cells)
            ],
        }
        for position, row in enumerate(block.rows)
    ]


def _pairs(model: TableModel, block: Block) -> list[dict[str, Any]]:
    return [
        {
            "row": label,
            "column": column,
            "metric": quantity_title(entry.metric),
            "reported": number_part(entry.reported)["text"],
            "note": entry.reported.note if entry.reported else "",
            "off": entry.off_level,
            "achieved": outcome_part(entry)["text"],
            "difference": cells.difference(entry),
        }
        for label, column, entry in cells.compared(block, model.columns)
    ]


def _apart(model: TableModel, block: Block) -> dict[str, Any] | None:
    apart = cells.differences_apart(model, block, lambda text, _bold: text)
    return {"head": _columns(apart.columns, model), "rows": apart.rows} if apart.rows else None


def _extrapolated(model: TableModel, block: Block) -> list[str]:
    if block is not model.blocks[0] or not cells.extrapolated(model):
        return []
    return [f"{EXTRAPOLATED} {EXTRAPOLATED_MEANING}.", *cells.extrapolated(model)]


def _tolerance(model: TableModel) -> str:
    tolerance = model.target.tolerance
    if tolerance is None:
        return ""
    return f"Tolerance of the target: {tolerance.points:g} points; {tolerance.source}."


def _method(model: TableModel, method: MethodRuns, *, single: bool) -> dict[str, Any]:
    return {
        "title": "" if single else method.title,
        "made": "" if single else html_facts.made_with(method),
        "facts": html_facts.method_facts(model, method),
        "settings": html_facts.settings(method),
    }
