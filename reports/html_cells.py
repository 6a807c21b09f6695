"""Cells of the HTML tables as parts: numbers with a shade, marks with their meaning, literals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from ..tables.formatting import Mark, percent, percent_value, points
from ..tables.model import Entry, TableModel
from ..tables.spec import METRICS, MetricRef, ReportedNumber, parse_pattern
from . import cells
from .figures import reported_name

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
    if outcome.estimate is not None:
        style = heat(percent_value(outcome.estimate.mean))
        return {"kind": "number", "text": outcome.text(), "style": style, "bold": bold}
    return _mark(outcome.mark or Mark.NOT_RUN, outcome.text(), outcome.detail)


def number_part(number: ReportedNumber | None) -> Part:
    """Return a reported number as printed, or the mark for none."""
    if number is None:
        return _mark(Mark.NOT_REPORTED, Mark.NOT_REPORTED.symbol)
    style = heat(number.value)
    return {
        "kind": "number",
        "text": str(number.value),
        "style": style,
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


def achieved_parts(model: TableModel, entries: Sequence[Entry]) -> list[Part]:
    """Fill the cell pattern; entries that all bear the same mark show it once."""
    texts = {entry.outcome.text() for entry in entries}
    if all(entry.outcome.estimate is None for entry in entries) and len(texts) == 1:
        return [outcome_part(entries[0])]
    known = {entry.metric: entry for entry in entries}
    return _fill(model, lambda name: outcome_part(known[name], bold=known[name].best))


def reported_parts(model: TableModel, numbers: Sequence[ReportedNumber | None]) -> list[Part]:
    """Fill the cell pattern with printed numbers."""
    if all(number is None for number in numbers):
        return [number_part(None)]
    known = {number.metric: number for number in numbers if number is not None}
    return _fill(model, lambda name: number_part(known.get(name)))


def _fill(model: TableModel, one: Callable[[str], Part]) -> list[Part]:
    return [
        one(part.name)
        if isinstance(part, MetricRef)
        else {"kind": "literal", "text": part, "style": "", "bold": False}
        for part in parse_pattern(model.target.layout.cell)
    ]


def spread(entries: Sequence[Entry]) -> str:
    """Return the deviations of a cell in the order of its metrics, nothing if there are none."""
    found = [e.outcome.estimate.sd if e.outcome.estimate else None for e in entries]
    if all(sd is None for sd in found):
        return ""
    return " / ".join(Mark.UNDEFINED.symbol if sd is None else percent(sd) for sd in found)


def row_style(model: TableModel, index: int) -> str:
    """Return the style classes of a row: a rule where the group changes, weight for averages."""
    rows = model.target.layout.rows
    cut = index > 0 and rows[index].group != rows[index - 1].group
    return " ".join(n for n, on in (("cut", cut), ("whole", rows[index].average_of)) if on)


def overview(model: TableModel) -> dict[str, Any]:
    """Return each curve row at the first and the last level, and the change between them."""
    first, last = model.columns[0], model.columns[-1]
    heads = [model.column_label(first)]
    if first != last:
        heads += [model.column_label(last), "change"]
    picked = [
        i for i, r in enumerate(model.target.layout.rows) if r.id in model.target.layout.curve
    ]
    lines = []
    for block in model.blocks:
        for position, metric in enumerate(model.target.layout.metrics):
            items: list[Part] = []
            for index in picked:
                row = block.rows[index].cells
                ends = [row[0][position], row[-1][position]][: 2 if first != last else 1]
                items += [outcome_part(e) | {"sd": spread([e]), "off": e.off_level} for e in ends]
                if len(ends) == 2:
                    items.append(_change(ends))
            lines.append(_line(block.title, metric, items, position))
    if model.reported is not None and set(model.beside) & set(model.target.layout.curve):
        title = reported_name(model)
        for position, metric in enumerate(model.target.layout.metrics):
            items = []
            for index in picked:
                printed = model.reported.rows[index].cells
                if model.reported.rows[index].spec.id not in model.beside:
                    items += [_difference([])] * len(heads)
                    continue
                both = [printed[0][position], printed[-1][position]][: 2 if first != last else 1]
                items += [number_part(number) | {"sd": "", "bold": False} for number in both]
                if len(both) == 2:
                    items.append(_reported_change(both))
            lines.append(_line(title, metric, items, position))
    return {
        "rows": [model.target.layout.rows[index].label for index in picked],
        "heads": heads,
        "lines": lines,
        "caption": f"{cells.metric_names(model)} at the ends of the noise range, percent; the "
        "change is in percentage points of the digits shown.",
    }


def _line(method: str, metric: str, items: list[Part], position: int) -> Part:
    title = method if position == 0 else ""
    return {"method": title, "metric": METRICS[metric], "cells": items, "cut": position == 0}


def _change(ends: Sequence[Entry]) -> Part:
    found = [entry.outcome.estimate for entry in ends]
    values = [percent_value(e.mean) for e in found if e is not None]
    return _difference(values)


def _reported_change(ends: Sequence[ReportedNumber | None]) -> Part:
    return _difference([number.value for number in ends if number is not None])


def _difference(values: Sequence[Decimal]) -> Part:
    if len(values) < 2:
        return {"kind": "literal", "text": "", "style": "", "bold": False, "sd": ""}
    text = points(values[1] - values[0])
    return {"kind": "number", "text": text, "style": "", "bold": False, "sd": ""}
