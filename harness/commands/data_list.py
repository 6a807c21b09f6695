"""What ``reproduce data list`` shows: datasets, official numbers, and what is on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...datasets.catalog import DatasetInfo, locate, resolve_data_root
from ...datasets.tally import Tally, official, tally
from ..console import make_console


def describe(info: DatasetInfo, data_root: Path | None) -> dict[str, Any]:
    """Return a dataset's names, licence, official numbers, and what lies where."""
    found = locate(info, data_root)
    if info.archive:
        hint = f"reproduce data fetch {info.name}"
    else:
        hint = "drawn on first use" if info.synthetic else f"{info.name}=PATH"
    known, there = official(info), tally(info, found) if found else None
    return {
        "name": info.name,
        "title": info.title,
        "categories": known.categories if known else None,
        "images": known.train + known.test if known else None,
        "official": known.as_dict() if known else None,
        "on_disk": there.as_dict() if there else None,
        "licence": info.licence,
        "citation": info.citation,
        "homepage": info.homepage,
        "path": str(found) if found else None,
        "hint": hint,
    }


def print_datasets(rows: list[dict[str, Any]], data_root: Path | None) -> None:
    """Print what the datasets are, then how much of each is on disk; names stay whole."""
    from rich.table import Table
    from rich.text import Text

    root = resolve_data_root(data_root)
    console = make_console()
    what = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("name", "title", "licence"):
        what.add_column(head, overflow="fold", no_wrap=head == "name")
    where = Table(title=f"Below {root}", title_justify="left", title_style="bold")
    where.box, where.pad_edge, where.padding = None, False, (0, 2, 0, 0)
    for head in ("name", "official", "on disk", "where"):
        where.add_column(head, overflow="fold", no_wrap=head != "where")
    for row in rows:
        what.add_row(*(Text(row[name]) for name in ("name", "title", "licence")))
        place = _below(Path(row["path"]), root) if row["path"] else row["hint"]
        own = (row["name"], _known(row["official"]), _there(row), str(place))
        where.add_row(*(Text(text) for text in own))
    console.print(what)
    console.print()
    console.print(where)


def _below(path: Path, root: Path) -> Path:
    """Return a path from the data root, or whole where it lies elsewhere, as drawn images may."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def _known(found: dict[str, int] | None) -> str:
    return _numbers(Tally(**found)) if found else ""


def _there(row: dict[str, Any]) -> str:
    """Say how much is on disk, beside the official number where that is another one."""
    if row["on_disk"] is None:
        return "nothing"
    if row["on_disk"] == row["official"]:
        return "all"
    return _numbers(Tally(**row["on_disk"]))


def _numbers(found: Tally) -> str:
    kinds = "category" if found.categories == 1 else "categories"
    return f"{found.categories} {kinds}\n{found.train} train, {found.test} test"
