"""``reproduce check | record-baseline``: verdicts on stored results, for people and for CI."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...datasets.errors import UsageError
from .options import Options, grid_options
from .stored import Opened, open_target, scope_of

if TYPE_CHECKING:
    from ...tables.verdicts.verdict import Check, Margin


@click.command(name="check")
@click.argument("target")
@click.option(
    "--against", type=click.Path(path_type=Path), metavar="FILE",
    help="Compare with a run that `record-baseline` wrote instead of the printed numbers.",
)  # fmt: skip
@click.option(
    "--margin", type=float, metavar="POINTS",
    help="Margin of equivalence instead of the target's own.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Whatever is not reproduced fails: 1 if it is better, "
              "3 if it is incomplete, inconclusive or not comparable.")  # fmt: skip
@click.option("--triage", is_flag=True, help="For cells that are not reproduced, list stored "
              "results made in another way that would match.")  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="A line for every cell.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE",
              help="Also write JUnit XML.")  # fmt: skip
@click.option("--github", is_flag=True, help="Also print annotations for GitHub Actions "
              "and add to its step summary.")  # fmt: skip
@grid_options
def check(
    target: str,
    against: Path | None,
    margin: float | None,
    strict: bool,
    triage: bool,
    everything: bool,
    as_json: bool,
    junit: Path | None,
    github: bool,
    options: Options,
) -> int:
    """Say of every printed number of TARGET whether stored results reproduce it.

    Give the options of the run. Nothing is run, and no image is read. Exit code 0: nothing is
    worse; 1: not reproduced, or a cell failed, with --strict also a better number; 3 (only with
    --strict): incomplete, inconclusive or not comparable.
    """
    from ...reports.verdicts.data import render_json
    from ...reports.verdicts.text import render_text
    from ...tables.verdicts.verdict import Verdict
    from ..console import terminal_width
    from .partial import narrower

    if as_json and github:
        raise UsageError("--json and --github both write to standard output: give one of them")
    if triage and against is not None:
        raise UsageError("--triage looks for printed numbers: leave out --against")
    opened = open_target(target, options)
    found = _verdicts(opened, options, against, _margin(margin))
    if against is None and found.counts[Verdict.NOT_RUN]:
        hint = narrower(target, opened, options)
        found = replace(found, notes=(*found.notes, hint) if hint else found.notes)
    if triage:
        from ...tables.verdicts.triage import triage as add_alternatives
        from .stored import alternatives

        found = add_alternatives(found, opened.target, alternatives(opened))
    if as_json or not options.quiet:
        shown = render_json(found, strict=strict) if as_json else render_text(
            found, everything=everything, width=terminal_width()
        )  # fmt: skip
        sys.stdout.write(shown)
    if junit:
        _write_junit(found, junit, strict)
    if github:
        _tell_github(found)
    return found.exit_code(strict=strict)


@click.command(name="record-baseline")
@click.argument("target")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), default=Path("baseline.json"),
    show_default=True, metavar="FILE", help="File to write.",
)  # fmt: skip
@grid_options
def record_baseline(target: str, output: Path, options: Options) -> int:
    """Write the stored results of TARGET to a file that `check --against` compares with."""
    from ...tables.verdicts.recorded import record
    from ..env import package_version
    from ..files import require_writable, write_atomic
    from ..progress import plural

    require_writable(output.absolute().parent, "--output")
    opened = open_target(target, options)
    text, cells = record(opened.target, opened.stored.frame(), package_version("adrepro"))
    write_atomic(output, text.encode())
    click.echo(f"{plural(cells)} → {output}", err=True)
    return 0


def _margin(points: float | None) -> Margin | None:
    from ...tables.verdicts.verdict import Margin

    if points is None:
        return None
    # Written so that NaN fails too.
    if not 0 <= points <= 100:
        raise UsageError(f"--margin {points:g}: expected points from 0 to 100")
    return Margin(points=points, source="given on the command line")


def _verdicts(
    opened: Opened, options: Options, against: Path | None, margin: Margin | None
) -> Check:
    from ...tables.verdicts.baseline import compare
    from ...tables.verdicts.judge import judge
    from ...tables.verdicts.recorded import read_baseline

    frame, scope = opened.stored.frame(), scope_of(opened, options)
    if against is not None:
        found = compare(opened.target, frame, read_baseline(against), scope=scope, margin=margin)
    else:
        found = judge(
            opened.target,
            frame,
            methods=opened.infos,
            preset=options.preset,
            scope=scope,
            margin=margin,
        )
    return replace(found, notes=(*found.notes, *opened.stored.notes))


def _write_junit(found: Check, path: Path, strict: bool) -> None:
    from ...reports.verdicts.junit import render_junit
    from ..files import require_writable, write_atomic

    require_writable(path.absolute().parent, "--junit")
    write_atomic(path, render_junit(found, strict=strict).encode())


def _tell_github(found: Check) -> None:
    """Print annotations; add to the step summary where GitHub says which file it is."""
    from ...reports.verdicts.github import render_annotations, render_summary

    sys.stdout.write(render_annotations(found))
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        click.echo("note: no step summary, as GITHUB_STEP_SUMMARY is not set", err=True)
        return
    try:
        with open(path, "a", encoding="utf-8") as handle:
            handle.write(render_summary(found))
    except OSError as err:
        raise UsageError(f"cannot write the step summary {path}: {err.strerror or err}") from err
