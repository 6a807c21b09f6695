"""A paper's table as an object: to look at in a notebook or a terminal, or to write as a file."""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING

from ..datasets.errors import UnknownNameError
from ..tables.model import TableModel
from . import cells, notes
from .escape import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ..tables.layout import Line
    from .build import Prepared

_WIDTH = 80
_COLUMNS = [
    *("block", "row", "column", "method", "metric", "shown", "mean", "sd", "n", "best"),
    *("reported", "difference", "mark"),
]


class Table:
    """A paper's table, filled with results.

    Jupyter shows it as HTML; ``str`` and ``print`` give what the command line prints.

    Parameters
    ----------
    prepared
        What a report is written from, see `build.prepare`.
    """

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared

    @property
    def model(self) -> TableModel:
        """The table laid out, see `tables.model`."""
        return self._prepared.model

    @property
    def frame(self) -> pd.DataFrame:
        """The table's numbers, tidy: a row per block, row, column and quantity.

        ``shown`` has the digits of every output; ``mean`` and ``sd`` have full precision and are
        fractions where the unit is percent; ``reported`` and ``difference`` are in the unit, only
        where numbers may be compared; ``mark`` says why there is no number.
        """
        import pandas as pd

        rows = [
            {
                "block": block.spec.id,
                "row": row.spec.label,
                "column": column.label,
                "method": entry.method,
                "metric": entry.metric,
                "shown": entry.outcome.text(),
                "mean": None if found is None else float(found.mean),
                "sd": None if found is None else found.sd,
                "n": 0 if found is None else found.n,
                "best": entry.best,
                "reported": float(entry.reported.value) if entry.reported else None,
                "difference": None if entry.difference is None else float(entry.difference),
                "mark": entry.outcome.mark.name.lower() if entry.outcome.mark else "",
            }
            for block in self.model.blocks
            for row in block.rows
            for column, cell in zip(self.model.columns, row.cells, strict=True)
            for entry in cell.entries
            for found in (entry.outcome.estimate,)
        ]
        numbers = dict.fromkeys(("mean", "sd", "reported", "difference"), float)
        return pd.DataFrame(rows, columns=_COLUMNS).astype(numbers)

    def to_html(self) -> str:
        """Return the report as one page that needs nothing beside it."""
        from .html import render_html

        made = self._prepared
        return render_html(made.model, made.context, made.check)

    def to_latex(self, form: str = "achieved", *, standalone: bool = False) -> str:
        r"""Return LaTeX for ``\input``, or a document that compiles as it is.

        Parameters
        ----------
        form
            ``"achieved"``, ``"sd"`` (deviations, and the reported numbers in parentheses) or
            ``"difference"`` (achieved minus reported).
        standalone
            Whether to return a whole document.

        Raises
        ------
        UnknownNameError
            Another form.
        """
        from .latex import Form, render_latex, render_standalone

        forms = {"achieved": Form.ACHIEVED, "sd": Form.SPREAD, "difference": Form.DIFFERENCE}
        if form not in forms:
            raise UnknownNameError("form of a LaTeX table", form, forms)
        return (render_standalone if standalone else render_latex)(self.model, forms[form])

    def to_markdown(self) -> str:
        """Return GitHub-flavoured Markdown."""
        from .text import render_markdown

        return render_markdown(self.model, self._prepared.context)

    def to_csv(self) -> str:
        """Return the CSV of the report, safe for spreadsheets."""
        from .text import render_csv

        return render_csv(self.model)

    def __str__(self) -> str:
        from rich.console import Console

        from .terminal import print_report

        buffer = io.StringIO()
        # Neither a terminal nor a notebook: plain text, whatever runs around it.
        console = Console(file=buffer, width=_WIDTH, force_terminal=False, force_jupyter=False)
        print_report(self.model, console)
        return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the paper's table, its reported numbers first, in a notebook."""
        return fragment(self.model)


def fragment(model: TableModel) -> str:
    """Return the tables of a model as HTML elements without style sheet, script or id."""
    target = model.target
    title = f"{target.paper.short}, {target.title}" if target.paper else target.title
    parts = [f"<p>{_line(f'{title}: {target.caption}', 'strong')}</p>"]
    parts += [f"<p>{_line(cells.SYNTHETIC_BANNER, 'strong')}</p>"] if model.synthetic else []
    parts += [] if model.blocks else [_line("No results.", "p")]
    for block in model.reported:
        rows = [(r.spec.label, [cells.reported(c, _show) for c in r.cells]) for r in block.rows]
        parts.append(_table(model, block.columns, f"{block.title}, as reported", rows))
    for block in model.blocks:
        rows = []
        for row in block.rows:
            texts = []
            for cell in row.cells:
                sign = notes.DAGGER if cells.off_level(cell) else ""
                few = cells.seeds_note(cell)
                texts.append(f"{cells.achieved(cell, _show)}{sign}{f' ({few})' if few else ''}")
            rows.append((row.spec.label, texts))
        parts.append(_table(model, model.columns, cells.block_title(model, block), rows))
        apart = cells.differences_apart(model, block, _show)
        if apart.rows:
            heading = f"Achieved minus reported, in {cells.difference_unit(model)}"
            lines = [(label, texts) for label, _, texts in apart.rows]
            parts.append(_table(model, apart.columns, heading, lines))
        reached = notes.reached_note(model, block)
        parts += [_line(f"{notes.DAGGER} {reached}", "p")] if reached else []
        parts += [_line(text, "p") for text, _ in cells.comparison_sentences(model, block)]
    parts += [_line(text, "p") for text in model.notes]
    legend = "; ".join(f"{mark.symbol}: {mark.meaning}" for mark in cells.marks(model))
    parts += [_line(legend, "p")] if legend else []
    return f"<div>{''.join(parts)}</div>"


def _table(
    model: TableModel,
    columns: Sequence[Line],
    caption: str,
    rows: Sequence[tuple[str, Sequence[str]]],
) -> str:
    layout = model.target.layout
    spans = cells.spans(columns, layout.column_header)
    over = "".join(
        f'<th scope="colgroup" colspan="{count}" style="text-align: center">{_text(text)}</th>'
        for text, count in spans
    )
    heads = "".join(f'<th scope="col">{_text(column.label)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row" style="text-align: left">{_text(label)}</th>'
        f"{''.join(f'<td>{text}</td>' for text in texts)}</tr>"
        for label, texts in rows
    )
    first = f"<tr><td></td>{over}</tr>" if any(text for text, _ in spans) else ""
    return (
        f"<table><caption>{_text(caption)}</caption><thead>{first}"
        f'<tr><th scope="col">{_text(layout.row_header)}</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _text(text: str) -> str:
    return escape(one_line(text))


def _line(text: str, tag: str) -> str:
    return f"<{tag}>{_text(text)}</{tag}>"


def _show(text: str, bold: bool) -> str:
    return f"<strong>{_text(text)}</strong>" if bold else _text(text)
