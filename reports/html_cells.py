"""Cells of the HTML tables as parts: numbers with a shade, marks with their meaning, literals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from ..tables.formatting import Mark, percent_value, signed
from ..tables.layout import Line
from ..tables.model import Cell, Entry, TableModel
from ..tables.outcome import EXTRAPOLATED_MEANING
from ..tables.pattern import MetricRef, parse_pattern
from ..tables.printed import SIC, ReportedCell
from ..tables.quantities import QUANTITIES, Unit, title
from ..tables.spec import ReportedNumber
from . import cells
from .curves import reported_name

# Lower bounds in percent with the text of the legend; below chance first, steps finer near 100.
HEAT = (
    (Decimal(0), "below 50"),
    (Decimal(50), "50"),
    (Decimal(60), "60"),
    (Decimal(70), "70"),
    (Decimal(80), "80"),
    (Decimal(85), "85"),
    (Decimal(90), "90"),
    (Decimal(95), "95"),
    (Decimal(98), "98 and above"),
)

Part = dict[str, Any]


def heat(value: Decimal) -> str:
    """Return the style class of a percentage's shade."""
    return f"h{max(i for i, (low, _) in enumerate(HEAT) if value >= low)}"


def outcome_part(entry: Entry, *, bold: bool = False) -> Part:
    """Return a number with its shade, or a mark with its meaning."""
    outcome = entry.outcome
    found = outcome.estimate
    if found is None:
        return _mark(outcome.mark or Mark.NOT_RUN, outcome.text(), outcome.detail)
    style = heat(percent_value(found.mean)) if found.unit is Unit.PERCENT else ""
    said = f"{EXTRAPOLATED_MEANING} ({found.extrapolated})" if found.extrapolated else ""
    part = {"kind": "number", "text": outcome.text(), "style": style, "bold": bold}
    return part | {"title": said}


def number_part(number: ReportedNumber | None) -> Part:
    """Return a reported number as printed, or the mark for none."""
    if number is None:
        return _mark(Mark.NOT_REPORTED, Mark.NOT_REPORTED.symbol)
    percent = QUANTITIES[number.metric].unit is Unit.PERCENT
    return {
        "kind": "number",
        "text": str(number.value),
        "style": heat(number.value) if percent else "",
        "bold": number.bold,
        "title": number.note,
    }


def _mark(mark: Mark, text: str, detail: str = "") -> Part:
    return {
        "kind": "mark",
        "text": text,
        "title": f"{mark.meaning}{f' ({detail})' if detail else ''}",
        "style": "failed" if mark is Mark.FAILED else "",
        "bold": False,
    }


def achieved_parts(cell: Cell) -> list[Part]:
    """Fill the cell pattern; entries that all bear the same mark show it once."""
    texts = {entry.outcome.text() for entry in cell.entries}
    if all(entry.outcome.estimate is None for entry in cell.entries) and len(texts) == 1:
        return [outcome_part(cell.entries[0])]
    known = {entry.metric: entry for entry in cell.entries}
    return _fill(cell, lambda name: outcome_part(known[name], bold=known[name].best))


def reported_parts(cell: ReportedCell) -> list[Part]:
    """Fill the cell pattern with printed numbers, or show what is printed instead."""
    if cell.misprint is not None:
        part = {"kind": "mark", "text": f"{cell.misprint.text} {SIC}", "style": "", "bold": False}
        return [part | {"title": cell.misprint.note}]
    if all(number is None for number in cell.numbers) and not cell.signs:
        return [number_part(None)]
    known = {number.metric: number for number in cell.numbers if number is not None}

    def one(name: str) -> Part:
        if name in cell.signs:
            return _mark(Mark.NOT_REPORTED, cell.signs[name])
        return number_part(known.get(name))

    return _fill(cell, one)


def _fill(cell: Cell | ReportedCell, one: Callable[[str], Part]) -> list[Part]:
    return [
        one(part.name)
        if isinstance(part, MetricRef)
        else {"kind": "literal", "text": part, "style": "", "bold": False}
        for part in parse_pattern(cell.place.cell or "")
    ]


