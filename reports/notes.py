"""Footnotes: levels that were not reached, and what a paper's file notes on a reported number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..tables.layout import Line
from ..tables.model import Block, TableModel
from ..tables.printed import SIC, ReportedBlock
from ..tables.quantities import title
from ..tables.spec import ReportedNumber
from . import cells

DAGGER, DAGGER_ASCII = "†", "+"
_MEANING = "another noise level was reached than the nominal one"
_NEAREST = " (whole images come no nearer)"
DAGGER_TITLE = f"{_MEANING}; see the line below the table"

# A number of a table with the labels of its row and column.
Placed = tuple[str, str, ReportedNumber]


def reached_note(model: TableModel, block: Block, *, ascii_only: bool = False) -> str:
    """Explain the dagger in a table, without the dagger; empty where none stands.

    ``"another noise level …: Grid 50% → 48.8%"``: category, nominal level, reached level. A level
    that is the nearest which whole images give is said to be.
    """
    labels = {(dataset, category): label for dataset, category, label in model.categories}
    levels: dict[tuple[str, str], list[str]] = {}
    for entry in block.entries:
        missed = entry.training.missed if entry.off_level else ()
        for dataset, category, nominal, reached, nearest in missed:
            found = levels.setdefault((labels.get((dataset, category), category), nominal), [])
            text = f"{reached}%{_NEAREST * nearest}"
            if text not in found:
                found.append(text)
    arrow = "->" if ascii_only else "→"
    places = [
        f"{label} {nominal}% {arrow} {', '.join(reached)}"
        for (label, nominal), reached in levels.items()
    ]
    return f"{_MEANING}: {'; '.join(places)}." if places else ""


def reported_notes(model: TableModel, numbers: Iterable[Placed]) -> list[str]:
    """Say what is noted on reported numbers; methods with the same notes share a sentence."""
    methods: dict[str, list[Placed]] = {}
    for placed in numbers:
        methods.setdefault(placed[2].method, []).append(placed)
    sentences: dict[tuple[str, str], list[str]] = {}
    for name, shown in methods.items():
        places: dict[str, list[str]] = {}
        for row, column, number in shown:
            where = f"{row} {column} ({title(number.metric)})"
            places.setdefault(number.note, []).append(where)
        for note, found in places.items():
            where = "all" if len(found) == len(shown) else "; ".join(found)
            if note:
                sentences.setdefault((where, note), []).append(model.method_title(name))
    return [
        f"{', '.join(names)} as reported, {where}: {note}"
        for (where, note), names in sentences.items()
    ]


def table_notes(model: TableModel, block: ReportedBlock) -> list[str]:
    """Return the notes on the numbers of one of the paper's tables."""
    placed = [
        (row.spec.label, column.label, cell)
        for row in block.rows
        for column, cell in zip(block.columns, row.cells, strict=True)
    ]
    numbers = [
        (row, column, number)
        for row, column, cell in placed
        for number in cell.numbers
        if number is not None
    ]
    misprints = [
        f"{cell.misprint.text} {SIC}, {row} {column}: {cell.misprint.note}"
        for row, column, cell in placed
        if cell.misprint is not None and cell.misprint.note
    ]
    return [*reported_notes(model, numbers), *misprints]


def compared_notes(model: TableModel, block: Block, columns: Sequence[Line]) -> list[str]:
    """Return the notes on the reported numbers that a table is compared with."""
    return reported_notes(
        model,
        (
            (row, column, entry.reported)
            for row, column, entry in cells.compared(block, columns)
            if entry.reported is not None
        ),
    )
