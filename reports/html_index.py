"""The page that lists the reports of a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..tables.runs import Status
from . import html_verdicts
from .build import Prepared
from .html import render
from .html_facts import datasets, distinct


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the index.

    Attributes
    ----------
    name, title
        Of the target.
    files
        Names of its files, beside the index.
    facts
        What ran, as texts by name.
    signs
        Sign, style, label and count of each verdict that occurs.
    problem
        Why there is no report.
    """

    name: str
    title: str
    files: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    signs: tuple[dict[str, str], ...] = ()
    problem: str = ""

    @property
    def page(self) -> str:
        """File name of the HTML page; empty without."""
        return next((name for name in self.files if name.endswith(".html")), "")


def entry_of(prepared: Prepared, written: Iterable[Path]) -> Entry:
    """Return the line of a report that was written."""
    model, check = prepared.model, prepared.check
    target = model.target
    done = model.count(Status.DONE)
    cells = f"{done} of {len(model.runs)} done"
    facts = [
        ("Data", ", ".join(datasets(model))),
        ("Methods", ", ".join(method.title for method in model.methods)),
        ("Preset", prepared.context.preset),
        ("Noise protocol", ", ".join(distinct(model, "protocol"))),
        ("Cells", cells),
    ]
    if model.synthetic:
        facts.append(("Verdicts", "none: embedded synthetic data, no reproduction"))
    counts = check.counts.items() if check is not None else ()
    return Entry(
        name=target.name,
        title=f"{target.paper.short}, {target.title}" if target.paper else target.title,
        files=tuple(path.name for path in written),
        facts=tuple((name, text) for name, text in facts if text),
        signs=tuple(html_verdicts.sign(v) | {"count": str(n)} for v, n in counts if n),
    )


def render_index(entries: Sequence[Entry], notes: Sequence[str] = ()) -> str:
    """Render the page; the same entries give the same text."""
    lines: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "title": entry.title,
            "page": entry.page,
            "files": [name for name in entry.files if name != entry.page],
            "facts": entry.facts,
            "signs": entry.signs,
            "problem": entry.problem,
        }
        for entry in entries
    ]
    return render("index.html.j2", entries=lines, notes=list(notes))
