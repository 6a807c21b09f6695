"""Fill cell patterns and heads: shared by every text format, so that all show the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..tables.formatting import Mark, signed
from ..tables.layout import Line
from ..tables.model import Block, BlockRow, Cell, Entry, MethodRuns, TableModel
from ..tables.outcome import EXTRAPOLATED, Estimate, Outcome
from ..tables.pattern import MetricRef, parse_pattern
from ..tables.printed import SIC, ReportedCell
from ..tables.quantities import QUANTITIES, Unit, title

Shown = Callable[[str, bool], str]


def achieved(cell: Cell, show: Shown, *, ascii_only: bool = False) -> str:
    """Fill the pattern of a cell with its achieved entries.

    Parameters
    ----------
    cell
        The cell.
    show
        Called with the text of an entry, or a literal of the pattern, and whether it is bold.
    ascii_only
        Use marks that any terminal can show.

    Returns
    -------
    str
        The cell; entries that all bear the same mark show it once.
    """
    texts = {e.metric: e.outcome.text(ascii_only=ascii_only) for e in cell.entries}
    if all(e.outcome.estimate is None for e in cell.entries) and len(set(texts.values())) == 1:
        return show(next(iter(texts.values())), False)
    bold = {e.metric: e.best for e in cell.entries}
    return _fill(cell, lambda metric: show(texts[metric], bold[metric]), show)


def reported(cell: ReportedCell, show: Shown, *, ascii_only: bool = False) -> str:
    """Fill the pattern with reported numbers, digits, bold marks and dashes as printed."""
    none = Mark.NOT_REPORTED.ascii if ascii_only else Mark.NOT_REPORTED.symbol
    if cell.misprint is not None:
        return show(f"{cell.misprint.text} {SIC}", False)
    if all(number is None for number in cell.numbers) and not cell.signs:
        return show(none, False)
    known = {n.metric: n for n in cell.numbers if n is not None}

    def one(metric: str) -> str:
        number = known.get(metric)
        if number is None:
            return show(cell.signs.get(metric, none), False)
        return show(str(number.value), number.bold)

    return _fill(cell, one, show)


def differences(cell: Cell, show: Shown) -> str:
    """Fill the pattern with achieved minus reported.

    A place without a reported number bears that mark. One whose achieved set is incomplete shows
    its mark, how many seeds there are (``"2 of 3"``) or the sign of an extrapolated number.
    """
    texts = {entry.metric: difference_text(entry) for entry in cell.entries}
    if all(entry.reported is None for entry in cell.entries):
        return show(Mark.NOT_REPORTED.symbol, False)
    return _fill(cell, lambda metric: show(texts[metric], False), show)


def difference_text(entry: Entry) -> str:
    """Return achieved minus reported, or what stands in its place."""
    if entry.reported is None:
        return Mark.NOT_REPORTED.symbol
    return difference(entry) or _undecided(entry.outcome)


def _undecided(outcome: Outcome) -> str:
    found = outcome.estimate
    if found is None:
        return outcome.text()
    return EXTRAPOLATED if found.extrapolated else f"{found.n} of {found.planned}"


def _fill(cell: Cell | ReportedCell, one: Callable[[str], str], show: Shown) -> str:
    parts = parse_pattern(cell.place.cell or "")
    return "".join(one(p.name) if isinstance(p, MetricRef) else show(p, False) for p in parts)


def difference(entry: Entry) -> str:
    """Return achieved minus reported with its sign, nothing where that cannot be said."""
    if entry.difference is None:
        return ""
    return signed(entry.difference, QUANTITIES[entry.metric].unit)


def difference_unit(model: TableModel) -> str:
    """Name the unit of differences: that of the quantities, in points for percent."""
    units = dict.fromkeys(QUANTITIES[name].unit for name in model.metrics)
    if set(units) <= {Unit.PERCENT}:
        return "percentage points"
    return " or ".join("points" if u is Unit.PERCENT else u.value for u in units)


@dataclass(frozen=True, slots=True)
class Apart:
    """Achieved minus reported as a table: its columns, and label, group and texts of each row."""

    columns: tuple[Line, ...]
    rows: tuple[tuple[str, str, list[str]], ...]


def differences_apart(model: TableModel, block: Block, show: Shown) -> Apart:
    """Lay out the rows with a reported number; of a joint table also only such columns."""
    rows, kept = compared_lines(block)
    return Apart(
        tuple(model.columns[index] for index in kept),
        tuple(
            (
                row.spec.label,
                row.spec.group,
                [differences(row.cells[index], show) for index in kept],
            )
            for row in rows
        ),
    )


def compared_lines(block: Block) -> tuple[list[BlockRow], list[int]]:
    """Return the rows with a reported number, and the columns: of a joint table only such."""
    rows = [row for row in block.rows if any(_has_reported(cell) for cell in row.cells)]
    columns = range(len(rows[0].cells)) if rows else ()
    kept = [
        index
        for index in columns
        if block.method is not None or any(_has_reported(row.cells[index]) for row in rows)
    ]
    return rows, kept


def _has_reported(cell: Cell) -> bool:
    return any(entry.reported is not None for entry in cell.entries)


def off_level(cell: Cell) -> bool:
    """Tell whether a cell is to bear the dagger of a level that was not reached."""
    return any(entry.off_level for entry in cell.entries)


def seeds_note(cell: Cell) -> str:
    """Return ``"n=2"`` where fewer seeds than planned went into a cell, else nothing."""
    found = [e.outcome.estimate for e in cell.entries if e.outcome.estimate is not None]
    counts = sorted({estimate.n for estimate in found if estimate.n != estimate.planned})
    return f"n={'/'.join(map(str, counts))}" if counts else ""


def all_cells(block: Block) -> list[Cell]:
    """List the cells of a block in reading order."""
    return [cell for row in block.rows for cell in row.cells]


def marks(model: TableModel) -> list[Mark]:
    """List the marks that occur among achieved entries."""
    used = {entry.outcome.mark for block in model.blocks for entry in block.entries}
    return [mark for mark in Mark if mark in used]


def extrapolated(model: TableModel) -> list[str]:
    """Say for each extrapolated number what it was extrapolated from, each once."""
    found: dict[str, None] = {}
    for block in model.blocks:
        for entry in block.entries:
            estimate = entry.outcome.estimate
            if estimate is not None and estimate.extrapolated:
                name = f"{model.method_title(entry.method)}, {title(entry.metric)}"
                found[f"{name}: {estimate.extrapolated}"] = None
    return list(found)


def largest_sd(block: Block) -> dict[str, str]:
    """Find each quantity's largest standard deviation over the cells of a block, as shown."""
    found: dict[str, Estimate] = {}
    for entry in block.entries:
        estimate = entry.outcome.estimate
        if estimate is not None and estimate.sd is not None:
            other = found.get(entry.metric)
            if other is None or estimate.sd > (other.sd or 0.0):
                found[entry.metric] = estimate
    return {metric: estimate.sd_text for metric, estimate in found.items()}


