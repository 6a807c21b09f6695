"""The drawings of the HTML page below its tables: all that a table allows."""

from __future__ import annotations

from typing import Any

from ..tables.model import TableModel
from .context import ReportContext
from .figures import NOISE, Material, available, inline_svg


def figures(model: TableModel, context: ReportContext) -> list[dict[str, Any]]:
    """Return anchor, heading, caption and ``<svg>`` of each figure of the whole table.

    The noise curve stands in the overview, and single cells have their details.
    """
    from markupsafe import Markup

    if not model.blocks:
        return []
    material = Material(model=model, evidence=context.evidence)
    return [
        {
            "id": f"figure-{one.name}",
            "heading": one.title,
            "caption": f"{one.caption} {one.left_out(material)}".strip(),
            # Text of others inside a drawing is escaped by its writer.
            "svg": Markup(inline_svg(one.name, material)),  # noqa: S704
        }
        for one in available(material)
        if one.name != NOISE and not one.per_cell
    ]
