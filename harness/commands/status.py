"""``reproduce status``: how many cells are finished, failed or still to run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from ...datasets.errors import UsageError
from ...datasets.plain import one_line
from ..board import counts, left, not_run, read_boards
from ..console import make_console
from ..store import Status, Store
from .inspect import FULL_OPTION, index_of
from .options import Options, grid_options
from .queued import how_to_serve, queued_cells

Line = Mapping[str, Any]

# What a cell is, but for the hashes of what it depends on: a cell that failed under an old hash
# and finished under a new one is finished.
_CELL = (
    *("dataset", "category", "noise", "protocol", "seed", "method", "settings", "backbone"),
    *("image_size", "evaluation"),
)
_SHOWN = ("method", "dataset", "status", "label", "key", "error")
_cell: Callable[[Line], tuple[Any, ...]] = itemgetter(*_CELL)
_SETTLED = frozenset({Status.DONE.value, Status.FAILED.value})
_TROUBLED = frozenset({Status.FAILED.value, Status.DAMAGED.value})


@click.command(name="status")
@click.argument("target", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--watch", is_flag=True, help="Show the runs that go on, until they end.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often --watch looks.",
)
@FULL_OPTION
@grid_options
def status(
    target: str | None, as_json: bool, watch: bool, every: float, full: bool, options: Options
) -> int:
    """Count the cells of a store by method, dataset and state; list the failures.

    With TARGET, or with --method and --dataset, count the cells that this asks for: also those that
    are still to run, and nothing else. Give the options of the run.

    --watch shows, from another terminal, how far the runs on the store are and which cells are in
    flight; a store that is not there yet is waited for. Its exit code is 0 if everything was done
    when they ended, else 1.
    """
    if watch:
        from .watch import awaited
        from .watch import watch as follow

        if as_json or target is not None:
            raise UsageError("--watch shows every run on the store; leave out --json and TARGET")
        console = make_console(quiet=options.quiet)
        code = follow(awaited(options.store, console, every), console, every)
        return _left_behind(options, full) if code is None else code
    unfinished: list[dict[str, Any]] = []
    asked: set[str] | None = None
    if target is None and not options.methods:
        stored = _stored(options, full)
        unfinished += _unfinished(Store(options.store), stored)
        lines, superseded = current(stored)
        known = stored
    else:
        lines, superseded = list(_planned(target, options)), 0
        known, asked = lines, {line["key"] for line in lines}
    settled = {line["key"] for line in known if line["status"] in _SETTLED}
    notes = make_console(stderr=True, quiet=options.quiet)
    queued = queued_cells(Store(options.store), settled, asked, notes)
    counts = Counter((line["method"], line["dataset"], line["status"]) for line in lines)
    rows = [
        {"method": m, "dataset": d, "status": s, "cells": n}
        for (m, d, s), n in sorted(counts.items())
    ]
    troubled = [
        {"cell": line["label"], "key": line["key"], "reason": line["error"]}
        for line in lines
        if line["status"] in _TROUBLED
    ]
    if as_json:
        document = {"counts": rows, "troubled": troubled, "superseded": superseded}
        document |= {"unfinished": unfinished, "queued": queued}
        click.echo(json.dumps(document, indent=1))
    elif not options.quiet:
        if rows or not queued["cells"]:
            _print(rows, troubled, superseded)
        if queued["cells"]:
            click.echo(how_to_serve(queued))
        for run in unfinished:
            click.echo(_how_to_go_on(run))
    return 0


def _left_behind(options: Options, full: bool) -> int:
    """Say what runs that have ended left undone; return 1 if anything, or if a cell failed."""
    stored = _stored(options, full)
    unfinished = list(_unfinished(Store(options.store), stored))
    for run in unfinished:
        if not options.quiet:
            click.echo(_how_to_go_on(run))
    lines, _ = current(stored)
    return 1 if unfinished or any(line["status"] in _TROUBLED for line in lines) else 0


def _unfinished(store: Store, stored: Iterable[Line]) -> Iterator[dict[str, Any]]:
    """Yield what runs that have ended left undone, and the command that goes on with each.

    What a run has not heard of, as it was killed or another has done it, the store's cells tell;
    where the keys of its plan are not to be had, what it has heard itself stands.
    """
    settled = [line["key"] for line in stored if line["status"] in _SETTLED]
    by_plan: dict[str, list[dict[str, Any]]] = {}
    for board in read_boards(store):
        by_plan.setdefault(board["plan"], []).append(board)
    for boards in by_plan.values():
        heard = left(boards)
        if not heard or any(board["live"] for board in boards):
            continue
        count = not_run(store, boards[0], settled)
        if count := heard if count is None else count:
            total = sum(one["total"] for one in counts(boards).values())
            command = next((board["command"] for board in boards if board["command"]), "")
            title = boards[0]["title"]
            yield {"title": title, "cells": total, "left": count, "command": command}


def _how_to_go_on(run: Mapping[str, Any]) -> str:
    title, command = one_line(run["title"]), run["command"]
    line = f"{title}: its last run ended with {run['left']} of {run['cells']} cells not run"
    if not command.isprintable():  # of another hand or version: changed, it would ask for more
        return f"{line}; to go on: the command that `reproduce status --json` shows"
    return line + (f"; to go on: {command}" if command else "")


def _stored(options: Options, full: bool) -> list[Line]:
    columns = tuple(dict.fromkeys((*_SHOWN, *_CELL)))
    found = index_of(options.store, full=full, columns=columns).rows(*columns)
    lines: list[dict[str, Any]] = [dict(zip(columns, values, strict=True)) for values in found]
    for line in lines:
        line["method"] = line["method"] or "?"
        line["dataset"] = line["dataset"] or "?"
    # A folder without result or failure is a cell that was begun: which one nobody can say.
    return [line for line in lines if line["status"] != Status.PENDING.value]


def current(lines: Iterable[Line]) -> tuple[list[Line], int]:
    """Leave out failures of cells that have finished since, and all but one failure of a cell.

    Parameters
    ----------
    lines
        What a store says about each key, with the columns of a cell.

    Returns
    -------
    tuple
        The lines that count, and how many failures do not.
    """
    lines = list(lines)
    if all(line["status"] != Status.FAILED.value for line in lines):
        return lines, 0
    done = {_cell(line) for line in lines if line["status"] == Status.DONE.value}
    kept, superseded, failed = [], 0, set()
    for line in lines:
        if line["status"] == Status.FAILED.value:
            cell = _cell(line)
            if cell in done or cell in failed:
                superseded += 1
                continue
            failed.add(cell)
        kept.append(line)
    return kept, superseded


def _planned(target: str | None, options: Options) -> Iterator[Line]:
    """Yield every cell that is asked for, once."""
    from .run import grid_of, plan_grid

    store = Store(options.store)
    notes = make_console(stderr=True, quiet=options.quiet)
    made = plan_grid(grid_of(target, options), options, notes, store.manifests)
    for planned in made.distinct:
        record = store.read(planned.key)
        yield {
            "method": planned.method.name,
            "dataset": planned.identity.cell.dataset,
            "status": record.status.value,
            "label": planned.label,
            "key": planned.key,
            "error": record.reason,
        }


def _print(rows: Iterable[Line], troubled: Iterable[Mapping[str, str]], superseded: int) -> None:
    console = make_console()
    table = Table(box=None, pad_edge=False)
    for head in ("method", "dataset", "status"):
        table.add_column(head, overflow="fold")
    table.add_column("cells", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    console.print(table)
    for item in troubled:
        text = f"{item['cell']}: {item['reason']}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if superseded:
        what = "failure is" if superseded == 1 else "failures are"
        text = f"{superseded} earlier {what} not counted: the cells have finished or failed since"
        console.print(text, highlight=False, soft_wrap=True)