def metric_names(model: TableModel) -> str:
    """Name the quantities of the table: ``"image AUROC / pixel AUROC"``."""
    return " / ".join(title(name) for name in model.metrics)


def units(model: TableModel) -> str:
    """Name the units of the table: ``"percent"``, ``"h, ms"``."""
    return ", ".join(dict.fromkeys(QUANTITIES[name].unit.value for name in model.metrics))


def block_title(model: TableModel, block: Block) -> str:
    """Return the heading of an achieved table."""
    if block.method is not None:
        return f"{model.method_title(block.method)}, achieved"
    return f"{block.spec.label}, achieved" if block.spec.label else "Achieved"


def block_methods(model: TableModel, block: Block) -> list[MethodRuns]:
    """List the methods of a block that ran, in the order of their lines."""
    used = dict.fromkeys(entry.method for entry in block.entries)
    return [method for method in model.methods if method.name in used]


def spans(columns: Sequence[Line], default: str) -> list[tuple[str, int]]:
    """Return the heads over the columns, each with the number of columns it spans."""
    groups = groupby(columns, key=lambda column: column.group or default)
    return [(text, len(list(members))) for text, members in groups]


def under(columns: Sequence[Line], default: str) -> list[str]:
    """Return the small print below each column's head; empty if there is none at all."""
    texts = [column.header or default for column in columns]
    return texts if any(texts) else []


def compared(block: Block, columns: Sequence[Line]) -> list[tuple[str, str, Entry]]:
    """List the entries that stand beside a reported number: row label, column label, entry."""
    return [
        (row.spec.label, column.label, entry)
        for row in block.rows
        for column, cell in zip(columns, row.cells, strict=True)
        for entry in cell.entries
        if entry.reported is not None
    ]


def protocol_sentence(model: TableModel) -> str:
    """Name the noise protocol where there is noise: numbers of two are not the same quantity."""
    if not any(model.levels):
        return ""
    found = dict.fromkeys(p.partition("/")[0] for m in model.methods for p in m.facts["protocol"])
    return f"Noise protocol {', '.join(found)}." if found else ""


def comparison_sentence(model: TableModel, method: MethodRuns) -> str:
    """Say in one sentence how a method's numbers stand to the paper's."""
    paper = model.target.paper
    if paper is None:
        return ""
    if model.synthetic:
        return "Embedded synthetic data: no reproduction, nothing is compared."
    if not method.has_counterpart:
        base = method.name.partition("@")[0]
        kin = [m.title for m in model.methods if m.has_counterpart and m.name.split("@")[0] == base]
        return f"{paper.short} reports no numbers of this method{_only_of(kin)}."
    if method.departures:
        return f"Not comparable with {paper.short}: {'; '.join(method.departures)}."
    return f"Compared with the numbers that {paper.short} reports for this method."


def _only_of(titles: Sequence[str]) -> str:
    return f", only of {' and '.join(titles)}" if titles else ""


def _of_several(text: str) -> str:
    """Turn a sentence about one method into one that follows the names of several."""
    text = text.replace(" for this method.", ".").replace(" of this method", "")
    return text[:1].lower() + text[1:] if text.startswith(("Compared", "Not ")) else text


def comparison_sentences(model: TableModel, block: Block) -> list[tuple[str, bool]]:
    """Say how a block's methods stand to the paper's numbers, and whether they are compared.

    Methods of one sentence stand together.
    """
    found: dict[tuple[str, bool], list[str]] = {}
    for method in block_methods(model, block):
        said = comparison_sentence(model, method)
        found.setdefault((said, method.comparable), []).append(method.title)
    if block.method is not None or model.synthetic:
        return [key for key in found if key[0]]
    return [
        (f"{', '.join(names)}: {_of_several(text)}", comparable)
        for (text, comparable), names in found.items()
        if text
    ]


# Shown for a printed number that a run may not be held against.
NOT_COMPARABLE = "n/c"

SYNTHETIC_TEXT = (
    "These images are drawn by a program; the numbers show that the pipeline runs and say nothing "
    "about the paper. This is no reproduction."
)
SYNTHETIC_BANNER = f"Embedded synthetic data. {SYNTHETIC_TEXT}"
