"""``reproduce audit``: checks that need nothing but the printed numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...datasets.errors import UsageError
from ..console import make_console

if TYPE_CHECKING:
    from ...tables.audit.finding import Audit

_FAIL_ON = ("error", "inconsistent", "unusual", "note")


@click.command(name="audit")
@click.argument("subjects", nargs=-1, metavar="[PAPER | FILE.csv]...")
@click.option("--format", "form", type=click.Choice(["text", "json", "md", "html"]),
              default="text", show_default=True, help="What to write.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE",
              help="Write to a file instead of standard output.")  # fmt: skip
@click.option("--fail-on", type=click.Choice(_FAIL_ON), help="Exit code 1 if something of this "
              "severity or a heavier one is found.")  # fmt: skip
@click.option("--dataset", default="", metavar="NAME",
              help="Dataset of CSV lines that name none.")  # fmt: skip
@click.option("--runs", type=click.IntRange(min=1), metavar="N",
              help="Trials behind CSV numbers whose line does not say.")  # fmt: skip
@click.option("--sd", type=click.FloatRange(min=0), metavar="POINTS",
              help="Deviation over trials of CSV percentages whose line does not say.")  # fmt: skip
@click.option("--papers", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
              help="Folder with more papers.")  # fmt: skip
def command(
    subjects: tuple[str, ...],
    form: str,
    as_json: bool,
    out: Path | None,
    fail_on: str | None,
    dataset: str,
    runs: int | None,
    sd: float | None,
    papers: tuple[Path, ...],
) -> int:
    """Hold printed numbers against each other, against the text and against dataset counts.

    Without an argument, every paper that is known. Several CSV files are audited together, so that
    numbers which two of them print are compared. Nothing is run; the exit code is 0 whatever is
    found, unless --fail-on is given.
    """
    if as_json and form not in ("text", "json"):
        raise UsageError(f"two formats, json and {form}: give one of them")
    form = "json" if as_json else form
    audits = _audits(subjects, dataset, runs, sd, papers)
    _write(audits, form, out)
    if fail_on is None:
        return 0
    from ...tables.audit.finding import Severity

    return int(any(audit.at_least(Severity.named(fail_on)) for audit in audits))


def _audits(
    subjects: Sequence[str],
    dataset: str,
    runs: int | None,
    sd: float | None,
    papers: tuple[Path, ...],
) -> list[Audit]:
    from ...tables.audit.run import audit_ledger, audit_paper
    from ...tables.audit.user_csv import read_tables
    from ...tables.papers import list_targets

    names = list(dict.fromkeys(name.partition("/")[0] for name in list_targets(papers)))
    files = [text for text in subjects if text.lower().endswith(".csv")]
    if not files and (dataset or runs or sd is not None):
        raise UsageError("--dataset, --runs and --sd are about CSV files: name one")
    asked = [text for text in subjects if text not in files] if subjects else names
    audits = [audit_paper(name, papers) for name in dict.fromkeys(asked)]
    if files:
        ledger = read_tables(files, dataset, runs, sd)
        audits.append(audit_ledger(ledger, ", ".join(Path(name).name for name in files)))
    return audits


def _write(audits: list[Audit], form: str, out: Path | None) -> None:
    from ...reports import audit as shown

    if form == "text":
        _print(audits, out)
        return
    text = {"json": shown.to_json, "md": shown.to_markdown, "html": shown.to_html}[form](audits)
    if out is None:
        sys.stdout.write(text)
    else:
        _save(text, out)


def _print(audits: list[Audit], out: Path | None) -> None:
    from io import StringIO

    from rich.console import Console

    from ...reports.audit import print_audit

    buffer = StringIO()
    console = make_console() if out is None else Console(file=buffer, width=120)
    for audit in audits:
        print_audit(audit, console)
    if out is not None:
        _save(buffer.getvalue(), out)


def _save(text: str, out: Path) -> None:
    from ...datasets.atomic import write_atomic

    try:
        write_atomic(out, text.encode("utf-8"))
    except OSError as err:
        reason = err.strerror or type(err).__name__
        raise UsageError(f"cannot write {out} ({reason}): give another --out") from err
