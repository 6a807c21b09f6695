"""One self-contained HTML page: no network, light and dark, readable without colour or script.

The page is a jinja2 template with escaping always on. Unescaped go in the drawings, the style
sheet and the script, all our own. Its content security policy forbids every request and every
script but this one, which it knows by its hash; data reach the script as escaped JSON.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..tables.model import TableModel
from ..tables.verdicts.verdict import Check
from . import cells, html_facts, html_sections, html_tables, html_verdicts, notes
from .context import ReportContext
from .figures import has_figure, render_inline_svg
from .html_cells import HEAT, overview
from .html_details import details
from .html_downloads import downloads
from .html_figures import figures
from .html_thumbs import thumbs_of
from .statistics_section import CAPTION as STATISTICS_CAPTION
from .statistics_section import HEADING as STATISTICS
from .statistics_section import section

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_STYLES = ("style.css", "interactive.css")
# Names of the views, the one that is shown first at the front.
_VIEWS = (("achieved", "achieved"), ("reported", "reported"), ("difference", "difference"))


def render_html(model: TableModel, context: ReportContext, check: Check | None = None) -> str:
    """Render the page.

    Parameters
    ----------
    model
        The table.
    context
        Methods, environment, how the results were made, and where images are.
    check
        Verdicts on the printed numbers; left out where the data are synthetic.

    Returns
    -------
    str
        The whole document; the same model, context and check give the same text.
    """
    check = None if model.synthetic else check
    return render("report.html.j2", **_page(model, context, check))


def render(template: str, **values: Any) -> str:
    """Render one of the templates; style sheets and script come with it."""
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
    script = read("report.js")
    return environment.get_template(template).render(
        # Both are files of this project.
        css=Markup("\n".join(map(read, _STYLES))),  # noqa: S704
        script=Markup(script),  # noqa: S704
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        **values,
    )


def read(name: str) -> str:
    """Return the text of a file beside the templates."""
    return (_TEMPLATES / name).read_text(encoding="utf-8").strip()


def _page(model: TableModel, context: ReportContext, check: Check | None) -> dict[str, Any]:
    from markupsafe import Markup

    target, layout = model.target, model.target.layout
    places = html_verdicts.places_of(check)
    data = details(model, places, thumbs_of(model, context))
    opens = [cell is not None for cell in data["cells"]]
    page = {
        "page": _head(model, context),
        "synthetic_banner": cells.SYNTHETIC_TEXT if model.synthetic else "",
        "tiles": html_facts.tiles(model, context),
        "notes": model.notes,
        "levels": html_facts.levels(model),
        "level_title": model.level_title,
        "category": layout.row_header if layout.block_per_method else "Category",
        "corner": layout.row_header,
        # Text of others inside a drawing is escaped by its writer.
        "svg": Markup(render_inline_svg(model) if has_figure(model) else ""),  # noqa: S704
        "overview": overview(model),
        "figure_caption": html_sections.figure_caption(model),
        "verdicts": html_verdicts.summary(check),
        "views": _VIEWS,
        "blocks": [
            html_tables.achieved(model, block, index, places, opens)
            for index, block in enumerate(model.blocks)
        ],
        "data": data,
        "figures": figures(model, context),
        "statistics": section(model),
        "statistics_heading": STATISTICS,
        "statistics_caption": STATISTICS_CAPTION,
        "claims": html_sections.said(model),
        "reported": html_tables.reported(model),
        "audit": html_sections.audited(model),
        "scale": [{"style": f"h{i}", "text": text} for i, (_, text) in enumerate(HEAT)],
        "marks": [
            {"symbol": mark.symbol, "meaning": mark.meaning} for mark in html_sections.marks(model)
        ],
        "dagger": notes.DAGGER_TITLE,
        "bold": any(entry.best for block in model.blocks for entry in block.entries),
        "readings": target.readings,
        "failures": html_sections.failures(model),
        "failures_count": f"{len(model.failures)} of {len(model.runs)} cells failed",
        "protocol": "; ".join(html_facts.distinct(model, "protocol")) or "unknown",
        "training": html_facts.training(model),
        "keys": html_facts.keys(model),
        "environment": list(context.environment.items()),
        "command": context.command,
        "downloads": downloads(model, check),
    }
    return page | {"links": _links(page)}


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


def _links(page: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return anchor and text of each section that the page has, in its order."""
    blocks = page["blocks"]
    found = [("overview", "Overview")] if page["svg"] or page["overview"] or not blocks else []
    found += [("verdicts", page["verdicts"]["heading"])] if page["verdicts"] else []
    found += [(block["id"], block["link"]) for block in blocks]
    found += [(figure["id"], figure["heading"]) for figure in page["figures"]]
    found += [("statistics", STATISTICS)] if page["statistics"] else []
    headed = ("claims", "reported", "audit")
    found += [(name, page[name]["heading"]) for name in headed if page[name]]
    found += [("reading", "How to read it")] if blocks else []
    found += [("failures", "Failures")] if page["failures"] else []
    found += [("provenance", "Data and provenance")] if page["training"] else []
    found += [("environment", "Made with")] if page["environment"] or page["command"] else []
    found += [("downloads", "Downloads")] if page["downloads"] else []
    return [{"id": name, "text": text} for name, text in found]
