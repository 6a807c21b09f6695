"""One self-contained HTML page: no script, no network, light and dark, readable without colour.

The page is a jinja2 template with escaping always on; nothing but the drawing and the style sheet,
both our own, goes in unescaped, and a content security policy forbids scripts and requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..tables.formatting import Mark
from ..tables.model import TableModel, reason
from ..tables.spec import METRICS
from . import cells, html_facts, notes
from .context import ReportContext
from .figures import render_inline_svg
from .html_cells import (
    HEAT,
    achieved_parts,
    number_part,
    outcome_part,
    overview,
    reported_parts,
    row_style,
    spread,
)

_TEMPLATES = Path(__file__).resolve().parent / "templates"


def render_html(model: TableModel, context: ReportContext) -> str:
    """Render the page.

    Parameters
    ----------
    model
        The table.
    context
        Methods, environment and how the results were made.

    Returns
    -------
    str
        The whole document; the same model and context give the same text.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Both are made by this project; text of others inside the drawing is escaped by its writer.
    css = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8").strip())  # noqa: S704
    svg = Markup(render_inline_svg(model) if model.blocks else "")  # noqa: S704
    template = environment.get_template("report.html.j2")
    return template.render(css=css, svg=svg, **_page(model, context))


def _page(model: TableModel, context: ReportContext) -> dict[str, Any]:
    target, layout = model.target, model.target.layout
    paper = target.paper
    blocks = [_block(model, block_index) for block_index in range(len(model.blocks))]
    failures = _failures(model)
    reported = _reported(model)
    made = f"adrepro {context.version}".strip()
    title = f"{paper.short}, {target.title}" if paper else target.title
    page = {
        "title": f"{title} · {'synthetic data' if model.synthetic else 'results'}",
        "over": f"{made} · {target.name}",
        "heading": f"{target.title}: {paper.title}" if paper else target.title,
        "authors": ", ".join(paper.authors) if paper else "",
        "arxiv": (paper.arxiv or "") if paper else "",
        "caption": target.caption,
        "footer": f"Written by {made}. Numbers are rounded once, ties away from zero, and have "
        "the same digits in every output of this report.",
    }
    environment = list(context.environment.items())
    training = html_facts.training(model)
    return {
        "page": page,
        "synthetic_banner": cells.SYNTHETIC_TEXT if model.synthetic else "",
        "tiles": html_facts.tiles(model, context),
        "notes": model.notes,
        "links": _links(reported, blocks, failures, training, environment or context.command),
        "columns": [model.column_label(column) for column in model.columns],
        "corner": layout.row_header,
        "over": layout.column_header,
        "under": layout.cell_header,
        "overview": overview(model) if blocks else None,
        "figure_caption": _figure_caption(model),
        "reported": reported,
        "blocks": blocks,
        "scale": [{"style": f"h{i}", "text": text} for i, (_, text) in enumerate(HEAT)],
        "marks": [{"symbol": mark.symbol, "meaning": mark.meaning} for mark in Mark],
        "dagger": notes.DAGGER_TITLE,
        "bold": any(
            p["bold"] for b in blocks for r in b["rows"] for c in r["cells"] for p in c["parts"]
        ),
        "readings": target.readings,
        "failures": failures,
        "failures_count": f"{len(model.failures)} of {len(model.runs)} cells failed",
        "protocol": "; ".join(html_facts.distinct(model, "protocol")) or "unknown",
        "training": training,
        "keys": html_facts.keys(model),
        "environment": environment,
        "command": context.command,
    }


def _links(
    reported: Any, blocks: Sequence[dict[str, Any]], failures: Any, training: Any, made: Any
) -> list[dict[str, str]]:
    found = [("overview", "Overview")]
    found += [("reported", f"{reported['title']}, as reported")] if reported else []
    found += [(block["id"], block["title"]) for block in blocks]
    found += [("reading", "How to read it")] if blocks else []
    found += [("failures", "Failures")] if failures else []
    found += [("provenance", "Data and provenance")] if training else []
    found += [("environment", "Made with")] if made else []
    return [{"id": name, "text": text} for name, text in found]


def _figure_caption(model: TableModel) -> str:
    names = [METRICS[name] for name in model.target.layout.metrics]
    kinds = ("solid", "dashed", "dotted", "dash-dotted")
    lines = ", ".join(f"{n} {k}" for n, k in zip(names, kinds, strict=False))
    text = f"{model.level_title}: {lines}; mean over seeds, band ± one standard deviation."
    if model.reported is not None and model.beside:
        text += f" Grey: {model.reported.title} as its paper reports it."
    return text


def _reported(model: TableModel) -> dict[str, Any] | None:
    block = model.reported
    if block is None or model.target.paper is None:
        return None
    labels = {row.id: row.label for row in model.target.layout.rows}
    return {
        "title": block.title,
        "rows": [
            {
                "label": row.spec.label,
                "style": row_style(model, index),
                "cells": [reported_parts(model, cell) for cell in row.cells],
            }
            for index, row in enumerate(block.rows)
        ],
        "stated": [
            {
                "method": model.method_title(number.method),
                "row": labels[number.row],
                "metric": METRICS[number.metric],
                "column": model.column_label(number.column),
                "value": str(number.value),
                "note": number.note,
            }
            for number in block.stated
        ],
        "notes": (*notes.table_notes(model), *model.target.paper.notes),
    }


def _block(model: TableModel, index: int) -> dict[str, Any]:
    block = model.blocks[index]
    tolerance = model.target.tolerance
    pairs = [
        {
            "row": label,
            "column": model.column_label(column),
            "metric": METRICS[entry.metric],
            "reported": number_part(entry.reported)["text"],
            "note": entry.reported.note if entry.reported else "",
            "off": entry.off_level,
            "achieved": outcome_part(entry)["text"],
            "difference": html_facts.difference(entry),
        }
        for label, column, entry in cells.compared(model, block.method)
    ]
    said = ""
    if tolerance is not None:
        said = f"Tolerance of the target: {tolerance.points:g} points; {tolerance.source}."
    return {
        "id": f"method-{index + 1}",
        "title": block.title,
        "made": html_facts.made_with(block),
        "sentence": cells.comparison_sentence(model, block.method),
        "comparable": block.comparable,
        "caption": f"{block.title}, achieved. {model.target.caption}",
        "rows": [
            {
                "label": row.spec.label,
                "style": row_style(model, position),
                "cells": [
                    {
                        "parts": achieved_parts(model, cell),
                        "sd": spread(cell),
                        "few": cells.seeds_note(cell),
                        "off": cells.off_level(cell),
                    }
                    for cell in row.cells
                ],
            }
            for position, row in enumerate(block.rows)
        ],
        "pairs": pairs,
        "pair_notes": notes.compared_notes(model, block),
        "reached": notes.reached_note(model, block),
        "tolerance": said,
        "facts": html_facts.method_facts(model, block),
        "settings": html_facts.settings(block),
    }


def _failures(model: TableModel) -> list[dict[str, str]]:
    """One line per method, category, level and reason, with the seeds that share them."""
    found: dict[tuple[str, str, float, str], list[int]] = {}
    for run in model.failures:
        place = (run.method, f"{run.dataset}/{run.category}", run.noise, reason(run.error))
        found.setdefault(place, []).append(run.seed)
    return [
        {
            "method": model.method_title(method),
            "category": category,
            "column": model.column_label(noise),
            "seeds": ", ".join(map(str, seeds)),
            "reason": text,
        }
        for (method, category, noise, text), seeds in found.items()
    ]
