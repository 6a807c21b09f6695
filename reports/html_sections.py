"""Sections of the HTML page that stand around its tables, as data for the template."""

from __future__ import annotations

from typing import Any

from ..datasets.errors import UsageError
from ..tables.formatting import Mark, level
from ..tables.model import TableModel, reason
from ..tables.quantities import title as quantity_title
from . import audit, cells, claims
from .curves import panels
from .statistics_section import caption_areas


def marks(model: TableModel) -> list[Mark]:
    """Return the marks to explain: the common ones always, the rare ones where they occur."""
    rare = (Mark.SHARED, Mark.NOTHING_REMOVED, Mark.SKIPPED)
    used = cells.marks(model)
    return [mark for mark in Mark if mark not in rare or mark in used]


def figure_caption(model: TableModel) -> str:
    """Say what the overview drawing shows."""
    if len({run.noise for run in model.runs}) == 1:
        lines, band = "a marker per method", "bar"
    elif len(model.metrics) == 1:
        lines, band = quantity_title(model.metrics[0]), "band"
    else:
        kinds = ("solid", "dashed", "dotted", "dash-dotted")
        named = zip(map(quantity_title, model.metrics), kinds, strict=False)
        lines, band = ", ".join(f"{name} {kind}" for name, kind in named), "band"
    text = f"{model.level_title}: {lines}; mean over seeds, {band}: 95 % interval of "
    text += "the mean (Student's t, cut at 0 and 100; none for one seed)."
    drawn = panels(model)
    if any(curve.reported for panel in drawn for curve in panel.curves):
        text += (
            " Hollow: as the paper reports it, joined by dots where it prints more than two levels."
        )
    if any(curve.reported for panel in drawn if not panel.empty for curve in panel.paper):
        text += f" Grey: {model.reported[0].title} as its paper reports it."
    return " ".join(part for part in (text, caption_areas(model)) if part)


def audited(model: TableModel) -> dict[str, Any] | None:
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


def said(model: TableModel) -> dict[str, Any] | None:
    """Return the paper's claims and which method wins where; None where there is neither."""
    found, lines = claims.claims(model), claims.winners(model)
    if not found and not lines:
        return None
    return {
        "heading": claims.heading(model),
        "said": found,
        "caption": claims.CAPTION,
        "heads": claims.heads(model),
        "lines": lines,
        "nothing": claims.nothing(model),
    }


def failures(model: TableModel) -> list[dict[str, str]]:
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
