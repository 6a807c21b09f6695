"""``reproduce targets``: the published tables that can be run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from ..console import make_console

if TYPE_CHECKING:
    from ...tables.spec import Target


@click.command(name="targets")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--papers",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with more papers.",
)
def command(as_json: bool, papers: tuple[Path, ...]) -> int:
    """List the published tables and figures that can be run."""
    from ...tables.papers import list_targets, load_target

    targets = [load_target(name, papers) for name in list_targets(papers)]
    if as_json:
        click.echo(json.dumps([_document(target) for target in targets], indent=2))
        return 0
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("target", "paper", "methods", "noise (%)", "seeds", "cells"):
        table.add_column(head, overflow="fold")
    for target in targets:
        run = target.run
        paper = target.paper.title if target.paper else ""
        levels = ", ".join(f"{level:g}" for level in run.noise)
        row = (target.name, paper, ", ".join(run.methods), levels, run.seeds, _cells(target))
        table.add_row(*(Text(str(text)) for text in row))
    make_console().print(table)
    return 0


def _cells(target: Target) -> int:
    """Count the cells of the full grid."""
    run = target.run
    categories = sum(len(dataset.categories) for dataset in run.datasets)
    return len(run.methods) * categories * len(run.noise) * run.seeds


def _document(target: Target) -> dict[str, Any]:
    run = target.run
    return {
        "name": target.name,
        "title": target.title,
        "caption": target.caption,
        "paper": target.paper.title if target.paper else None,
        "methods": list(run.methods),
        "datasets": {dataset.name: list(dataset.categories) for dataset in run.datasets},
        "noise": list(run.noise),
        "seeds": run.seeds,
        "protocol": run.protocol,
        "evaluation": run.evaluation,
        "image_size": run.image_size,
        "cells": _cells(target),
        "reported_numbers": len(target.numbers),
    }
