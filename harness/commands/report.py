"""``reproduce report``: the reports of everything in a store, from its cells alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...datasets.errors import UsageError
from ..store import Store
from .inspect import STORE_OPTION
from .options import ALLOW_OPTION

if TYPE_CHECKING:
    import pandas as pd

    from ...reports.build import Prepared
    from ...reports.context import ReportContext
    from ...reports.evidence import EvidenceSource
    from ...reports.html_index import Entry
    from .found import Edition

_INDEX = "index.html"


@click.command(name="report")
@STORE_OPTION
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("report"), show_default=True,
    metavar="DIR", help="Folder for tables and figures, and an index of them.",
)  # fmt: skip
@click.option(
    "--data-root", type=click.Path(path_type=Path), metavar="DIR",
    help="Folder that holds the datasets, for images in the details of cells; none are needed.",
)  # fmt: skip
@click.option(
    "--papers", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
    help="Folder with more papers.",
)  # fmt: skip
@ALLOW_OPTION
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
def report(
    store: Path,
    out: Path,
    data_root: Path | None,
    papers: tuple[Path, ...],
    allowed: tuple[str, ...],
    quiet: bool,
) -> int:
    """Write the report of every target whose results are in a store, and an index of them.

    Nothing is run. What was run with other presets, settings, protocols or versions has a page of
    its own. A module:Class that --allow-method does not name is not imported: its pages lack what
    its class would say. Exit code 1: some results could not be laid out; the index says which.
    """
    from ...reports.build import prepare, write_report
    from ...reports.html_index import Entry, entry_of, render_index
    from ..files import require_writable, write_atomic
    from ..frames import store_frame
    from .found import editions, sound_rows
    from .stored_methods import allow, import_note, not_imported

    require_writable(out, "--out")
    opened = Store(store)
    allow(allowed)
    rows, notes = sound_rows(store_frame(opened))
    if rows.empty:
        raise UsageError(f"no results in {store}: run a target first, e.g. reproduce table1")
    evidence = _evidence(opened, rows, data_root)
    entries = []
    for edition in editions(rows, papers):
        target = edition.target
        context = _context(opened, edition, evidence)
        try:
            prepared = _noted(prepare(target, edition.frame, context), edition)
        except UsageError as err:
            entries.append(Entry(name=target.name, title=target.title, problem=str(err)))
            click.echo(f"error: {target.name}: {err}", err=True)
            continue
        entries.append(_told(entry_of(prepared, write_report(prepared, out)), edition))
        if not quiet:
            click.echo(f"report: {out / f'{target.slug}.html'}")
    page = out / _INDEX
    write_atomic(page, render_index(entries, notes).encode("utf-8", "replace"))
    if not quiet:
        for note in (*notes, *map(import_note, not_imported(rows))):
            click.echo(f"note: {note}", err=True)
        click.echo(f"index: {page}")
    return 1 if any(entry.problem for entry in entries) else 0


def _noted(prepared: Prepared, edition: Edition) -> Prepared:
    """Put in the notes of a table what sets it apart from other versions."""
    apart = f"What sets this page apart: {edition.differs}."
    notes = (*([apart] if edition.differs else []), *edition.notes)
    model = prepared.model
    return replace(prepared, model=replace(model, notes=(*notes, *model.notes)))


def _told(entry: Entry, edition: Edition) -> Entry:
    """Put the same on the line of the index."""
    facts = [("Set apart by", edition.differs)] if edition.differs else []
    facts += [("Note", note) for note in edition.notes]
    return replace(entry, facts=(*entry.facts, *facts))


def _evidence(store: Store, rows: pd.DataFrame, data_root: Path | None) -> EvidenceSource:
    from ..evidence import evidence_source, files_of_datasets

    names = [str(name) for name in dict.fromkeys(rows["dataset"])]
    return evidence_source(store, files_of_datasets(names, data_root))


def _context(store: Store, edition: Edition, evidence: EvidenceSource) -> ReportContext:
    from ...reports.context import ReportContext
    from ..env import of_cells, package_version
    from .stored_methods import infos

    done = edition.frame.loc[edition.frame["status"] == "done", "key"]
    return ReportContext(
        methods=infos(edition.frame),
        environment=of_cells(store.load_json(key, "env") for key in done),
        preset=edition.preset,
        version=package_version("adrepro"),
        evidence=evidence,
    )
