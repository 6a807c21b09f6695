"""One self-contained HTML page: no script, no network, light and dark, readable without colour.

The page is a jinja2 template with escaping always on; nothing but the drawing and the style sheet,
both our own, goes in unescaped, and a content security policy forbids scripts and requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..datasets.errors import UsageError
from ..tables.formatting import Mark, level
from ..tables.model import TableModel, reason
from ..tables.quantities import title as quantity_title
from . import audit, cells, claims, html_facts, html_tables, notes
from .context import ReportContext
from .figures import has_figure, render_inline_svg
from .html_cells import (
    HEAT,
    overview,
)
from .statistics_section import CAPTION as STATISTICS_CAPTION
from .statistics_section import HEADING as STATISTICS
from .statistics_section import caption_areas, section

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
    svg = Markup(render_inline_svg(model) if has_figure(model) else "")  # noqa: S704
    template = environment.get_template("report.html.j2")
    return template.render(css=css, svg=svg, **_page(model, context))


def _page(model: TableModel, context: ReportContext) -> dict[str, Any]:
    target, layout = model.target, model.target.layout
    blocks = [html_tables.achieved(model, block, index) for index, block in enumerate(model.blocks)]
    failures = _failures(model)
    reported = html_tables.reported(model)
    said, audited = _claims(model), _audit(model)
    statistics = section(model)
    environment = list(context.environment.items())
    training = html_facts.training(model)
    made = environment or context.command
    shows_overview = overview(model)
    return {
        "page": _head(model, context),
        "synthetic_banner": cells.SYNTHETIC_TEXT if model.synthetic else "",
        "tiles": html_facts.tiles(model, context),
        "notes": model.notes,
        "links": _links(
            blocks,
            has_figure(model) or shows_overview,
            statistics,
            reported,
            audited,
            said,
            failures,
            training,
            made,
        ),
        "levels": html_facts.levels(model),
        "level_title": model.level_title,
        "category": layout.row_header if layout.block_per_method else "Category",
        "corner": layout.row_header,
        "overview": shows_overview,
        "figure_caption": _figure_caption(model),
        "statistics": statistics,
        "statistics_heading": STATISTICS,
        "statistics_caption": STATISTICS_CAPTION,
        "claims": said,
        "reported": reported,
        "audit": audited,
        "blocks": blocks,
        "scale": [{"style": f"h{i}", "text": text} for i, (_, text) in enumerate(HEAT)],
        "marks": [{"symbol": mark.symbol, "meaning": mark.meaning} for mark in _marks(model)],
        "dagger": notes.DAGGER_TITLE,
        "bold": any(entry.best for block in model.blocks for entry in block.entries),
        "readings": target.readings,
        "failures": failures,
        "failures_count": f"{len(model.failures)} of {len(model.runs)} cells failed",
        "protocol": "; ".join(html_facts.distinct(model, "protocol")) or "unknown",
        "training": training,
        "keys": html_facts.keys(model),
        "environment": environment,
        "command": context.command,
    }


def _head(model: TableModel, context: ReportContext) -> dict[str, str]:
    target, paper = model.target, model.target.paper
    made = f"adrepro {context.version}".strip()
    title = f"{paper.short}, {target.title}" if paper else target.title
    return {
        "title": f"{title} · {'synthetic data' if model.synthetic else 'results'}",
        "over": f"{made} · {target.name}",
        "heading": f"{target.title}: {paper.title}" if paper else target.title,
        "authors": ", ".join(paper.authors) if paper else "",
        "arxiv": (paper.arxiv or "") if paper else "",
        "caption": target.caption,
        "footer": f"Written by {made}. Numbers are rounded once, ties away from zero, and have "
        "the same digits in every output of this report.",
    }


def _marks(model: TableModel) -> list[Mark]:
    """Return the marks to explain: the common ones always, the rare ones where they occur."""
    rare = (Mark.SHARED, Mark.NOTHING_REMOVED, Mark.SKIPPED)
    used = cells.marks(model)
    return [mark for mark in Mark if mark not in rare or mark in used]


def _links(
    blocks: Sequence[dict[str, Any]],
    overviewed: Any,
    statistics: Any,
    reported: Any,
    audited: Any,
    said: Any,
    failures: Any,
    training: Any,
    made: Any,
) -> list[dict[str, str]]:
    found = [("overview", "Overview")] if overviewed or not blocks else []
    found += [("statistics", STATISTICS)] if statistics else []
    found += [("claims", said["heading"])] if said else []
    found += [("reported", reported["heading"])] if reported else []
    found += [("audit", audited["heading"])] if audited else []
    found += [(block["id"], block["link"]) for block in blocks]
    found += [("reading", "How to read it")] if blocks else []
    found += [("failures", "Failures")] if failures else []
    found += [("provenance", "Data and provenance")] if training else []
    found += [("environment", "Made with")] if made else []
    return [{"id": name, "text": text} for name, text in found]


def _figure_caption(model: TableModel) -> str:
    kinds = ("solid", "dashed", "dotted", "dash-dotted")
    named = zip(map(quantity_title, model.metrics), kinds, strict=False)
    lines = ", ".join(f"{name} {kind}" for name, kind in named)
    if len(model.metrics) == 1:
        lines = quantity_title(model.metrics[0])
    text = f"{model.level_title}: {lines}; mean over seeds, band: 95 % interval of "
    text += "the mean (Student's t; none for one seed)."
    if model.beside and model.target.layout.block_per_method:
        text += f" Grey: {model.reported[0].title} as its paper reports it."
    elif model.beside:
        text += (
            " Hollow: as the paper reports it, joined by dots where it prints more than two levels."
        )
    return " ".join(part for part in (text, caption_areas(model)) if part)


def _audit(model: TableModel) -> dict[str, Any] | None:
    """Return what an audit of the paper finds about this table; nothing beside synthetic data."""
    if not model.reported:
        return None
    from ..tables.audit.run import findings_on

    try:
        findings, problem = findings_on(model.target), ""
    except UsageError as err:
        # A claim of the user's that names no number must not cost the report of a long run.
        findings, problem = (), f"The audit could not be made: {err}."
    return {"heading": audit.HEADING, "problem": problem, **audit.section(findings)}


def _claims(model: TableModel) -> dict[str, Any] | None:
    said, lines = claims.claims(model), claims.winners(model)
    if not said and not lines:
        return None
    return {
        "heading": claims.heading(model),
        "said": said,
        "caption": claims.CAPTION,
        "heads": claims.heads(model),
        "lines": lines,
        "nothing": claims.nothing(model),
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
            "column": f"{level(noise)}%",
            "seeds": ", ".join(map(str, seeds)),
            "reason": text,
        }
        for (method, category, noise, text), seeds in found.items()
    ]
