"""Fill a cell pattern: shared by every text format, so that all show the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..tables.formatting import Mark, points
from ..tables.model import Entry, TableModel
from ..tables.spec import METRICS, MetricRef, ReportedNumber, parse_pattern

Shown = Callable[[str, bool], str]


def achieved(
    pattern: str, entries: Sequence[Entry], show: Shown, *, ascii_only: bool = False
) -> str:
    """Fill the pattern with achieved entries.

    Parameters
    ----------
    pattern
        Cell pattern.
    entries
        One per metric of the pattern.
    show
        Called with the text of an entry, or a literal of the pattern, and whether it is bold.
    ascii_only
        Use marks that any terminal can show.

    Returns
    -------
    str
        The cell; entries that all bear the same mark show it once.
    """
    texts = {e.metric: e.outcome.text(ascii_only=ascii_only) for e in entries}
    if all(e.outcome.estimate is None for e in entries) and len(set(texts.values())) == 1:
        return show(next(iter(texts.values())), False)
    bold = {e.metric: e.best for e in entries}
    return _fill(pattern, lambda metric: show(texts[metric], bold[metric]), show)


def reported(
    pattern: str, numbers: Sequence[ReportedNumber | None], show: Shown, *, ascii_only: bool = False
) -> str:
    """Fill the pattern with reported numbers, digits and bold marks as printed."""
    none = Mark.NOT_REPORTED.ascii if ascii_only else Mark.NOT_REPORTED.symbol
    if all(number is None for number in numbers):
        return show(none, False)
    known = {n.metric: n for n in numbers if n is not None}

    def one(metric: str) -> str:
        number = known.get(metric)
        return show(none, False) if number is None else show(str(number.value), number.bold)

    return _fill(pattern, one, show)


def differences(pattern: str, entries: Sequence[Entry], show: Shown) -> str:
    """Fill the pattern with achieved minus reported, in percentage points.

    A place without a reported number bears that mark; one whose achieved set is incomplete shows
    what `achieved` shows.
    """
    texts = {}
    for entry in entries:
        if entry.reported is None:
            texts[entry.metric] = Mark.NOT_REPORTED.symbol
        elif entry.difference is None:
            texts[entry.metric] = entry.outcome.text()
        else:
            texts[entry.metric] = points(entry.difference)
    if all(entry.reported is None for entry in entries):
        return show(Mark.NOT_REPORTED.symbol, False)
    return _fill(pattern, lambda metric: show(texts[metric], False), show)


def _fill(pattern: str, one: Callable[[str], str], show: Shown) -> str:
    parts = parse_pattern(pattern)
    return "".join(one(p.name) if isinstance(p, MetricRef) else show(p, False) for p in parts)


def off_level(entries: Sequence[Entry]) -> bool:
    """Tell whether a cell is to bear the dagger of a level that was not reached."""
    return any(entry.off_level for entry in entries)


def seeds_note(entries: Sequence[Entry]) -> str:
    """Return ``"n=2"`` where fewer seeds than planned went into a cell, else nothing."""
    short = [e.outcome.estimate for e in entries if e.outcome.estimate is not None]
    counts = sorted({e.n for e in short if not e.complete})
    return f"n={'/'.join(map(str, counts))}" if counts else ""


def largest_sd(model: TableModel, method: str) -> dict[str, float]:
    """Find each metric's largest standard deviation over a method's cells, as a fraction."""
    found: dict[str, float] = {}
    for block in model.blocks:
        if block.method != method:
            continue
        for row in block.rows:
            for entry in (e for cell in row.cells for e in cell):
                sd = entry.outcome.estimate.sd if entry.outcome.estimate else None
                if sd is not None:
                    found[entry.metric] = max(sd, found.get(entry.metric, 0.0))
    return found


def metric_names(model: TableModel) -> str:
    """Name the metrics of the cell pattern in its order: ``"image AUROC / pixel AUROC"``."""
    return " / ".join(METRICS[name] for name in model.target.layout.metrics)


def compared(model: TableModel, method: str) -> list[tuple[str, float, Entry]]:
    """List a method's entries that stand beside a reported number: row label, level, entry."""
    return [
        (row.spec.label, column, entry)
        for block in model.blocks
        if block.method == method
        for row in block.rows
        for column, cell in zip(model.columns, row.cells, strict=True)
        for entry in cell
        if entry.reported is not None
    ]


def comparison_sentence(model: TableModel, method: str) -> str:
    """Say in one sentence how a method's numbers stand to the paper's."""
    block = next(b for b in model.blocks if b.method == method)
    if model.target.paper is None:
        return ""
    if model.synthetic:
        return "Embedded synthetic data: no reproduction, nothing is compared."
    if not block.has_counterpart:
        return f"{model.target.paper.short} reports no numbers of this method."
    if block.departures:
        return f"Not comparable with {model.target.paper.short}: {'; '.join(block.departures)}."
    return f"Compared with the numbers that {model.target.paper.short} reports for this method."


SYNTHETIC_TEXT = (
    "These images are drawn by a program; the numbers show that the pipeline runs and say nothing "
    "about the paper. This is no reproduction."
)
SYNTHETIC_BANNER = f"Embedded synthetic data. {SYNTHETIC_TEXT}"
