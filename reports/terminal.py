"""Tables for a terminal; wide ones are split by columns, numbers are never cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import ASCII, SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..tables.layout import Line
from ..tables.model import Block, TableModel, reason
from ..tables.outcome import EXTRAPOLATED, EXTRAPOLATED_ASCII, EXTRAPOLATED_MEANING
from . import cells, claims, marks, notes
from .escape import one_line
from .partial import without_empty
from .statistics import NONE
from .statistics_section import section

if TYPE_CHECKING:
    from rich.console import Console

_MAX_FAILURES = 10
# Quantities that the first line names one by one.
_MAX_NAMED = 3
# Columns of the statistics that hold no numbers: method, dataset, quantity.
_TEXT_COLUMNS = 3


def print_report(model: TableModel, console: Console, whole: str = "") -> None:
    """Print a table per method, what is compared, failures and the marks that occur.

    Parameters
    ----------
    model
        The table. Rows and columns that the run has nothing of are left out, and counted.
    console
        Its width decides how many columns stand side by side; an encoding other than UTF-8 gets
        ASCII marks.
    whole
        Where the whole table is.
    """
    ascii_only = not console.encoding.lower().startswith("utf")
    whole_model = model
    model, left_out = without_empty(model)
    target = model.target
    head = f"{target.paper.short}, {target.title}" if target.paper else target.title
    what = f"{cells.metric_names(model)}, {cells.units(model)}"
    what = what if len(model.metrics) <= _MAX_NAMED else target.caption
    _say(console, f"{head}: {what}", "bold", ascii_only)
    if model.synthetic:
        _say(console, cells.SYNTHETIC_BANNER, "bold yellow", ascii_only)
    if not model.blocks:
        _say(console, "No results.", "yellow", ascii_only)
    for block in model.reported:
        rows = [
            (
                row.spec.label,
                row.spec.group,
                [cells.reported(c, _plain, ascii_only=ascii_only) for c in row.cells],
            )
            for row in block.rows
        ]
        _tables(console, model, block.columns, f"{block.title}, as reported", rows, ascii_only)
        for text in notes.table_notes(model, block):
            _say(console, text, "dim", ascii_only)
    for block in model.blocks:
        _print_block(console, model, block, ascii_only)
    _print_winners(console, whole_model, ascii_only)
    _print_statistics(console, whole_model, ascii_only)
    _print_failures(console, model, ascii_only)
    if left_out:
        where = f"; the whole table: {whole}" if whole else ""
        _say(console, f"{left_out}{where}.", "yellow", ascii_only)
    for note in model.notes:
        _say(console, note, "yellow", ascii_only)
    _say(console, _legend(model, ascii_only), "dim", ascii_only)
    for text in cells.extrapolated(model):
        _say(console, f"  {text}", "dim", ascii_only)


def _print_block(console: Console, model: TableModel, block: Block, ascii_only: bool) -> None:
    rows = []
    dagger = notes.DAGGER_ASCII if ascii_only else notes.DAGGER
    for row in block.rows:
        texts = []
        for cell in row.cells:
            text = cells.achieved(cell, _plain, ascii_only=ascii_only)
            text += dagger if cells.off_level(cell) else ""
            texts.append(f"{text}*" if cells.seeds_note(cell) else text)
        rows.append((row.spec.label, row.spec.group, texts))
    title = f"{cells.block_title(model, block)} ({_made(model, block)})"
    _tables(console, model, model.columns, title, rows, ascii_only)
    reached = notes.reached_note(model, block, ascii_only=ascii_only)
    _say(console, f"{dagger}: {reached}" if reached else "", "dim", ascii_only)
    for text, _ in cells.comparison_sentences(model, block):
        _say(console, text, "dim", ascii_only)
    if block.method is None:
        apart = cells.differences_apart(model, block, _plain)
        title = f"Achieved minus reported ({cells.difference_unit(model)})"
        _tables(console, model, apart.columns, title, apart.rows, ascii_only)
    else:
        _print_pairs(console, model, block, ascii_only)
    for text in notes.compared_notes(model, block, model.columns):
        _say(console, f"  {text}", "dim", ascii_only)


def _print_pairs(console: Console, model: TableModel, block: Block, ascii_only: bool) -> None:
    dagger = notes.DAGGER_ASCII if ascii_only else notes.DAGGER
    points = " points" if cells.difference_unit(model) == "percentage points" else ""
    for label, column, entry in cells.compared(block, model.columns):
        if entry.difference is not None:
            mark = dagger if entry.off_level else ""
            text = (
                f"  {label}, {column}: {entry.outcome.text(ascii_only=ascii_only)}{mark} achieved, "
                f"{entry.reported.value if entry.reported else ''} reported, "
                f"{cells.difference(entry)}{points}"
            )
            _say(console, text, "", ascii_only)


def _made(model: TableModel, block: Block) -> str:
    methods = cells.block_methods(model, block)
    counts = sorted({method.seeds for method in methods})
    seeds = "/".join(map(str, counts)) + f" seed{'s' if counts != [1] else ''}"
    if block.method is None:
        return f"{len(methods)} method{'s' if len(methods) != 1 else ''}, {seeds}"
    return f"{', '.join(methods[0].facts['backbone']) or 'no backbone'}, {seeds}"


def _print_winners(console: Console, model: TableModel, ascii_only: bool) -> None:
    """Say in a line per dataset and level which method wins."""
    lines = claims.winners(model)
    if not lines:
        return
    own = model.method_title(model.target.reported_method or "")
    _say(console, "Best mean image AUROC over all categories", "bold", ascii_only)
    for line in lines:
        aside = f"; incomplete: {line.aside}" if line.aside else ""
        value = f" {line.value}" if line.value else ""
        text = f"  {line.dataset} {line.noise}: {line.methods}{value}; {own}: {line.rank}{aside}"
        _say(console, text, "", ascii_only)


def _print_statistics(console: Console, model: TableModel, ascii_only: bool) -> None:
    """Print the robustness area and the mean rank of each method, where there is one."""
    found = section(model)
    last = [row[:3] + row[-2:] for row in found.rows] if found else []
    if found is None or all(set(row[3:]) == {NONE} for row in last):
        return
    table = Table(box=ASCII if ascii_only else SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, head in enumerate((*found.heads[:3], *found.heads[-2:])):
        side = "left" if index < _TEXT_COLUMNS else "right"
        table.add_column(head, justify=side, overflow="fold")
    for row in last:
        table.add_row(*(Text(_encode(text, ascii_only)) for text in row))
    console.print()
    _say(console, "Statistics over all categories (intervals: reproduce stats)", "bold", ascii_only)
    console.print(table)


def _tables(
    console: Console,
    model: TableModel,
    columns: Sequence[Line],
    title: str,
    rows: Sequence[tuple[str, str, list[str]]],
    ascii_only: bool,
) -> None:
    """Print rows as a table per group of columns; wider ones as several tables."""
    start = 0
    for group, count in cells.spans(columns, "") if rows else ():
        part = range(start, start + count)
        heading = f"{title}: {group}" if group else title
        _table(
            console,
            model,
            [columns[i] for i in part],
            heading,
            [(name, cut, [texts[i] for i in part]) for name, cut, texts in rows],
            ascii_only,
        )
        start += count


def _table(
    console: Console,
    model: TableModel,
    columns: Sequence[Line],
    title: str,
    rows: Sequence[tuple[str, str, list[str]]],
    ascii_only: bool,
) -> None:
    names = [_encode(label, ascii_only) for label, _, _ in rows]
    words = [len(word) for name in names for word in name.split()]
    label_width = max([*words, 5])
    shown = [text for _, _, texts in rows for text in texts]
    wide = max((len(text) for text in [*shown, *(column.label for column in columns)]), default=1)
    wide += 1
    # On a very narrow terminal names are folded, numbers never.
    label_width = min(label_width, max(1, console.width - wide))
    fit = max(1, (console.width - label_width) // wide)
    for start in range(0, len(columns), fit):
        table = Table(
            box=ASCII if ascii_only else SIMPLE_HEAD,
            padding=(0, 0),
            pad_edge=False,
            show_edge=False,
        )
        head = Text(_encode(model.target.layout.row_header, ascii_only))
        table.add_column(head, min_width=label_width, overflow="fold")
        for position, column in list(enumerate(columns))[start : start + fit]:
            head = Text(_encode(column.label, ascii_only))
            width = max(len(texts[position]) for _, _, texts in rows)
            table.add_column(head, justify="right", no_wrap=True, min_width=width)
        for index, (name, (_, group, texts)) in enumerate(zip(names, rows, strict=True)):
            last = index + 1 < len(rows) and rows[index + 1][1] != group
            row = [Text(_encode(text, ascii_only)) for text in texts[start : start + fit]]
            table.add_row(Text(name), *row, end_section=last)
        if start == 0:
            console.print()
            _say(console, title, "bold", ascii_only)
        console.print(Padding(table, (0 if start == 0 else 1, 0, 0, 0)))


def _print_failures(console: Console, model: TableModel, ascii_only: bool) -> None:
    failures = model.failures
    for run in failures[:_MAX_FAILURES]:
        _say(console, f"failed: {run.label}: {reason(run.error)}", "red", ascii_only)
    if len(failures) > _MAX_FAILURES:
        _say(console, f"… and {len(failures) - _MAX_FAILURES} more failures", "red", ascii_only)


def _legend(model: TableModel, ascii_only: bool) -> str:
    texts = [explained] if (explained := marks.sentence(model, ascii_only=ascii_only)) else []
    if any(cells.seeds_note(cell) for b in model.blocks for cell in cells.all_cells(b)):
        texts.append("*: mean over fewer seeds than planned")
    if cells.extrapolated(model):
        sign = EXTRAPOLATED_ASCII if ascii_only else EXTRAPOLATED
        texts.append(f"{sign}: {EXTRAPOLATED_MEANING}")
    return "; ".join(texts)


def _plain(text: str, _bold: bool) -> str:
    return text


def _encode(text: str, ascii_only: bool) -> str:
    flat = one_line(text)
    return flat.encode("ascii", "replace").decode() if ascii_only else flat


def _say(console: Console, text: str, style: str, ascii_only: bool) -> None:
    if text:
        console.print(Text(_encode(text, ascii_only), style=style), soft_wrap=False)
