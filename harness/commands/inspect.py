"""``reproduce why | export``: look into a store, change nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...datasets.errors import UsageError
from ..cell import Cell
from ..console import make_console
from ..store import Record, Status, Store
from .options import Options, grid_options

if TYPE_CHECKING:
    from ..index import Index
    from ..plan import PlannedCell

STORE_OPTION = click.option(
    "--store", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
    metavar="DIR", help="Folder of finished cells.",
)  # fmt: skip
FULL_OPTION = click.option(
    "--full", is_flag=True,
    help="Read every cell and its checksums, also where file times say that nothing changed.",
)  # fmt: skip


def index_of(
    folder: Path,
    *,
    full: bool = False,
    columns: Sequence[str] | None = None,
    asked: Collection[str] | None = None,
) -> Index:
    """Open the index of a store, with a line of progress while cells are read."""
    from ..index import open_index

    with make_console(stderr=True).status("reading cells …") as shown:

        def show(done: int, total: int) -> None:
            shown.update(f"reading cells … {done} of {total}")

        return open_index(Store(folder), full=full, columns=columns, asked=asked, progress=show)


def cell_of(record: Record) -> Cell | None:
    """Return the cell a record is about, where its files could be read."""
    return Cell(**record.document["cell"]) if record.document else None


@click.command(name="why")
@click.argument("cell")
@click.argument("target", required=False)
@grid_options
def why(cell: str, target: str | None, options: Options) -> int:
    """Say why CELL (a label or part of one, or a key's beginning) is done, stale, failed or new.

    TARGET and the other options name the plan that the cell belongs to.
    """
    from .run import grid_of, plan_grid

    store = Store(options.store)
    if target is None and not options.methods:
        raise UsageError(
            f"why needs the plan that the cell belongs to: reproduce why {cell} table1 --preset …"
        )
    console = make_console()
    made = plan_grid(grid_of(target, options), options, make_console(stderr=True), store.manifests)
    wanted = [c for c in made.cells if cell in c.label or c.key.startswith(cell)]
    if not wanted:
        example = made.cells[0].label
        raise UsageError(f"no cell of the plan matches '{cell}'; labels look like {example}")
    # A cell of the plan itself, e.g. another protocol's or variant's, is no stale result.
    current = {c.key for c in made.cells}
    others = (key for key in store if key not in current)
    stored = [record for key in others if (record := store.read(key)).document]
    for planned in wanted:
        reason = reason_for(planned, store.read(planned.key), stored)
        where = planned.label
        if len(made.protocols) > 1:
            where += f" ({planned.identity.cell.protocol})"
        if len(made.grid.evaluations) > 1:
            where += f" ({planned.identity.cell.evaluation})"
        text = f"{where} {planned.key[:16]}: {reason}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    return 0


def reason_for(planned: PlannedCell, record: Record, stored: list[Record]) -> str:
    """Say in one sentence where a planned cell stands.

    A cell without a result is compared with the stored cells of the same label: what differs
    between the nearest one's key and the planned key is why that result is not used.
    """
    if record.status is Status.DONE:
        return "done"
    if record.status is not Status.PENDING:
        more = "; `reproduce explain` shows its traceback, if it has one"
        said = f"{record.status.value}: {record.reason}; it runs again with the next run"
        return said + more if record.status is Status.FAILED else said
    label = planned.identity.cell.label()
    mine = planned.identity.document()
    others = []
    for other in stored:
        cell = cell_of(other)
        if other.document and cell and cell.label() == label:
            others.append((differences(other.document, mine), other.key))
    if not others:
        return "never run"
    changed, key = min(others, key=lambda pair: (len(pair[0]), pair[1]))
    return f"stale: the stored {key[:16]} differs in {'; '.join(changed)}"


NAMES_OF_HASHES = {
    "images": "the image list or the content of an image or mask",
    "method": "the method's source",
    "scores": "the content of the score file",
    "weights": "the backbone's weights",
    "tuning": "what its tuning depends on, e.g. the other categories",
}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name what differs between two key documents, old → new."""
    found = []
    if old.get("schema") != new["schema"]:
        found.append("the schema version")
    for name, value in new["cell"].items():
        before = old["cell"].get(name)
        if name == "settings" and before != value:
            found += _changed_settings(json.loads(before or "{}"), json.loads(value))
        elif before != value:
            found.append(f"{name} ({before} → {value})")
    for name, value in new["hashes"].items():
        if old["hashes"].get(name) != value:
            found.append(NAMES_OF_HASHES.get(name, name))
    return found


def _changed_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names = sorted({*old, *new})
    return [
        f"setting {name} ({old.get(name)} → {new.get(name)})"
        for name in names
        if old.get(name) != new.get(name)
    ]


@click.command(name="export")
@click.option(
    "--format", "form", default="csv", type=click.Choice(["csv", "parquet"]), show_default=True
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE",
    help="File to write (default: standard output for csv, cells.parquet for parquet).",
)  # fmt: skip
@FULL_OPTION
@STORE_OPTION
def export(store: Path, form: str, output: Path | None, full: bool) -> int:
    """Write all results of a store as one tidy table, a row per cell."""
    import io

    from ..files import require_writable, write_atomic
    from ..frames import frame_csv
    from ..progress import plural

    if output is not None:
        require_writable(output.parent, "--output")
    frame = index_of(store, full=full).frame()
    if form == "csv" and output is None:
        click.echo(frame_csv(frame), nl=False)
        return 0
    target = output or Path("cells.parquet")
    buffer = io.BytesIO()
    if form == "csv":
        buffer.write(frame_csv(frame))
    else:
        frame.to_parquet(buffer, index=False)
    write_atomic(target, buffer.getvalue())
    notes = make_console(stderr=True)
    notes.print(f"{plural(len(frame))} → {target}", highlight=False, soft_wrap=True)
    return 0
