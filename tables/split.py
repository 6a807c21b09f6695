"""A table over a dataset's average, when only some of its categories were asked for.

A partial mean would look like the average and be none. So each category that ran gets the table for
itself; while a run over all categories goes on, the average just waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .layout import Layout, Line, Place
from .model import Block
from .runs import Run
from .spec import Target


def split_averages(
    target: Target, runs: Sequence[Run], blocks: Sequence[Block]
) -> tuple[Layout, str]:
    """Replace blocks without any number by a block for each category that ran.

    Parameters
    ----------
    target
        The target.
    runs
        All runs of the table.
    blocks
        Its blocks, over averages.

    Returns
    -------
    layout : Layout
        The target's own where nothing is to be replaced.
    note : str
        Says that a block was replaced; else empty.
    """
    layout = target.layout
    found: list[Line] = []
    names: list[str] = []
    for block in blocks:
        dataset = layout.at.under(block.spec.at).average_of
        categories = _asked_for(target, runs, dataset)
        if layout.block_per_method or not categories or _has_numbers(block, dataset):
            found.append(block.spec)
            continue
        names.append(next(d.label or d.name for d in target.run.datasets if d.name == dataset))
        found += [_of_category(block.spec, dataset or "", name) for name in categories]
    if not names:
        return layout, ""
    note = f"No complete set of categories of {', '.join(names)}: each that ran has its own table."
    return replace(layout, blocks=tuple(found)), note


def _asked_for(target: Target, runs: Sequence[Run], dataset: str | None) -> list[str]:
    """List the categories with runs; none where all of the dataset's have them."""
    known = next((d.categories for d in target.run.datasets if d.name == dataset), ())
    used = {run.category for run in runs if run.dataset == dataset}
    return [c for c in known if c in used] if len(used) < len(known) else []


def _has_numbers(block: Block, dataset: str | None) -> bool:
    """Tell whether a block is to stay as it is: it has a number, or rows of other places."""
    cells = [cell for row in block.rows for cell in row.cells]
    return any(
        cell.place.average_of != dataset or any(e.outcome.estimate for e in cell.entries)
        for cell in cells
    )


def _of_category(block: Line, dataset: str, category: str) -> Line:
    place = block.at.under(Place(dataset=dataset, category=category))
    label = f"{block.label}, {category}" if block.label else category
    return replace(block, id="/".join(p for p in (block.id, category) if p), label=label, at=place)
