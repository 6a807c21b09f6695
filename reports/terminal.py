"""Tables for a terminal; wide ones are split by columns, numbers are never cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import ASCII, SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..tables.formatting import Mark, points
from ..tables.model import Block, TableModel, reason
from . import cells, notes
from .escape import one_line

if TYPE_CHECKING:
    from rich.console import Console

_MAX_FAILURES = 10


def print_report(model: TableModel, console: Console) -> None:
    """Print a table per method, what is compared, failures and the marks that occur.

    Parameters
    ----------
    model
        The table.
    console
        Its width decides how many columns stand side by side; an encoding other than UTF-8 gets
        ASCII marks.
    """
    ascii_only = not console.encoding.lower().startswith("utf")
    target = model.target
    head = f"{target.paper.short}, {target.title}" if target.paper else target.title
    _say(console, f"{head}: {cells.metric_names(model)}, percent", "bold", ascii_only)
    if model.synthetic:
        _say(console, cells.SYNTHETIC_BANNER, "bold yellow", ascii_only)
    if not model.blocks:
        _say(console, "No results.", "yellow", ascii_only)
    if model.reported is not None:
        rows = [
            (
                row.spec.label,
                row.spec.group,
                [cells.reported(target.layout.cell, c, _plain, ascii_only=True) for c in row.cells],
            )
            for row in model.reported.rows
        ]
        _tables(console, model, f"{model.reported.title}, as reported", rows, ascii_only)
        for text in notes.table_notes(model):
            _say(console, text, "dim", ascii_only)
    for block in model.blocks:
        _print_block(console, model, block, ascii_only)
    _print_failures(console, model, ascii_only)
    for note in model.notes:
        _say(console, note, "yellow", ascii_only)
    _say(console, _legend(model, ascii_only), "dim", ascii_only)


def _print_block(console: Console, model: TableModel, block: Block, ascii_only: bool) -> None:
    rows = []
    dagger = notes.DAGGER_ASCII if ascii_only else notes.DAGGER
    for row in block.rows:
        texts = []
        for entries in row.cells:
            text = cells.achieved(model.target.layout.cell, entries, _plain, ascii_only=ascii_only)
            text += dagger if cells.off_level(entries) else ""
            note = cells.seeds_note(entries)
            texts.append(f"{text}*" if note else text)
        rows.append((row.spec.label, row.spec.group, texts))
    seeds = f"{block.seeds} seed{'s' if block.seeds != 1 else ''}"
    made = ", ".join(block.facts["backbone"]) or "no backbone"
    _tables(console, model, f"{block.title}, achieved ({made}, {seeds})", rows, ascii_only)
    reached = notes.reached_note(model, block, ascii_only=ascii_only)
    _say(console, f"{dagger}: {reached}" if reached else "", "dim", ascii_only)
    _say(console, cells.comparison_sentence(model, block.method), "dim", ascii_only)
    for label, column, entry in cells.compared(model, block.method):
        if entry.difference is not None:
            mark = dagger if entry.off_level else ""
            text = (
                f"  {label}, {model.column_label(column)}: {entry.outcome.text()}{mark} achieved, "
                f"{entry.reported.value if entry.reported else ''} reported, "
                f"{points(entry.difference)} points"
            )
            _say(console, text, "", ascii_only)
    for text in notes.compared_notes(model, block):
        _say(console, f"  {text}", "dim", ascii_only)


def _tables(
    console: Console,
    model: TableModel,
    title: str,
    rows: Sequence[tuple[str, str, list[str]]],
    ascii_only: bool,
) -> None:
    """Print rows as one table, or as several when the columns do not fit side by side."""
    if not rows:
        return
    names = [_encode(label, ascii_only) for label, _, _ in rows]
    words = [len(word) for name in names for word in name.split()]
    label_width = max([*words, 5])
    wide = max((len(text) for _, _, texts in rows for text in texts), default=1) + 1
    # On a very narrow terminal names are folded, numbers never.
    label_width = min(label_width, max(1, console.width - wide))
    fit = max(1, (console.width - label_width) // wide)
    for start in range(0, len(model.columns), fit):
        table = Table(
            title=Text(_encode(title, ascii_only), style="bold") if start == 0 else None,
            title_justify="left",
            box=ASCII if ascii_only else SIMPLE_HEAD,
            padding=(0, 0),
            pad_edge=False,
            show_edge=False,
        )
        head = Text(_encode(model.target.layout.row_header, ascii_only))
        table.add_column(head, min_width=label_width, overflow="fold")
        for position, column in list(enumerate(model.columns))[start : start + fit]:
            head = Text(_encode(model.column_label(column), ascii_only))
            width = max(len(texts[position]) for _, _, texts in rows)
            table.add_column(head, justify="right", no_wrap=True, min_width=width)
        for index, (name, (_, group, texts)) in enumerate(zip(names, rows, strict=True)):
            last = index + 1 < len(rows) and rows[index + 1][1] != group
            row = [Text(_encode(text, ascii_only)) for text in texts[start : start + fit]]
            table.add_row(Text(name), *row, end_section=last)
        console.print(Padding(table, (1, 0, 0, 0)))


def _print_failures(console: Console, model: TableModel, ascii_only: bool) -> None:
    failures = model.failures
    for run in failures[:_MAX_FAILURES]:
        _say(console, f"failed: {run.label}: {reason(run.error)}", "red", ascii_only)
    if len(failures) > _MAX_FAILURES:
        _say(console, f"… and {len(failures) - _MAX_FAILURES} more failures", "red", ascii_only)


def _legend(model: TableModel, ascii_only: bool) -> str:
    entries = [e for b in model.blocks for row in b.rows for cell in row.cells for e in cell]
    used = {entry.outcome.mark for entry in entries}
    texts = [
        f"{mark.ascii if ascii_only else mark.symbol}: {mark.meaning}"
        for mark in Mark
        if mark in used
    ]
    if cells.seeds_note(entries):
        texts.append("*: mean over fewer seeds than planned")
    return "; ".join(texts)


def _plain(text: str, _bold: bool) -> str:
    return text


def _encode(text: str, ascii_only: bool) -> str:
    flat = one_line(text)
    return flat.encode("ascii", "replace").decode() if ascii_only else flat


def _say(console: Console, text: str, style: str, ascii_only: bool) -> None:
    if text:
        console.print(Text(_encode(text, ascii_only), style=style), soft_wrap=False)
