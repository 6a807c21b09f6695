"""LaTeX tables in the paper's layout, on booktabs; any font encoding, any engine."""

from __future__ import annotations

from collections.abc import Sequence

from ..tables.layout import Line
from ..tables.model import Block, TableModel
from ..tables.outcome import EXTRAPOLATED, EXTRAPOLATED_MEANING
from ..tables.quantities import title as quantity_title
from . import cells, notes
from .escape import latex

_HEAD = r"""% Needs \usepackage{booktabs} in the preamble; include with \input.
"""

_DAGGER = r"\textsuperscript{\dag}"

_STANDALONE = r"""\documentclass[10pt]{article}
\usepackage[a4paper,margin=18mm]{geometry}
\usepackage{booktabs}
\begin{document}
"""


def render_latex(model: TableModel) -> str:
    r"""Render tables for ``\input``: the paper's as reported, then the achieved ones."""
    parts = []
    for block in model.reported:
        rows = [
            (row.spec.label, row.spec.group, [cells.reported(c, _show) for c in row.cells])
            for row in block.rows
        ]
        caption = f"{block.title} as reported. {model.target.caption}"
        caption = " ".join([caption, *(f"{n}." for n in notes.table_notes(model, block))])
        suffix = "-".join(p for p in ("reported", block.spec.id) if p)
        suffix = "reported" if model.target.layout.block_per_method else suffix
        parts.append(_table(model, block.columns, rows, latex(caption), suffix))
    for block in model.blocks:
        name = block.spec.id or "achieved"
        parts.append(_table(model, model.columns, _rows(block), _caption(model, block), name))
        apart = cells.differences_apart(model, block, _show)
        if apart.rows:
            unit = cells.difference_unit(model)
            title = cells.block_title(model, block)
            caption = f"{title} minus reported, in {unit}."
            found = notes.compared_notes(model, block, model.columns)
            caption = " ".join([caption, *(f"{n}." for n in found)])
            parts.append(
                _table(model, apart.columns, apart.rows, latex(caption), f"{name}-difference")
            )
    return _HEAD + "\n".join(parts or ["% No results.\n"])


def render_standalone(model: TableModel) -> str:
    """Render a document that compiles as it is and shows the same tables."""
    title = model.target.title
    if model.target.paper is not None:
        title = f"{model.target.paper.title}: {title}"
    body = render_latex(model)
    return f"{_STANDALONE}\\section*{{\\raggedright {latex(title)}}}\n{body}\\end{{document}}\n"


def _rows(block: Block) -> list[tuple[str, str, list[str]]]:
    rows = []
    for row in block.rows:
        texts = []
        for cell in row.cells:
            text = cells.achieved(cell, _show)
            text += _DAGGER if cells.off_level(cell) else ""
            note = cells.seeds_note(cell)
            texts.append(f"{text}\\,{{\\tiny {latex(note)}}}" if note else text)
        rows.append((row.spec.label, row.spec.group, texts))
    return rows


def _caption(model: TableModel, block: Block) -> str:
    parts = []
    if model.synthetic:
        parts.append(r"\textbf{" + latex(cells.SYNTHETIC_BANNER) + "}")
    parts.append(latex(f"{cells.block_title(model, block)}. {model.target.caption}"))
    parts += [latex(text) for text in _made(model, block)]
    spread = cells.largest_sd(block)
    if spread:
        largest = ", ".join(f"{sd} ({quantity_title(name)})" for name, sd in spread.items())
        parts.append(latex(f"Largest standard deviation over seeds: {largest}."))
    if any(entry.best for entry in block.entries):
        parts.append("Bold: best method of that entry.")
    reached = notes.reached_note(model, block)
    if reached:
        parts.append(f"{_DAGGER} {latex(reached)}")
    if any(e.outcome.estimate and e.outcome.estimate.extrapolated for e in block.entries):
        parts.append(latex(f"{EXTRAPOLATED} {EXTRAPOLATED_MEANING}."))
    parts += [latex(model.few_seeds)] if model.few_seeds else []
    parts += [latex(text) for text, _ in cells.comparison_sentences(model, block)]
    return " ".join(parts).strip()


def _made(model: TableModel, block: Block) -> list[str]:
    """Say what a table was made with, methods of the same facts together."""
    found: dict[str, list[str]] = {}
    for method in cells.block_methods(model, block):
        made = f"Backbone {', '.join(method.facts['backbone']) or 'none'}"
        sizes = method.facts["image_size"]
        made += f", {', '.join(sizes)} px" if sizes else ""
        made += f"; mean over {method.seeds} seed{'s' if method.seeds != 1 else ''}."
        found.setdefault(made, []).append(method.title)
    if block.method is not None or len(found) == 1:
        return list(found)
    return [f"{', '.join(names)}: {text}" for text, names in found.items()]


def _table(
    model: TableModel,
    columns: Sequence[Line],
    rows: Sequence[tuple[str, str, list[str]]],
    caption: str,
    suffix: str,
) -> str:
    layout, count = model.target.layout, len(columns)
    label = "".join(
        c for c in f"{layout.label}-{suffix}" if c.isascii() and (c.isalnum() or c in ":-.")
    )
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\small",
        rf"\setlength{{\tabcolsep}}{{{5 if count < 8 else 3}pt}}",
        r"\setlength{\abovecaptionskip}{0pt}\setlength{\belowcaptionskip}{6pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{@{{}}l{'c' * count}@{{}}}}",
        r"\toprule",
        *_heads(model, columns),
        r"\midrule",
    ]
    before = rows[0][1] if rows else ""
    for name, group, texts in rows:
        if group != before:
            lines.append(r"\midrule")
            before = group
        lines.append(rf"{latex(name)} & {' & '.join(texts)} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _heads(model: TableModel, columns: Sequence[Line]) -> list[str]:
    """Return the head rows: groups with rules below them, names, small print."""
    layout = model.target.layout
    lines = []
    spans = cells.spans(columns, layout.column_header)
    if any(text for text, _ in spans):
        over = " & ".join(rf"\multicolumn{{{n}}}{{c}}{{{latex(text)}}}" for text, n in spans)
        lines.append(rf"& {over} \\")
        start, rules = 2, []
        for text, n in spans:
            rules += [rf"\cmidrule(l){{{start}-{start + n - 1}}}"] if text else []
            start += n
        lines.append("".join(rules))
    heads = " & ".join(latex(column.label) for column in columns)
    lines.append(rf"{latex(layout.row_header)} & {heads} \\")
    under = cells.under(columns, layout.cell_header)
    if under:
        lines.append(rf"& {' & '.join(latex(text) for text in under)} \\")
    return lines


def _show(text: str, bold: bool) -> str:
    safe = latex(text)
    return rf"\textbf{{{safe}}}" if bold else safe
