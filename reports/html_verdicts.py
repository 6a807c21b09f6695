"""Verdicts on the HTML page: a sign and a colour for each, and which stands at which place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables.model import Cell, Entry
from ..tables.verdicts.verdict import Check, Judged, Verdict
from .verdicts import words

# A sign that differs in shape, the class of its colour; nobody has to see the colour.
SIGNS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.REPRODUCED: ("✓", "v-same"),
    Verdict.BETTER: ("▲", "v-better"),
    Verdict.WORSE: ("▼", "v-worse"),
    Verdict.INCONCLUSIVE: ("?", "v-open"),
    Verdict.NOT_RUN: ("○", "v-open"),
    Verdict.FAILED: ("✗", "v-worse"),
    Verdict.NOT_COMPARABLE: ("≁", "v-open"),
}

Places = Mapping[tuple[str, str, str, float, str], Judged]


def places_of(check: Check | None) -> Places:
    """Return the judged numbers of a check by method, dataset, category, noise and quantity."""
    cells = check.cells if check is not None else ()
    return {(c.method, c.dataset, c.category, c.noise, c.metric): c for c in cells}


def judged(places: Places, cell: Cell, entry: Entry) -> Judged | None:
    """Return the judged number that an entry stands at the place of."""
    place = cell.place
    average = place.average_of is not None
    dataset = place.average_of or place.dataset or ""
    category = "average" if average else place.category or ""
    return places.get((entry.method, dataset, category, place.noise or 0.0, entry.metric))


def signs(places: Places, cell: Cell) -> list[dict[str, str]]:
    """Return the signs of a cell: one for each of its numbers that is judged.

    Where all have the same verdict, and no reason of their own, one sign stands for them.
    """
    found = [one for entry in cell.entries if (one := judged(places, cell, entry)) is not None]
    if len({one.verdict for one in found}) == 1:
        found = found[:1]
    return [sign(one.verdict) for one in found]


def sign(verdict: Verdict) -> dict[str, str]:
    """Return the sign of a verdict, its style and its name."""
    text, style = SIGNS[verdict]
    return {"text": text, "style": style, "label": verdict.label}


def summary(check: Check | None) -> dict[str, Any] | None:
    """Return the counts of all verdicts, how they come about, and what the signs mean."""
    if check is None:
        return None
    return {
        "heading": "Verdicts",
        # Seven zeros would not say why.
        "nothing": "" if check.cells else f"{words.NOTHING[0].upper()}{words.NOTHING[1:]}.",
        "text": words.counts(check),
        "counts": [
            sign(verdict) | {"count": str(count), "meaning": verdict.meaning}
            for verdict, count in check.counts.items()
        ],
        "how": f"Held against {words.method_sentence(check)}.",
        "notes": check.notes,
    }
