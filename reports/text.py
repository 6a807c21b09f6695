"""CSV for machines, Markdown for pages that render it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ..tables.formatting import percent, points
from ..tables.model import Block, BlockRow, Entry, TableModel, reason
from ..tables.spec import METRICS
from . import cells, notes
from .context import ReportContext
from .escape import csv_text, markdown

CSV_COLUMNS = (
    *("method", "row", "column", "metric", "shown", "mean", "sd", "sd_shown", "n", "planned"),
    *("mark", "detail", "reported", "reported_note", "difference", "synthetic"),
    *("n_train", "n_train_noisy", "noise_effective"),
)


def render_csv(model: TableModel) -> str:
    """Render a line per method, row, column and metric.

    ``shown`` and ``sd_shown`` are percent with the digits of every other output; ``mean`` and
    ``sd`` are fractions with full precision; ``reported`` is percent as printed, only where it may
    be compared, with the note of the paper's file; ``difference`` is in percentage points. The last
    three columns are means over seeds, empty for averages over categories.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for block in model.blocks:
        for row in block.rows:
            for column, cell in zip(model.columns, row.cells, strict=True):
                for entry in cell:
                    writer.writerow(_csv_row(model, block, row, column, entry))
    return out.getvalue()


def _csv_row(
    model: TableModel, block: Block, row: BlockRow, column: float, entry: Entry
) -> list[str]:
    found, mark = entry.outcome.estimate, entry.outcome.mark
    sd = found.sd if found else None
    return [
        csv_text(block.method),
        csv_text(row.spec.id),
        f"{column:g}",
        entry.metric,
        percent(found.mean) if found else "",
        repr(float(found.mean)) if found else "",
        "" if sd is None else repr(sd),
        "" if sd is None else percent(sd),
        str(found.n) if found else "0",
        str(block.seeds),
        mark.name.lower() if mark else "",
        csv_text(entry.outcome.detail),
        str(entry.reported.value) if entry.reported else "",
        csv_text(entry.reported.note) if entry.reported else "",
        "" if entry.difference is None else points(entry.difference),
        "yes" if model.synthetic else "no",
        *_csv_training(row, entry),
    ]


def _csv_training(row: BlockRow, entry: Entry) -> list[str]:
    made = entry.training
    values = (made.n_train, made.n_train_noisy, made.noise_effective)
    # Categories may differ in size: a mean over them would look like a count of images.
    whole = row.spec.average_of is not None
    return ["" if whole or value is None else f"{float(value):.6g}" for value in values]


def render_markdown(model: TableModel, context: ReportContext) -> str:
    """Render the tables, what they were made with, and failures as GitHub-flavoured Markdown."""
    target = model.target
    title = f"{target.paper.short}, {target.title}" if target.paper else target.title
    parts = [f"# {markdown(title)}"]
    if model.synthetic:
        parts.append(f"> **{markdown(cells.SYNTHETIC_BANNER)}**")
    parts.append(markdown(target.caption))
    if not model.blocks:
        parts.append("No results.")
    else:
        parts.append("## Summary")
        parts.append(_summary(model))
    if model.reported is not None:
        parts.append(f"## {markdown(model.reported.title)}, as reported")
        rows = [
            (row.spec.label, [cells.reported(target.layout.cell, c, _show) for c in row.cells])
            for row in model.reported.rows
        ]
        parts.append(_grid(model, rows))
        parts += [markdown(text) for text in notes.table_notes(model)]
    for block in model.blocks:
        parts += _block(model, block)
    if model.failures:
        parts.append("## Failures")
        parts.append(
            "\n".join(
                f"- {markdown(run.label)}: {markdown(reason(run.error))}" for run in model.failures
            )
        )
    parts += [markdown(note) for note in model.notes]
    made = [f"preset {context.preset}"]
    made += [f"adrepro {context.version}"] if context.version else []
    made += [f"made by: {context.command}"] if context.command else []
    parts.append("; ".join(markdown(text) for text in made))
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(model: TableModel, block: Block) -> list[str]:
    rows = []
    for row in block.rows:
        texts = []
        for entries in row.cells:
            text = cells.achieved(model.target.layout.cell, entries, _show)
            text += notes.DAGGER if cells.off_level(entries) else ""
            note = cells.seeds_note(entries)
            texts.append(f"{text} ({note})" if note else text)
        rows.append((row.spec.label, texts))
    made = [
        f"backbone {', '.join(block.facts['backbone']) or 'none'}",
        f"{', '.join(block.facts['image_size'])} px",
        f"noise protocol {', '.join(block.facts['protocol'])}",
        f"{block.seeds} seed{'s' if block.seeds != 1 else ''}",
    ]
    spread = cells.largest_sd(model, block.method)
    if spread:
        largest = ", ".join(f"{percent(sd)} ({METRICS[name]})" for name, sd in spread.items())
        made.append(f"largest standard deviation over seeds {largest}")
    reached = notes.reached_note(model, block)
    parts = [
        f"## {markdown(block.title)}, achieved",
        _grid(model, rows),
        f"{notes.DAGGER} {markdown(reached)}" if reached else "",
        markdown("; ".join(made) + "."),
        markdown(cells.comparison_sentence(model, block.method)),
    ]
    pairs = cells.compared(model, block.method)
    if pairs:
        head = ("Row", "Level", "Metric", "Reported", "Achieved", "Difference (points)")
        lines = [
            [
                markdown(label),
                markdown(model.column_label(column)),
                METRICS[entry.metric],
                str(entry.reported.value) if entry.reported else "",
                _show(entry.outcome.text(), False) + _dagger(entry),
                "" if entry.difference is None else points(entry.difference),
            ]
            for label, column, entry in pairs
        ]
        parts.append(_pipe(head, lines, texts=3))
        parts += [markdown(text) for text in notes.compared_notes(model, block)]
    return parts


def _summary(model: TableModel) -> str:
    """Lay out the rows of the curve, a line per method and metric, with deviations."""
    lines = []
    for block in model.blocks:
        for row in block.rows:
            if row.spec.id not in model.target.layout.curve:
                continue
            for position, metric in enumerate(model.target.layout.metrics):
                texts = [_with_sd(cell[position]) for cell in row.cells]
                head = [markdown(block.title), markdown(row.spec.label), METRICS[metric]]
                lines.append([*head, *texts])
    columns = [markdown(model.column_label(column)) for column in model.columns]
    return _pipe(("Method", "Row", "Metric", *columns), lines, texts=3) if lines else ""


def _with_sd(entry: Entry) -> str:
    found = entry.outcome.estimate
    if found is None or found.sd is None:
        return _show(entry.outcome.text(), False) + _dagger(entry)
    return f"{percent(found.mean)} ± {percent(found.sd)}{_dagger(entry)}"


def _dagger(entry: Entry) -> str:
    return notes.DAGGER if entry.off_level else ""


def _grid(model: TableModel, rows: Iterable[tuple[str, list[str]]]) -> str:
    head = [markdown(model.target.layout.row_header)]
    head += [markdown(model.column_label(column)) for column in model.columns]
    return _pipe(head, [[markdown(label), *texts] for label, texts in rows])


def _pipe(head: Sequence[str], lines: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Lay out a table whose first ``texts`` columns are text, the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _show(text: str, bold: bool) -> str:
    safe = markdown(text)
    return f"**{safe}**" if bold else safe