def spread(entries: Sequence[Entry]) -> str:
    """Return the deviations of a cell in the order of its metrics, nothing if there are none."""
    found = [e.outcome.estimate.sd_text if e.outcome.estimate else "" for e in entries]
    if not any(found):
        return ""
    return " / ".join(text or Mark.UNDEFINED.symbol for text in found)


def row_style(lines: Sequence[Line], index: int) -> str:
    """Return the style classes of a row: a rule where the group changes, weight for averages."""
    cut = index > 0 and lines[index].group != lines[index - 1].group
    return " ".join(n for n, on in (("cut", cut), ("whole", lines[index].at.average_of)) if on)


def overview(model: TableModel) -> dict[str, Any] | None:
    """Return the rows of the curve for all methods, where methods have blocks.

    Over noise each row is shown at the first and the last level with the change between them, else
    in all its columns.
    """
    if not model.target.layout.block_per_method or not model.curve or not model.blocks:
        return None
    picks = list(range(len(model.columns)))
    heads = [column.label for column in model.columns]
    changes = model.over_noise and len(picks) > 1
    if changes:
        picks = [0, len(model.columns) - 1]
        heads = [*(heads[pick] for pick in picks), "change"]
    drawn = [line.id for line in model.curve]
    lines = []
    for block in model.blocks:
        rows = [next(r for r in block.rows if r.spec.id == name) for name in drawn]
        title_of = model.method_title(block.method or "")
        for position in range(len(rows[0].cells[0].entries)):
            items: list[Part] = []
            for row in rows:
                ends = [row.cells[pick].entries[position] for pick in picks]
                items += [outcome_part(e) | {"sd": spread([e]), "off": e.off_level} for e in ends]
                items += [_change(ends)] if changes else []
            metrics = dict.fromkeys(
                title(row.cells[pick].entries[position].metric) for row in rows for pick in picks
            )
            lines.append(_line(title_of, " / ".join(metrics), items, position))
    lines += _reported_lines(model, drawn, picks, changes=changes)
    ends = "at the ends of the noise range, percent; the change is in percentage points of the "
    return {
        "rows": [line.label for line in model.curve],
        "heads": heads,
        "lines": lines,
        "caption": f"{cells.metric_names(model)} "
        + (f"{ends}digits shown." if changes else f"({cells.units(model)})."),
    }


def _reported_lines(
    model: TableModel, drawn: Sequence[str], picks: Sequence[int], *, changes: bool
) -> list[Part]:
    """Return the paper's own lines beside the achieved ones, where they may stand there."""
    if not model.reported or not set(model.beside) & set(drawn):
        return []
    block = model.reported[0]
    rows = {row.spec.id: row for row in block.rows}
    places = {column.id: position for position, column in enumerate(block.columns)}
    lines = []
    for position in range(len(block.rows[0].cells[0].numbers)):
        items: list[Part] = []
        for name in drawn:
            if name not in model.beside:
                items += [_difference([])] * (len(picks) + changes)
                continue
            ids = [model.columns[pick].id for pick in picks]
            both = [
                rows[name].cells[places[i]].numbers[position] if i in places else None for i in ids
            ]
            items += [number_part(number) | {"sd": "", "bold": False} for number in both]
            items += [_reported_change(both)] if changes else []
        metric = block.rows[0].cells[0].place.metrics[position]
        lines.append(_line(reported_name(model), title(metric), items, position))
    return lines


def _line(method: str, metric: str, items: list[Part], position: int) -> Part:
    shown = method if position == 0 else ""
    return {"method": shown, "metric": metric, "cells": items, "cut": position == 0}


def _change(ends: Sequence[Entry]) -> Part:
    found = [entry.outcome.estimate for entry in ends]
    values = [percent_value(e.mean) for e in found if e is not None]
    return _difference(values)


def _reported_change(ends: Sequence[ReportedNumber | None]) -> Part:
    return _difference([number.value for number in ends if number is not None])


def _difference(values: Sequence[Decimal]) -> Part:
    if len(values) < 2:
        return {"kind": "literal", "text": "", "style": "", "bold": False, "sd": ""}
    text = signed(values[1] - values[0], Unit.PERCENT)
    return {"kind": "number", "text": text, "style": "", "bold": False, "sd": ""}
