"""CSV for machines, Markdown for pages that render it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ..tables.formatting import Mark
from ..tables.layout import Line
from ..tables.model import Block, BlockRow, Cell, Entry, TableModel, reason
from ..tables.outcome import EXTRAPOLATED, EXTRAPOLATED_MEANING
from ..tables.quantities import QUANTITIES, Pooling, Unit, title
from ..tables.statistics.intervals import mean_interval, of_fraction
from . import cells, claims, marks, notes
from .context import ReportContext
from .escape import csv_text, markdown
from .statistics_section import CAPTION, HEADING, section

CSV_COLUMNS = (
    *("block", "method", "row", "column", "metric", "unit", "shown", "mean", "sd", "sd_shown"),
    *("n", "planned", "mark", "detail", "extrapolated", "reported", "reported_note"),
    *("difference", "synthetic", "n_train", "n_train_noisy", "noise_effective"),
    *("ci_low", "ci_high", "symbol", "reported_symbol"),
)


def render_csv(model: TableModel) -> str:
    """Render a line per block, row, column and quantity.

    ``shown`` and ``sd_shown`` have the unit and the digits of every other output; ``mean`` and
    ``sd`` have full precision and are fractions where the unit is percent; ``reported`` is as
    printed, only where it may be compared, with the note of the paper's file; ``difference`` is in
    the unit (points for percent). ``n_train`` and the two behind it are means over seeds, empty for
    averages over categories; ``ci_low`` and ``ci_high`` bound the mean over seeds with 95 %
    confidence (Student), in the unit of ``mean``, of fractions cut at 0 and 1, empty for one seed.
    ``symbol`` is what every other output shows where ``mark`` says why there is no number;
    ``reported_symbol`` says why there is no reported number: ``"·"`` where the paper has none,
    ``"n/c"`` where it has one that this run may not be compared with.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for block in model.blocks:
        for row in block.rows:
            for column, cell in zip(model.columns, row.cells, strict=True):
                for entry in cell.entries:
                    writer.writerow(_csv_row(model, block, row, column, cell, entry))
    return out.getvalue()


def _csv_row(
    model: TableModel, block: Block, row: BlockRow, column: Line, cell: Cell, entry: Entry
) -> list[str]:
    found, mark = entry.outcome.estimate, entry.outcome.mark
    sd = found.sd if found else None
    ran = [method for method in model.methods if method.name == entry.method]
    planned = ran[0].seeds if ran else found.planned if found else 0
    return [
        csv_text(block.spec.id),
        csv_text(entry.method),
        csv_text(row.spec.id),
        csv_text(column.id),
        entry.metric,
        QUANTITIES[entry.metric].unit.value,
        found.text if found else "",
        repr(float(found.mean)) if found else "",
        "" if sd is None else repr(sd),
        found.sd_text if found else "",
        str(found.n) if found else "0",
        str(planned),
        mark.name.lower() if mark else "",
        csv_text(entry.outcome.detail),
        csv_text(found.extrapolated) if found else "",
        str(entry.reported.value) if entry.reported else "",
        csv_text(entry.reported.note) if entry.reported else "",
        cells.difference(entry),
        "yes" if model.synthetic else "no",
        *_csv_training(cell, entry),
        *_csv_interval(entry),
        csv_text(entry.outcome.text()) if mark else "",
        "" if entry.reported or model.synthetic else _unreported(model, block, row, column, entry),
    ]


def _unreported(model: TableModel, block: Block, row: BlockRow, column: Line, entry: Entry) -> str:
    key = (block.spec.id, row.spec.id, column.id, entry.metric)
    printed = any(number.key == key for number in model.target.numbers)
    return cells.NOT_COMPARABLE if printed else Mark.NOT_REPORTED.symbol


