"""What the figure of a table draws: which rows, and beside which of them the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .formatting import Mark
from .layout import Arrangement, Line
from .model import Block
from .outcome import Outcome
from .printed import ReportedBlock
from .spec import Target


def curve_rows(
    target: Target, grid: Arrangement, blocks: Sequence[Block]
) -> tuple[tuple[Line, ...], str]:
    """Choose the rows to draw: the target's, or the categories of an average that is nowhere.

    Returns
    -------
    rows : tuple of Line
        A panel each.
    note : str
        Which average its categories stand for; empty where none.
    """
    outcomes: dict[str, list[Outcome]] = {row.id: [] for row in grid.rows}
    for block in blocks:
        for own in block.rows:
            outcomes[own.spec.id] += [e.outcome for cell in own.cells for e in cell.entries]
    filled = {name for name, found in outcomes.items() if any(o.estimate for o in found)}
    # A row that is no part of this run needs no empty panel beside one that is.
    part = {n for n, found in outcomes.items() if any(o.mark is not Mark.NOT_RUN for o in found)}
    lines: list[Line] = []
    instead: list[str] = []
    for row in grid.rows:
        if row.id not in target.layout.curve:
            continue
        members = [r for r in grid.rows if r.at.dataset == row.at.average_of and r.id in filled]
        if row.at.average_of and row.id not in filled and members:
            lines += members
            instead.append(row.label)
        else:
            lines.append(row)
    lines = [row for row in lines if row.id in part] or lines
    names = ", ".join(instead)
    note = f"No complete set for {names}: figures plot its categories instead." if instead else ""
    return tuple(dict.fromkeys(lines)), note


def drawn_beside(
    target: Target,
    reported: Sequence[ReportedBlock],
    blocks: Sequence[Block],
    curve: Sequence[Line],
    differs: Sequence[str],
) -> tuple[tuple[str, ...], str]:
    """Choose the panels whose reported numbers may be drawn beside the achieved ones.

    Parameters
    ----------
    target, reported, blocks
        The target, the paper's tables and the achieved ones.
    curve
        Rows that are drawn, a panel each; empty where blocks are the panels.
    differs
        What makes the run differ from the paper's, see `run_differs`.

    Returns
    -------
    panels : tuple of str
        Ids of rows or blocks; each has an achieved number.
    note : str
        Why other panels are left out, or that the run differs; empty if there is nothing to say.
    """
    if not reported:
        return (), ""
    start = f"{reported[0].title} as reported is for reference and not plotted beside the results"
    if differs and not target.layout.always_reported:
        return (), f"{start}: {'; '.join(differs)}."
    if curve:
        panels, known = list(curve), {row.spec.id for block in reported for row in block.rows}
        achieved = {
            row.spec.id
            for block in blocks
            for row in block.rows
            if any(e.outcome.estimate for cell in row.cells for e in cell.entries)
        }
    else:
        panels, known = [b.spec for b in blocks], {b.spec.id for b in reported}
        achieved = {b.spec.id for b in blocks if any(e.outcome.estimate for e in b.entries)}
    wanted = [line for line in panels if line.id in known]
    drawn = tuple(line.id for line in wanted if line.id in achieved)
    missing = ", ".join(line.label for line in wanted if line.id not in achieved)
    if missing:
        return drawn, f"{start}: no complete result for {missing}."
    if differs and drawn:
        return drawn, f"Reported numbers are plotted for reference; this run: {'; '.join(differs)}."
    return drawn, ""
