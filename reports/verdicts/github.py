"""Verdicts for GitHub Actions: annotations on the run, and a summary page in Markdown."""

from __future__ import annotations

from ...tables.quantities import title
from ...tables.verdicts.verdict import Check, Judged, Verdict
from ..escape import markdown
from . import words

# GitHub shows ten annotations of a kind per step and drops the others without a word.
_LIMIT = 10
_HEAD = (
    *("verdict", "method", "place", "quantity", "achieved", "reference", "difference"),
    "at half / twice the margin",
)
_LEVELS = {Verdict.WORSE: "error", Verdict.FAILED: "error", Verdict.BETTER: "warning"}


def render_annotations(check: Check) -> str:
    """Render workflow commands: errors for worse and failed cells, warnings for better ones.

    At most ten of a kind, the last of them saying how many more there are; a notice with the counts
    comes last.
    """
    lines = []
    for verdict, kind in _LEVELS.items():
        cells = [cell for cell in check.cells if cell.verdict is verdict]
        shown = cells if len(cells) <= _LIMIT else cells[: _LIMIT - 1]
        lines += [_command(kind, f"{c.label}: {verdict.label}", words.sentence(c)) for c in shown]
        if len(shown) < len(cells):
            more = f"{len(cells) - len(shown)} more cells are {verdict.label}"
            lines.append(_command(kind, check.target, more))
    lines.append(_command("notice", f"reproduce check {check.target}", words.counts(check)))
    return "\n".join(lines) + "\n"


def render_summary(check: Check) -> str:
    """Render the step summary: counts, how verdicts come about, and a row per tested cell."""
    lines = [
        f"## {markdown(check.title)}: {markdown(words.counts(check))}",
        "",
        markdown(words.method_sentence(check)),
        "",
    ]
    lines += [f"> {markdown(note)}\n" for note in check.notes]
    lines += ["| verdict | cells | meaning |", "| --- | ---: | --- |"]
    lines += [f"| {v.label} | {n} | {v.meaning} |" for v, n in check.counts.items() if n]
    shown = [c for c in check.cells if c.tested is not None or c.verdict is Verdict.FAILED]
    if shown:
        lines += [
            "",
            f"| {' | '.join(_HEAD)} |",
            "| --- | --- | --- | --- | ---: | ---: | ---: | --- |",
        ]
        lines += [_row(cell) for cell in shown]
    hints = [(c.label, text) for c in check.cells for text in c.alternatives]
    if hints:
        lines += ["", "Other stored measurements that would match (hints, no reproduction):", ""]
        lines += [f"- {markdown(label)}: {markdown(text)}" for label, text in hints]
    return "\n".join(lines) + "\n"


def _row(cell: Judged) -> str:
    test = cell.tested
    scale = f"{test.at_half.label} / {test.at_twice.label}" if test else cell.reason
    difference = "" if cell.difference is None else f"{cell.difference:+.2f}"
    parts = (cell.title, cell.where, title(cell.metric), cell.achieved, str(cell.reference))
    rest = " | ".join(markdown(part) for part in (*parts, difference, scale))
    return f"| {cell.verdict.label} | {rest} |"


def _command(kind: str, heading: str, text: str) -> str:
    return f"::{kind} title={_property(heading)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