def _csv_interval(entry: Entry) -> list[str]:
    found = entry.outcome.estimate
    # A pooled ratio is no mean over seeds.
    quantity = QUANTITIES[entry.metric]
    plain = quantity.pooling is Pooling.MEAN
    if found is None or found.sd is None or not plain:
        return ["", ""]
    interval = mean_interval(float(found.mean), found.sd, found.n)
    if quantity.unit is Unit.PERCENT:
        interval = of_fraction(interval)
    return [repr(interval.low), repr(interval.high)]


def _csv_training(cell: Cell, entry: Entry) -> list[str]:
    made = entry.training
    values = (made.n_train, made.n_train_noisy, made.noise_effective)
    # Categories may differ in size: a mean over them would look like a count of images.
    whole = cell.place.average_of is not None
    return ["" if whole or value is None else f"{float(value):.6g}" for value in values]


def render_markdown(model: TableModel, context: ReportContext) -> str:
    """Render the tables, what they were made with, and failures as GitHub-flavoured Markdown."""
    target = model.target
    title = f"{target.paper.short}, {target.title}" if target.paper else target.title
    parts = [f"# {markdown(title)}"]
    if model.synthetic:
        parts.append(f"> **{markdown(cells.SYNTHETIC_BANNER)}**")
    parts.append(markdown(f"{target.caption} {cells.protocol_sentence(model)}".strip()))
    if not model.blocks:
        parts.append("No results.")
    elif model.target.layout.block_per_method:
        parts += ["## Summary", _summary(model)]
    parts += _statistics(model)
    parts += _claims(model)
    for block in model.reported:
        parts.append(f"## {markdown(block.title)}, as reported")
        rows = [
            (row.spec.label, [cells.reported(c, _show) for c in row.cells]) for row in block.rows
        ]
        parts.append(_grid(model, block.columns, rows))
        parts += [markdown(text) for text in notes.table_notes(model, block)]
    for block in model.blocks:
        parts += _block(model, block)
    explained = marks.sentence(model)
    parts += [f"Marks: {markdown(explained)}."] if explained else []
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
        for cell in row.cells:
            text = cells.achieved(cell, _show)
            text += notes.DAGGER if cells.off_level(cell) else ""
            note = cells.seeds_note(cell)
            texts.append(f"{text} ({note})" if note else text)
        rows.append((row.spec.label, texts))
    reached = notes.reached_note(model, block)
    parts = [
        f"## {markdown(cells.block_title(model, block))}",
        _grid(model, model.columns, rows),
        f"{notes.DAGGER} {markdown(reached)}" if reached else "",
        *(markdown(text) for text in _legend(model, block)),
        markdown(_made(model, block)),
        *(markdown(text) for text, _ in cells.comparison_sentences(model, block)),
    ]
    pairs = cells.compared(block, model.columns)
    if pairs and block.method is None:
        apart = cells.differences_apart(model, block, _show)
        parts.append(f"Achieved minus reported, in {cells.difference_unit(model)}:")
        parts.append(_grid(model, apart.columns, [(name, texts) for name, _, texts in apart.rows]))
        parts += [markdown(text) for text in notes.compared_notes(model, block, model.columns)]
    elif pairs:
        unit = cells.difference_unit(model).removeprefix("percentage ")
        head = ("Row", "Column", "Quantity", "Reported", "Achieved", f"Difference ({unit})")
        lines = [
            [
                markdown(label),
                markdown(column),
                title(entry.metric),
                str(entry.reported.value) if entry.reported else "",
                _show(entry.outcome.text(), False) + _dagger(entry),
                cells.difference(entry),
            ]
            for label, column, entry in pairs
        ]
        parts.append(_pipe(head, lines, texts=3))
        parts += [markdown(text) for text in notes.compared_notes(model, block, model.columns)]
    return parts


