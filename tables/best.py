"""Which achieved entries are set in bold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .formatting import digits
from .layout import ALL_ANOMALOUS, BoldRule, Place
from .model import Block, Cell, Entry
from .quantities import QUANTITIES


def mark_best(rule: BoldRule, blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Set the best method of each place in bold, where all methods are complete; ties share it.

    A place is everything but the method: a row and column of several blocks, a column of one block
    whose rows are methods, a row of one whose columns are. The rule that calls everything
    anomalous is no rival.
    """
    if rule is not BoldRule.BEST_METHOD:
        return tuple(blocks)
    rivals: dict[tuple[Place, str], list[Entry]] = {}
    for block in blocks:
        for row in block.rows:
            for cell in row.cells:
                for entry in cell.entries:
                    if entry.method != ALL_ANOMALOUS:
                        rivals.setdefault(_key(cell, entry), []).append(entry)
    best = {key: _best(key[1], entries) for key, entries in rivals.items()}

    def mark(cell: Cell) -> Cell:
        marked = (
            replace(entry, best=entry.method in best.get(_key(cell, entry), ()))
            for entry in cell.entries
        )
        return replace(cell, entries=tuple(marked))

    return tuple(
        replace(
            block,
            rows=tuple(
                replace(row, cells=tuple(mark(cell) for cell in row.cells)) for row in block.rows
            ),
        )
        for block in blocks
    )


def _key(cell: Cell, entry: Entry) -> tuple[Place, str]:
    return replace(cell.place, method=None, cell=None), entry.metric


def _best(metric: str, entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the methods with the best digits shown; none unless all of several are complete."""
    values = {
        entry.method: digits(found.mean, found.unit)
        for entry in entries
        if (found := entry.outcome.estimate) is not None and found.complete
    }
    if len(values) < 2 or len(values) < len({entry.method for entry in entries}):
        return ()
    pick = min if QUANTITIES[metric].lower_is_better else max
    return tuple(name for name, value in values.items() if value == pick(values.values()))
