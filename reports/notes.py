"""Footnotes: levels that were not reached, and what a paper's file notes on a reported number."""

from __future__ import annotations

from collections.abc import Iterable

from ..tables.model import Block, TableModel
from ..tables.spec import METRICS, ReportedNumber
from . import cells

DAGGER, DAGGER_ASCII = "†", "+"
_MEANING = "another noise level was reached than the nominal one"
DAGGER_TITLE = f"{_MEANING}; see the line below the method's table"


def reached_note(model: TableModel, block: Block, *, ascii_only: bool = False) -> str:
    """Explain the dagger in a method's table, without the dagger; empty where none stands.

    ``"another noise level …: Grid 50% → 48.8%"``: category, nominal level, reached level.
    """
    labels = {
        (row.dataset, row.category): row.label for row in model.target.layout.rows if row.dataset
    }
    levels: dict[tuple[str, str], list[str]] = {}
    for row in block.rows:
        for entry in (e for cell in row.cells for e in cell if e.off_level):
            for dataset, category, nominal, reached in entry.training.missed:
                found = levels.setdefault((labels.get((dataset, category), category), nominal), [])
                if reached not in found:
                    found.append(reached)
    arrow = "->" if ascii_only else "→"
    places = [
        f"{label} {nominal}% {arrow} {', '.join(f'{r}%' for r in reached)}"
        for (label, nominal), reached in levels.items()
    ]
    return f"{_MEANING}: {'; '.join(places)}." if places else ""


def reported_notes(model: TableModel, method: str, numbers: Iterable[ReportedNumber]) -> list[str]:
    """Say what is noted on reported numbers of one method, a sentence per distinct note."""
    shown = list(numbers)
    labels = {row.id: row.label for row in model.target.layout.rows}
    places: dict[str, list[str]] = {}
    for number in shown:
        where = f"{labels[number.row]} {model.column_label(number.column)}"
        places.setdefault(number.note, []).append(f"{where} ({METRICS[number.metric]})")
    title = model.method_title(method)
    return [
        f"{title} as reported, {'all' if len(found) == len(shown) else '; '.join(found)}: {note}"
        for note, found in places.items()
        if note
    ]


def table_notes(model: TableModel) -> list[str]:
    """Return the notes on the numbers of the paper's own table."""
    block = model.reported
    if block is None:
        return []
    numbers = [n for row in block.rows for cell in row.cells for n in cell if n is not None]
    return reported_notes(model, block.method, numbers)


def compared_notes(model: TableModel, block: Block) -> list[str]:
    """Return the notes on the reported numbers that a method is compared with."""
    entries = [entry for _, _, entry in cells.compared(model, block.method)]
    numbers = [entry.reported for entry in entries if entry.reported is not None]
    return reported_notes(model, block.method, numbers)
