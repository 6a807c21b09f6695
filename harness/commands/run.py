"""``reproduce run``, ``reproduce plan`` and every published target as a command."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...datasets.errors import UsageError
from ..console import make_console
from ..files import require_writable
from ..grid import Grid
from . import documents
from .documents import json_option
from .options import Options, grid_options
from .parts import tables_of
from .stored import scope_in

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from ...reports.context import ReportContext
    from ...tables.spec import Target
    from ..plan import Plan
    from ..store import Store

GRID_DEFAULTS = {"noise": (0.0,), "seeds": 3, "protocols": ("fixed-test",)}


def target_command(name: str) -> click.Command:
    """Return the command that runs a published target, e.g. ``table1`` or ``rad/table1``."""

    @click.command(name=name, help=f"Reproduce {name}: run what is missing, write the report.")
    @json_option
    @grid_options
    def command(options: Options, as_json: bool) -> int:
        from ...tables.papers import load_target
        from ..scorefolder import shown_names

        target = load_target(name, options.papers)
        grid = target_grid(target, options)
        # What was asked for on the command line is what the table shows.
        methods = shown_names(grid.methods)
        asked = replace(target.run, methods=methods, noise=grid.noise, seeds=grid.seeds)
        return execute(replace(target, run=asked), grid, options, as_json=as_json)

    return command


def target_grid(target: Target, options: Options) -> Grid:
    """Return the grid of a target: what its specification says, overridden by what was given.

    Raises
    ------
    UsageError
        The specification itself, and not the command line, names a ``module:Class``.
    """
    from ...methods.trust import refuse_code

    spec = target.run
    if not options.methods:
        own = spec.methods_for(options.preset)
        refuse_code(own, f"target {target.name}", option="--method")
    return options.grid(
        target=target.name,
        methods=spec.methods_for(options.preset),
        datasets=tuple(dataset.name for dataset in spec.datasets),
        noise=spec.noise,
        seeds=spec.seeds,
        protocols=(spec.protocol,),
        categories=spec.categories_for(options.preset),
        expected={dataset.name: dataset.categories for dataset in spec.datasets},
    )


@click.command(name="run")
@json_option
@grid_options
def run(options: Options, as_json: bool) -> int:
    """Run any grid: --method, --dataset, --category, --noise, --seeds, and write a report."""
    return execute(None, free_grid(options), options, as_json=as_json)


def free_grid(options: Options) -> Grid:
    """Return the grid of ``reproduce run``; methods and datasets must be given."""
    if not options.methods or not options.datasets:
        raise UsageError("run needs --method and --dataset; `reproduce methods list` shows methods")
    return options.grid(target="run", **GRID_DEFAULTS)


@click.command(name="plan")
@click.argument("target", required=False)
@json_option
@grid_options
def plan(target: str | None, options: Options, as_json: bool) -> int:
    """Show what TARGET (or a grid) would run, and what the data can give at each noise level."""
    show_plan(grid_of(target, options), options, as_json=as_json)
    return 0


def grid_of(target: str | None, options: Options) -> Grid:
    """Return the grid of a target, or of the options alone where none is named."""
    if target is None:
        return free_grid(options)
    from ...tables.papers import load_target

    return target_grid(load_target(target, options.papers), options)


def plan_grid(
    grid: Grid, options: Options, console: Console, cache: Path | None, *, need_weights: bool = True
) -> Plan:
    """Make the plan, with a line of progress while images are scanned."""
    from ..devices import cores
    from ..plan import make_plan

    with console.status("scanning images …") as status:

        def show(fraction: float, text: str) -> None:
            status.update(f"scanning images … {fraction:.0%} {text}")

        return make_plan(
            grid,
            data_root=options.data_root,
            cache=cache,
            workers=cores(),
            need_weights=need_weights,
            progress=show,
        )


def plan_and_open(grid: Grid, options: Options, console: Console) -> tuple[Plan, Store]:
    """Make the plan, load each backbone once, open the store; bad input leaves no store behind."""
    from ..grid import verify_backbones
    from ..store import Store
    from ..storefolder import MARK

    if (options.store / MARK).is_file():
        store = Store(options.store, create=True)
        _say_note(store, console)
        made = plan_grid(grid, options, console, store.manifests)
        if made.pending(store):
            verify_backbones(made.methods)
        return made, store
    with tempfile.TemporaryDirectory() as scratch:
        made = plan_grid(grid, options, console, Path(scratch))
        verify_backbones(made.methods)
        store = Store(options.store, create=True)
        _say_note(store, console)
        shutil.copytree(scratch, store.manifests, dirs_exist_ok=True)
    return made, store


def _say_note(store: Store, console: Console) -> None:
    """Print what opening a store has mended."""
    if store.note:
        console.print(f"note: {store.note}", markup=False, highlight=False, soft_wrap=True)


def show_plan(grid: Grid, options: Options, *, as_json: bool = False) -> None:
    """Print the feasibility of every category and level, and how many cells are still to run.

    The table comes first: a level that cannot be had is a dash in it, then an error.
    """
    from ..devices import resolve_devices
    from ..feasible import outlooks
    from ..forecast import LEARNED_FROM
    from ..progress import plural
    from ..store import Store
    from ..storefolder import is_store
    from .asked import require_data
    from .inspect import index_of
    from .running import forecast_line
    from .show import feasibility_table

    console = make_console(quiet=options.quiet or as_json)
    if options.device != "auto":
        resolve_devices(options.device)
    require_data(grid, options.data_root)
    views = outlooks(grid, options.data_root)
    for seen in views:
        what = "injected/training images, test nominal+anomalous"
        line = f"protocol {seen.protocol.protocol_id}: {what}"
        console.print(line, markup=False, soft_wrap=not console.is_terminal)
        console.print(feasibility_table(seen))
        for note in seen.notes:
            console.print(
                f"note: {note}", markup=False, highlight=False, soft_wrap=not console.is_terminal
            )
        seen.raise_if_impossible()
    notes = make_console(stderr=True, quiet=options.quiet)
    made = plan_grid(grid, options, notes, None, need_weights=False)
    for warning in made.warnings:
        console.print(f"note: {warning}", markup=False, highlight=False, soft_wrap=True)
    for method in made.methods:
        what = f"{method.name}: {method.backbone}, {method.image_size} px"
        console.print(f"method {what}", highlight=False, soft_wrap=True)
        if method.missing:
            line = f"note: {method.name} cannot run yet: {method.missing}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    count, tunings = len(made.distinct), len(made.tunings)
    left = count
    outlook = ""
    if is_store(options.store):
        store = Store(options.store)
        keys = {cell.key for cell in made.distinct}
        index = index_of(options.store, columns=("key", *LEARNED_FROM), asked=keys)
        pending = made.pending(store, known=index.statuses())
        outlook = forecast_line(pending, index.table, options.jobs) if pending else ""
        left, tunings = len(pending), len(made.pending_tunings(store, pending, options.device))
    first = f", after {plural(tunings, 'tuning')}" if tunings else ""
    line = f"{plural(count)}, {count - left} in the store, {left} to run{first}"
    console.print(line, highlight=False)
    if outlook:
        console.print(outlook, markup=False, highlight=False, soft_wrap=True)
    if as_json:
        documents.say(documents.plan_document(made, views, left=left, tunings=tunings))


def execute(target: Target | None, grid: Grid, options: Options, *, as_json: bool = False) -> int:
    """Plan, run what is missing, write the report, print the table; return the exit code."""
    from ..progress import duration
    from ..repeats import identical_seeds
    from .asked import check_engine, require_cluster, require_data
    from .running import devices_of, run_plan
    from .show import report_context

    check_engine(options)  # what is refused is refused before images are scanned
    if options.dry_run:
        show_plan(grid, options, as_json=as_json)
        return 0
    require_cluster(options)
    require_data(grid, options.data_root)
    notes = make_console(stderr=True, quiet=options.quiet)
    device = devices_of(options)[0]
    require_writable(options.store, "--store")
    require_writable(options.out, "--out")
    made, store = plan_and_open(grid, options, notes)
    for warning in (*made.notes, *made.warnings):
        notes.print(f"note: {warning}", markup=False, highlight=False, soft_wrap=True)
    store.sweep()
    started = time.monotonic()
    run_plan(made, store, options, notes)
    frame = made.frame(store)
    nothing_drawn = [method.name for method in made.methods if method.cls.deterministic]
    for warning in identical_seeds(frame, store, nothing_drawn):
        notes.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
    context = report_context(made, options, device, store)
    console = make_console(quiet=options.quiet or as_json)
    written, shown = [], []
    for own, rows in tables_of(target, frame, made):
        judged = replace(context, scope=scope_in(own, grid, options))
        files, document = _report(own, rows, options.out, judged, console)
        written += files
        shown.append(document)
    took = time.monotonic() - started
    _conclude(frame, written, duration(took), console)
    code = 0 if set(frame["status"]) == {"done"} else 1
    if as_json:
        made_of = documents.run_document(grid.target, frame, shown, seconds=took, code=code)
        documents.say(made_of)
    return code


def _report(
    target: Target, frame: pd.DataFrame, out: Path, context: ReportContext, console: Console
) -> tuple[list[Path], dict[str, Any]]:
    """Write the report of one table and print the table; return its files and its numbers."""
    from ...reports.build import build_report
    from ...reports.data import table_document
    from ...reports.terminal import print_report
    from ...tables.assemble import build_model

    written = build_report(target, frame, out, context=context)
    model = build_model(target, frame, methods=context.methods, preset=context.preset)
    if not console.quiet:
        pages = [str(path) for path in written if path.suffix == ".html"]
        print_report(model, console, whole=", ".join(pages))
    return written, table_document(model) | {"files": documents.files_of(written)}


def _conclude(frame: pd.DataFrame, written: list[Path], took: str, console: Console) -> None:
    """Print the count of cells and where the reports lie."""
    from ..progress import plural

    # Methods that come to the same settings share their cells: counted once, shown for each.
    counts = frame.drop_duplicates("key")["status"].value_counts()
    parts = [f"{counts[name]} {name}" for name in ("done", "failed", "pending") if name in counts]
    console.print(f"{plural(int(counts.sum()))}: {', '.join(parts)}; {took}", highlight=False)
    for page in written:
        if page.suffix == ".html":
            console.print(f"report: {page}", highlight=False, soft_wrap=True)