def _made(model: TableModel, block: Block) -> str:
    """Say what a table was made with; methods with the same facts share a sentence."""
    found: dict[str, list[str]] = {}
    for method in cells.block_methods(model, block):
        parts = [
            f"backbone {', '.join(method.facts['backbone']) or 'none'}",
            f"{', '.join(method.facts['image_size'])} px",
            f"noise protocol {', '.join(method.facts['protocol'])}",
            f"{method.seeds} seed{'s' if method.seeds != 1 else ''}",
        ]
        found.setdefault("; ".join(parts), []).append(method.title)
    spread = cells.largest_sd(block)
    largest = ", ".join(f"{sd} ({title(name)})" for name, sd in spread.items())
    said = f"; largest standard deviation over seeds {largest}" if spread else ""
    if block.method is not None:
        return f"{next(iter(found))}{said}." if found else ""
    made = ". ".join(f"{', '.join(names)}: {text}" for text, names in found.items())
    return f"{made}{said}." if made else ""


def _legend(model: TableModel, block: Block) -> list[str]:
    """Explain the marks that numbers bear and the words in their place."""
    texts = [f"{EXTRAPOLATED} {EXTRAPOLATED_MEANING}"] if cells.extrapolated(model) else []
    texts += [f"{text}." for text in cells.extrapolated(model)]
    return [] if block is not model.blocks[0] else texts


def _statistics(model: TableModel) -> list[str]:
    found = section(model)
    if found is None:
        return []
    rows = [[markdown(text) for text in row] for row in found.rows]
    heads = [markdown(text) for text in found.heads]
    said = [markdown(text) for text in found.sentences]
    return [f"## {HEADING}", markdown(CAPTION), _pipe(heads, rows, texts=4), *said]


def _claims(model: TableModel) -> list[str]:
    said, lines = claims.claims(model), claims.winners(model)
    if not said and not lines:
        return []
    parts = [f"## {claims.heading(model)}"]
    items = [f"- {markdown(claim.text)} ({markdown(claim.where)})" for claim in said]
    parts += ["\n".join(items)] if items else []
    parts += [claims.nothing(model)]
    if lines:
        head = [markdown(text) for text in claims.heads(model)]
        texts = [(w.dataset, w.noise, w.methods, w.value, w.rank, w.aside) for w in lines]
        cells_of = [[markdown(text) for text in line[: len(head)]] for line in texts]
        parts += [markdown(claims.CAPTION), _pipe(head, cells_of, texts=3)]
    return parts


def _summary(model: TableModel) -> str:
    """Lay out the rows of the curve, a line per method and quantity, with deviations."""
    drawn = {line.id for line in model.curve}
    lines = []
    for block in model.blocks:
        for row in block.rows:
            if row.spec.id not in drawn:
                continue
            for position in range(max(len(cell.entries) for cell in row.cells)):
                entries = [cell.entries[position] for cell in row.cells]
                names = dict.fromkeys(title(entry.metric) for entry in entries)
                head = [markdown(model.method_title(block.method or "")), markdown(row.spec.label)]
                lines.append([*head, " / ".join(names), *map(_with_sd, entries)])
    columns = [markdown(column.label) for column in model.columns]
    return _pipe(("Method", "Row", "Quantity", *columns), lines, texts=3) if lines else ""


def _with_sd(entry: Entry) -> str:
    found = entry.outcome.estimate
    text = _show(entry.outcome.text(), False)
    if found is not None and found.sd is not None:
        text = f"{text} ± {found.sd_text}"
    return text + _dagger(entry)


def _dagger(entry: Entry) -> str:
    return notes.DAGGER if entry.off_level else ""


def _grid(model: TableModel, columns: Sequence[Line], rows: Iterable[tuple[str, list[str]]]) -> str:
    head = [markdown(model.target.layout.row_header)]
    # A pipe table has one head row: a column says its group itself.
    head += [markdown(" ".join(t for t in (c.group, c.label) if t)) for c in columns]
    return _pipe(head, [[markdown(label), *texts] for label, texts in rows])


def _pipe(head: Sequence[str], lines: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Lay out a table whose first ``texts`` columns are text, the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _show(text: str, bold: bool) -> str:
    safe = markdown(text)
    return f"**{safe}**" if bold else safe
