"""An audit of printed numbers as terminal table, JSON, Markdown and HTML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..tables.audit.finding import CHECKS, Audit, Finding, Severity
from .escape import markdown, one_line

if TYPE_CHECKING:
    from rich.console import Console

HEADS = ("Severity", "Where", "Printed", "Computed", "Finding")
HEADING = "The paper's numbers against each other"
CAPTION = (
    "What the printed numbers say about each other and about the official datasets, computed, with"
    " nothing measured here. Unusual is no accusation."
)
_TEMPLATES = Path(__file__).resolve().parent / "templates"
_STYLES = {"error": "bold red", "inconsistent": "red", "unusual": "yellow", "note": "dim"}


def summary(audit: Audit) -> str:
    """Say in one line what an audit looked at and what it found."""
    counts = ", ".join(f"{audit.count(severity)} {severity.word}" for severity in Severity)
    return f"{audit.numbers} printed numbers, {sum(audit.checked.values())} comparisons: {counts}"


def compared(audit: Audit) -> str:
    """Say how many comparisons each check made."""
    parts = [f"{count} × {CHECKS[name]}" for name, count in audit.checked.items() if count]
    return f"Compared: {'; '.join(parts)}." if parts else "Nothing could be compared."


def not_compared(audit: Audit) -> str:
    """Say which checks could not be made, wholly or in part, and why; nothing if all could."""
    parts = [
        f"{CHECKS[name]} ({'; '.join(map(one_line, reasons))})"
        for name, reasons in audit.unmade.items()
    ]
    return f"Could not be checked: {'; '.join(parts)}." if parts else ""


def legend() -> str:
    """Say what the severities mean."""
    return "; ".join(f"{severity.word}: {severity.meaning}" for severity in Severity) + "."


def row(finding: Finding) -> tuple[str, str, str, str, str]:
    """Return a finding's texts in the order of `HEADS`, each on one line."""
    sentence = finding.sentence
    if finding.claim:
        sentence = f"{sentence} The claim: {finding.claim}"
    texts = (finding.where, finding.printed, finding.computed, sentence)
    where, printed, computed, said = map(one_line, texts)
    return finding.severity.word, where, printed, computed, said


def print_audit(audit: Audit, console: Console) -> None:
    """Print an audit to a terminal: severity, and beside it place, numbers and sentence."""
    from rich.table import Table
    from rich.text import Text

    console.print(Text(f"Audit of {one_line(audit.subject)}: {summary(audit)}", style="bold"))
    table = Table.grid(padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in audit.findings:
        word, where, printed, computed, sentence = row(finding)
        numbers = f"printed {printed}" + (f"; computed {computed}" if computed else "")
        text = Text.assemble((f"{where}\n", "bold"), f"{numbers}\n", sentence)
        table.add_row(Text(word, style=_STYLES[word]), text)
    if audit.findings:
        console.print()
        console.print(table)
    for line in filter(None, (compared(audit), not_compared(audit))):
        console.print(Text(line, style="dim"))


def to_json(audits: Iterable[Audit]) -> str:
    """Write audits as JSON."""
    return json.dumps([_document(audit) for audit in audits], indent=2, ensure_ascii=False) + "\n"


def _document(audit: Audit) -> dict[str, Any]:
    return {
        "subject": audit.subject,
        "numbers": audit.numbers,
        "checked": dict(audit.checked),
        "unmade": {name: list(reasons) for name, reasons in audit.unmade.items()},
        "findings": [asdict(f) | {"severity": f.severity.word} for f in audit.findings],
    }


def to_markdown(audits: Iterable[Audit]) -> str:
    """Write audits as Markdown, a table each."""
    lines: list[str] = []
    for audit in audits:
        lines += [f"# Audit of {markdown(one_line(audit.subject))}", "", f"{summary(audit)}.", ""]
        if audit.findings:
            lines += [f"| {' | '.join(HEADS)} |", f"|{' --- |' * len(HEADS)}"]
            lines += [f"| {' | '.join(map(markdown, row(f)))} |" for f in audit.findings]
            lines.append("")
        for line in filter(None, (compared(audit), not_compared(audit))):
            lines += [markdown(line), ""]
    return "\n".join([*lines, legend(), ""])


def to_html(audits: Sequence[Audit]) -> str:
    """Write audits as one self-contained HTML page."""
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
    css = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8").strip())  # noqa: S704
    parts = [
        {"heading": audit.subject, "summary": summary(audit), "compared": _looked_at(audit)}
        | section(audit.findings)
        for audit in audits
    ]
    template = environment.get_template("audit.html.j2")
    return template.render(css=css, audits=parts, legend=legend())


def _looked_at(audit: Audit) -> str:
    return " ".join(filter(None, (compared(audit), not_compared(audit))))


def section(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what a template needs to show findings."""
    return {"caption": CAPTION, "heads": HEADS, "rows": [row(finding) for finding in findings]}
