r"""LaTeX tables in the paper's layout, in three forms; any font encoding, any engine.

`Form.ACHIEVED` is the paper's table with its own numbers and again with the achieved ones,
`Form.SPREAD` the achieved numbers with their deviations and the reported ones in parentheses,
`Form.DIFFERENCE` achieved minus reported. Numbers stand in siunitx columns and keep the digits of
every other output.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum

from ..tables.layout import Layout
from ..tables.model import Block, TableModel
from ..tables.outcome import EXTRAPOLATED, EXTRAPOLATED_MEANING
from ..tables.quantities import QUANTITIES, Pooling
from ..tables.quantities import title as quantity_title
from . import cells, notes
from .escape import latex
from .latex_parts import (
    DAGGER,
    DOUBLE_DAGGER,
    Table,
    achieved_table,
    difference_table,
    reported_table,
    spread_table,
)
from .latex_statistics import explained, section_tables
from .latex_tabular import BOLD, separation, split, tabular

PACKAGES = ("booktabs", "graphicx", "siunitx")
_USES = "\n".join(rf"\usepackage{{{name}}}" for name in PACKAGES)

_HEAD = rf"""% Put these lines into the preamble, then \input this file where the tables go:
%   {_USES.replace(chr(10), chr(10) + "%   ")}
% siunitx from version 3 on. Debian: texlive-latex-recommended, texlive-science.
\DeclareRobustCommand{{{BOLD}}}{{\fontseries{{b}}\selectfont}}
"""
_STANDALONE = rf"""\documentclass[10pt]{{article}}
\usepackage[a4paper,margin=18mm]{{geometry}}
{_USES}
\begin{{document}}
"""
# Text mode keeps bold digits bold; math mode has the better minus, and differences are never bold.
_PLAIN = "group-digits=none,table-align-text-before=false,table-align-text-after=false"
_NUMBERS = f"detect-weight=true,mode=text,{_PLAIN}"
_SIGNED = f"retain-explicit-plus=true,{_PLAIN}"


class Form(Enum):
    """Which numbers a file of tables shows; the value goes into the file's name."""

    ACHIEVED = ""
    SPREAD = "_sd"
    DIFFERENCE = "_difference"


def render_latex(model: TableModel, form: Form = Form.ACHIEVED) -> str:
    r"""Render tables for ``\input``.

    Parameters
    ----------
    model
        The table.
    form
        Which numbers to show. On synthetic data no form shows a reported number.

    Returns
    -------
    str
        LaTeX; the comment at its top names the packages that the preamble must load.
    """
    makers = {
        Form.ACHIEVED: _achieved_tables,
        Form.SPREAD: _spread_tables,
        Form.DIFFERENCE: _difference_tables,
    }
    parts = list(makers[form](model))
    return _HEAD + "\n".join(
        parts or [rf"{{\par\noindent\sloppy {latex(_nothing(model, form))}\par}}" + "\n"]
    )


def render_standalone(model: TableModel, form: Form = Form.ACHIEVED) -> str:
    """Render a document that compiles as it is and shows the same tables."""
    title = model.target.title
    if model.target.paper is not None:
        title = f"{model.target.paper.title}: {title}"
    body = render_latex(model, form)
    return f"{_STANDALONE}\\section*{{\\raggedright {latex(title)}}}\n{body}\\end{{document}}\n"


def _nothing(model: TableModel, form: Form) -> str:
    if not model.blocks:
        return "No results."
    why = cells.SYNTHETIC_BANNER if model.synthetic else _incomparable(model)
    return f"Nothing is compared. {why}" if form is Form.DIFFERENCE else why


def _incomparable(model: TableModel) -> str:
    """Say why no result stands beside a reported number."""
    found: dict[str, list[str]] = {}
    for method in model.methods:
        if method.has_counterpart and method.departures:
            said = cells.comparison_sentence(model, method)
            found.setdefault(said, []).append(method.title)
    if not found:
        return "No result here has a reported number."
    return " ".join(f"{', '.join(names)}: {said}" for said, names in found.items())


def _achieved_tables(model: TableModel) -> Iterator[str]:
    for block in model.reported:
        caption = f"{block.title} as reported. {model.target.caption}"
        caption = " ".join([caption, *(f"{n}." for n in notes.table_notes(model, block))])
        suffix = "-".join(p for p in ("reported", block.spec.id) if p)
        suffix = "reported" if model.target.layout.block_per_method else suffix
        yield _floats(model, reported_table(block), latex(caption), block.title, suffix)
    for block in model.blocks:
        said = [*_beginning(model, block), *_largest(block), *_explained(model, block)]
        table = achieved_table(block, model.columns)
        yield _floats(model, table, " ".join(said), _title(model, block), _name(block))
    if model.blocks:
        yield from section_tables(model)
        yield from explained(model)


