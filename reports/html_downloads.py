"""The same tables as files inside the page, as ``data:`` addresses."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial

from ..tables.model import TableModel
from ..tables.verdicts.verdict import Check
from .latex import Form, render_latex, render_standalone
from .text import render_csv
from .verdicts.data import render_json

# Suffix of the file, what it is, its media type, and what writes it.
FILES: tuple[tuple[str, str, str, Callable[[TableModel], str]], ...] = (
    (".csv", "every number, a line each", "text/csv", render_csv),
    *(
        (
            f"{form.value}{end}.tex",
            f"LaTeX, {text}{more}",
            "application/x-tex",
            partial(write, form=form),
        )
        for end, more, write in (
            ("", "", render_latex),
            ("_standalone", ", a document of its own", render_standalone),
        )
        for form, text in (
            (Form.ACHIEVED, "the paper's and the achieved table"),
            (Form.SPREAD, "with deviations, reported in parentheses"),
            (Form.DIFFERENCE, "differences"),
        )
    ),
)


def downloads(model: TableModel, check: Check | None) -> list[dict[str, str]]:
    """Return name, content as ``data:`` address, description and size of each file."""
    if not model.blocks:
        return []
    slug = model.target.slug
    found = [(f"{slug}{end}", text, kind, write(model)) for end, text, kind, write in FILES]
    if check is not None:
        found.append((f"{slug}_check.json", "verdicts", "application/json", render_json(check)))
    return [_file(*parts) for parts in found]


def _file(name: str, text: str, kind: str, content: str) -> dict[str, str]:
    data = content.encode("utf-8", "replace")
    encoded = base64.b64encode(data).decode()
    uri = f"data:{kind};charset=utf-8;base64,{encoded}"
    return {"name": name, "text": text, "size": f"{len(data) / 1000:.1f} kB", "uri": uri}
