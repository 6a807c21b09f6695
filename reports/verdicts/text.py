"""Verdicts as plain text: counts, then the cells that need a look, grouped by what they share."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from ...tables.quantities import title
from ...tables.verdicts.verdict import Check, Judged, Verdict
from ..escape import one_line
from . import words

# Verdicts in the order in which they need a look; the reproduced ones come with --all only.
_ORDER = (
    Verdict.WORSE,
    Verdict.FAILED,
    Verdict.BETTER,
    Verdict.REPRODUCED,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_COMPARABLE,
    Verdict.NOT_RUN,
)
_SINGLY = frozenset({Verdict.WORSE, Verdict.FAILED, Verdict.BETTER})


def render_text(check: Check, *, everything: bool = False, width: int | None = None) -> str:
    """Render a check for a terminal or a log.

    Parameters
    ----------
    check
        The verdicts.
    everything
        Show every cell on a line; else those without a finding are only counted, per method
        and reason.
    width
        Break lines between words after so many characters, the rest further in; None = never.
    """
    lines = [f"{check.title} ({check.target}): {words.counts(check)}", words.method_sentence(check)]
    lines += [f"note: {note}" for note in check.notes]
    for verdict in _ORDER:
        cells = [cell for cell in check.cells if cell.verdict is verdict]
        if not cells:
            continue
        lines += ["", f"{verdict.label} ({len(cells)}): {verdict.meaning}"]
        singly = [c for c in cells if everything or verdict in _SINGLY or c.alternatives]
        lines += _singly(singly) + _grouped(cell for cell in cells if cell not in singly)
    return "".join(f"{_broken(_clean(line), width)}\n" for line in lines)


def _clean(line: str) -> str:
    """Drop what names and messages may hold for a terminal; keep the indent."""
    indent = len(line) - len(line.lstrip(" "))
    return line[:indent] + one_line(line)


def _broken(line: str, width: int | None) -> str:
    if width is None or len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    # What is longer than a line, as a command or a path, is to be copied whole.
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _singly(cells: Iterable[Judged]) -> list[str]:
    lines = []
    for cell in cells:
        place = f"{cell.title}, {cell.where}, {title(cell.metric)}"
        lines.append(f"  {words.mark_of(cell.verdict)} {place}: {words.sentence(cell)}")
        lines += [f"      would match: {text}" for text in cell.alternatives]
    return lines


def _grouped(cells: Iterable[Judged]) -> list[str]:
    found: dict[tuple[str, str], int] = {}
    for cell in cells:
        key = (cell.title, cell.reason)
        found[key] = found.get(key, 0) + 1
    return [
        f"  {name}: {count}{f', {reason}' if reason else ''}"
        for (name, reason), count in found.items()
    ]