def _spread_tables(model: TableModel) -> Iterator[str]:
    for block in model.blocks:
        joint = any(len(cell.place.metrics) > 1 for cell in cells.all_cells(block))
        shown = dict.fromkeys(entry.metric for entry in block.entries)
        for metrics in [(metric,) for metric in shown] if joint else [tuple(shown)]:
            table = spread_table(block, model.columns, metrics)
            only = quantity_title(metrics[0]) if joint else ""
            layout = replace(model.target.layout, cell_header="") if joint else None
            title = f"{_title(model, block)}{f': {only}' if only else ''}"
            said = [*_beginning(model, block, only), *_read(block, metrics)]
            said += [latex(f"{n}.") for n in notes.compared_notes(model, block, model.columns)]
            caption = " ".join([*said, *_explained(model, block)])
            suffix = "-".join([_name(block), "sd", *(metrics if joint else ())])
            yield _floats(model, table, caption, title, suffix, layout=layout)


def _difference_tables(model: TableModel) -> Iterator[str]:
    for block in model.blocks:
        table = difference_table(block, model.columns)
        if not table.rows:
            continue
        title = f"{_title(model, block)} minus reported"
        caption = [f"{title}, in {cells.difference_unit(model)}."]
        caption += [f"{text}." for text in notes.compared_notes(model, block, model.columns)]
        caption += [text for text, _ in cells.comparison_sentences(model, block)]
        # A difference of an extrapolated number is not taken: its sign stands instead.
        signs = (part.after for row in table.rows for field in row.fields for part in field)
        if latex(EXTRAPOLATED) in signs:
            caption.append(f"{EXTRAPOLATED} {EXTRAPOLATED_MEANING}.")
        suffix = f"{_name(block)}-difference"
        yield _floats(model, table, latex(" ".join(caption)), title, suffix, signed=True)


def _name(block: Block) -> str:
    return block.spec.id or "achieved"


def _title(model: TableModel, block: Block) -> str:
    return cells.block_title(model, block)


def _beginning(model: TableModel, block: Block, only: str = "") -> list[str]:
    parts = [r"\textbf{" + latex(cells.SYNTHETIC_BANNER) + "}"] if model.synthetic else []
    title = f"{_title(model, block)}{f': {only}' if only else ''}"
    # The target's caption tells of joint entries, which a table of one quantity does not have.
    alone = "One quantity of the joint entries; each has a table of its own."
    caption = f"{title}. {alone if only else model.target.caption}"
    protocol = cells.protocol_sentence(model)
    said = [caption, *([protocol] if protocol else []), *_made(model, block)]
    return [*parts, *map(latex, said)]


def _largest(block: Block) -> list[str]:
    found = cells.largest_sd(block).items()
    largest = ", ".join(f"{sd} ({quantity_title(name)})" for name, sd in found)
    return [latex(f"Largest standard deviation over seeds: {largest}.")] if found else []


def _read(block: Block, metrics: tuple[str, ...]) -> list[str]:
    """Say how to read a table with deviations."""
    shown = [entry for entry in block.entries if entry.metric in metrics]
    found = [entry.outcome.estimate for entry in shown if entry.outcome.estimate is not None]
    said = []
    if any(estimate.sd is not None for estimate in found):
        said.append(r"Mean $\pm$ sample standard deviation over seeds.")
    elif any(QUANTITIES[name].pooling is Pooling.MEAN for name in metrics) and found:
        said.append("One seed: no standard deviation.")
    if any(entry.reported is not None for entry in shown):
        said.append("In parentheses: as reported.")
    return said


def _explained(model: TableModel, block: Block) -> list[str]:
    """Explain the signs of a table, and say how it stands to the paper's."""
    parts = ["Bold: best method of that entry."] if any(e.best for e in block.entries) else []
    reached = notes.reached_note(model, block)
    parts += [f"{DAGGER} {latex(reached)}"] if reached else []
    if any(e.outcome.estimate and e.outcome.estimate.extrapolated for e in block.entries):
        parts.append(f"{DOUBLE_DAGGER} {latex(EXTRAPOLATED_MEANING)}.")
    parts += [latex(model.few_seeds)] if model.few_seeds else []
    return [*parts, *(latex(text) for text, _ in cells.comparison_sentences(model, block))]


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


def _floats(
    model: TableModel,
    table: Table,
    caption: str,
    title: str,
    suffix: str,
    *,
    layout: Layout | None = None,
    signed: bool = False,
) -> str:
    """Return the floats that a table takes; all but the first say what they continue."""
    layout, numbers = layout or model.target.layout, _SIGNED if signed else _NUMBERS
    found = []
    for index, part in enumerate(split(table)):
        said = caption if index == 0 else latex(f"{title}, continued.")
        name = suffix if index == 0 else f"{suffix}-{index + 1}"
        found.append(_float(layout, part, said, name, numbers))
    return "\n".join(found)


def _float(layout: Layout, table: Table, caption: str, suffix: str, numbers: str) -> str:
    label = "".join(
        c for c in f"{layout.label}-{suffix}" if c.isascii() and (c.isalnum() or c in ":-.")
    )
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\small",
        rf"\sisetup{{{numbers}}}",
        rf"\setlength{{\tabcolsep}}{{{separation(table)}pt}}",
        r"\setlength{\abovecaptionskip}{0pt}\setlength{\belowcaptionskip}{6pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        *tabular(table, layout),
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)
