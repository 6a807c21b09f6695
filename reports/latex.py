"""LaTeX tables in the paper's layout, on booktabs; any font encoding, any engine."""

from __future__ import annotations

from collections.abc import Sequence

from ..tables.formatting import percent
from ..tables.model import Block, TableModel
from ..tables.spec import METRICS
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
    r"""Render tables for ``\input``: the paper's as reported, then one per method."""
    parts = []
    if model.reported is not None and model.target.paper is not None:
        rows = [
            (
                row.spec.label,
                row.spec.group,
                [cells.reported(model.target.layout.cell, c, _show) for c in row.cells],
            )
            for row in model.reported.rows
        ]
        caption = f"{model.reported.title} as reported. {model.target.caption}"
        caption = " ".join([caption, *(f"{n}." for n in notes.table_notes(model))])
        parts.append(_table(model, rows, latex(caption), "reported"))
    for block in model.blocks:
        parts.append(_table(model, _rows(model, block), _caption(model, block), block.method))
        apart = _differences(model, block)
        if apart:
            caption = f"{block.title}, achieved minus reported, in percentage points."
            caption = " ".join([caption, *(f"{n}." for n in notes.compared_notes(model, block))])
            parts.append(_table(model, apart, latex(caption), f"{block.method}-difference"))
    return _HEAD + "\n".join(parts or ["% No results.\n"])


def render_standalone(model: TableModel) -> str:
    """Render a document that compiles as it is and shows the same tables."""
    title = model.target.title
    if model.target.paper is not None:
        title = f"{model.target.paper.title}: {title}"
    body = render_latex(model)
    return f"{_STANDALONE}\\section*{{\\raggedright {latex(title)}}}\n{body}\\end{{document}}\n"


def _rows(model: TableModel, block: Block) -> list[tuple[str, str, list[str]]]:
    rows = []
    for row in block.rows:
        texts = []
        for entries in row.cells:
            text = cells.achieved(model.target.layout.cell, entries, _show)
            text += _DAGGER if cells.off_level(entries) else ""
            note = cells.seeds_note(entries)
            texts.append(f"{text}\\,{{\\tiny {latex(note)}}}" if note else text)
        rows.append((row.spec.label, row.spec.group, texts))
    return rows


def _differences(model: TableModel, block: Block) -> list[tuple[str, str, list[str]]]:
    """Lay out the rows that have a reported number anywhere."""
    return [
        (
            row.spec.label,
            row.spec.group,
            [cells.differences(model.target.layout.cell, cell, _show) for cell in row.cells],
        )
        for row in block.rows
        if any(entry.reported is not None for cell in row.cells for entry in cell)
    ]


def _caption(model: TableModel, block: Block) -> str:
    parts = []
    if model.synthetic:
        parts.append(r"\textbf{" + latex(cells.SYNTHETIC_BANNER) + "}")
    parts.append(latex(f"{block.title}, achieved. {model.target.caption}"))
    made = f"Backbone {', '.join(block.facts['backbone']) or 'none'}"
    made += f", {', '.join(block.facts['image_size'])} px" if block.facts["image_size"] else ""
    parts.append(latex(f"{made}; mean over {block.seeds} seed{'s' if block.seeds != 1 else ''}."))
    spread = cells.largest_sd(model, block.method)
    if spread:
        largest = ", ".join(f"{percent(sd)} ({METRICS[name]})" for name, sd in spread.items())
        parts.append(latex(f"Largest standard deviation over seeds: {largest}."))
    if any(entry.best for row in block.rows for cell in row.cells for entry in cell):
        parts.append("Bold: best method of that entry.")
    reached = notes.reached_note(model, block)
    if reached:
        parts.append(f"{_DAGGER} {latex(reached)}")
    parts += [latex(model.few_seeds)] if model.few_seeds else []
    sentence = cells.comparison_sentence(model, block.method)
    return " ".join([*parts, latex(sentence)]).strip()


def _table(
    model: TableModel,
    rows: Sequence[tuple[str, str, list[str]]],
    caption: str,
    suffix: str,
) -> str:
    layout, count = model.target.layout, len(model.columns)
    label = "".join(
        c for c in f"{layout.label}-{suffix}" if c.isascii() and (c.isalnum() or c in ":-.")
    )
    heads = " & ".join(latex(model.column_label(column)) for column in model.columns)
    pattern = " & ".join([latex(layout.cell_header)] * count)
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\small",
        r"\setlength{\tabcolsep}{5pt}",
        r"\setlength{\abovecaptionskip}{0pt}\setlength{\belowcaptionskip}{6pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{@{{}}l{'c' * count}@{{}}}}",
        r"\toprule",
        rf"& \multicolumn{{{count}}}{{c}}{{{latex(layout.column_header)}}} \\",
        rf"\cmidrule(l){{2-{count + 1}}}",
        rf"{latex(layout.row_header)} & {heads} \\",
        rf"& {pattern} \\",
        r"\midrule",
    ]
    before = rows[0][1] if rows else ""
    for name, group, texts in rows:
        if group != before:
            lines.append(r"\midrule")
            before = group
        lines.append(rf"{latex(name)} & {' & '.join(texts)} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _show(text: str, bold: bool) -> str:
    safe = latex(text)
    return rf"\textbf{{{safe}}}" if bold else safe
