"""``reproduce explain``: one cell of a store, down to the hashes of its images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...datasets.errors import UsageError
from ...datasets.plain import indented
from ..cell import canonical_json
from ..console import make_console
from ..files import read_signed
from ..store import Record, Status, Store
from ..tuned import read_tuned
from .inspect import STORE_OPTION, cell_of

if TYPE_CHECKING:
    from rich.console import Console


@click.command(name="explain")
@click.argument("cell")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, with every image.")
@click.option("--images", "with_images", is_flag=True, help="List every image with its hash first.")
@STORE_OPTION
def explain(cell: str, store: Path, as_json: bool, with_images: bool) -> int:
    """Show one stored CELL: settings, metrics, environment, images; its traceback if it failed."""
    opened = Store(store)
    record = find_one(opened, cell)
    shown: dict[str, Any] = {"key": record.key, "status": record.status.value}
    shown |= {"reason": record.reason} if record.reason else {}
    shown |= dict(record.document or {})
    if record.status is Status.DONE:
        shown |= {"row": dict(record.row or {})}
        shown |= {name: opened.load_json(record.key, name) for name in ("env", "images")}
    shown |= failure_of(opened, record)
    shown |= tuning_of(opened, record)
    if as_json:
        print(json.dumps(shown, indent=1, sort_keys=True))
        return 0
    console = make_console()
    for split, own in shown.get("images", {}).items() if with_images else ():
        _list(console, split, own)
    console.print(
        f"key     {record.key}\nstatus  {record.status.value} {record.reason}", markup=False
    )
    for title in ("hashes", "env", "tuning", "cell"):
        _section(console, title, shown.get(title))
    _count(console, shown.get("images", {}), listed=with_images)
    # What came out stands last, where a terminal shows it.
    _section(console, "row", shown.get("row"))
    _trace(console, shown.get("failure", {}).get("traceback", ""))
    return 0


def _section(console: Console, title: str, found: Mapping[str, Any] | None) -> None:
    if found is None:
        return
    console.print(f"\n[bold]{title}[/bold]")
    for name, value in found.items():
        console.print(f"  {name:<20} {value}", markup=False, highlight=False, soft_wrap=True)


def _trace(console: Console, text: str) -> None:
    """Print a traceback; one of a process that was killed is empty."""
    if text:
        console.print("\n[bold]traceback[/bold]")
        for line in text.rstrip().split("\n"):
            # A method's own text: it must not steer a terminal.
            console.print(indented(line), markup=False, highlight=False, soft_wrap=True)


def _list(console: Console, split: str, images: Iterable[Mapping[str, Any]]) -> None:
    """Print the images of a split, each with the beginning of its hash."""
    console.print(f"[bold]{split}[/bold]")
    for image in images:
        marks = [m for m in ("anomalous", "injected") if image[m]]
        line = f"  {image['sha256'][:16]}  {image['id']}  {' '.join(marks)}".rstrip()
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print()


def _count(
    console: Console, images: Mapping[str, Sequence[Mapping[str, Any]]], *, listed: bool
) -> None:
    """Say how many images of each kind a cell used."""
    if not images:
        return
    console.print("\n[bold]images[/bold]")
    for split, own in images.items():
        marked = {m: sum(image[m] for image in own) for m in ("anomalous", "injected")}
        kinds = ", ".join(f"{count} {name}" for name, count in marked.items() if count)
        line = f"  {split:<20} {len(own)}{f', {kinds}' if kinds else ''}"
        console.print(line, markup=False, highlight=False)
    if not listed:
        console.print("  --images lists them with their hashes", markup=False, highlight=False)


def tuning_of(store: Store, record: Record) -> dict[str, Any]:
    """Return what a cell's tuning chose and from how many evaluations; empty for one without."""
    key = (record.document or {}).get("hashes", {}).get("tuning")
    if key is None:
        return {}
    tuned = read_tuned(store, key)
    if tuned is None:
        return {"tuning": {"chosen": "not in the store (any more)"}}
    told = {
        "chosen": canonical_json(dict(tuned.chosen)),
        "evaluations": len(tuned.trials),
        "objective": tuned.objective,
        "saw": f"{', '.join(tuned.document['categories'])} at {tuned.document['noise']:g} % noise",
        "test labels": "used" if tuned.oracle else "not used",
        "seconds": tuned.seconds,
        "device": tuned.device,
        "key": key,
    }
    return {"tuning": told, "trials": list(tuned.trials)}


def failure_of(store: Store, record: Record) -> dict[str, Any]:
    """Return what is stored of a cell that failed, see `Failure`; empty for another."""
    if record.status is not Status.FAILED:
        return {}
    body = read_signed(store.folder(record.key) / "failure.json", record.key)
    return {"failure": body["failure"]}


def find_one(store: Store, text: str) -> Record:
    """Return the one stored cell whose key begins with, or whose label contains, ``text``.

    Raises
    ------
    UsageError
        None, or more than one.
    """
    found = []
    for key in store:
        record = store.read(key)
        cell = cell_of(record)
        if key.startswith(text) or (cell and text in cell.label()):
            found.append(record)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"no cell in {store.root} matches '{text}'; `reproduce status` counts them"
        )
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    some = "; ".join(describe(record) for record in found[:4])
    raise UsageError(f"{len(found)} cells match '{text}', give a key: {some}{more}")


def describe(record: Record) -> str:
    """Return a stored cell's key with what tells it from others of the same label."""
    cell = cell_of(record)
    if cell is None or record.document is None:
        return record.key[:16]
    source = record.document["hashes"].get("method", "")[:8]
    protocol = cell.protocol.partition("/")[0]
    size = f"{cell.image_size} px"
    return (
        f"{record.key[:16]} = {cell.label()} ({protocol}, {size}, {cell.evaluation}, code {source})"
    )
