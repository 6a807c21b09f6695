"""``reproduce methods``: list and show methods, check one against the contract, start a new one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from ...datasets.errors import ContractError
from ..console import make_console

# Columns that are never broken.
_NAMES = ("method", "variant", "backbone")


@click.group(name="methods")
def command() -> None:
    """List and show methods, check one against the contract, start a new one."""


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_methods(as_json: bool) -> None:
    """List the registered methods, with plug-ins of installed packages."""
    from ...methods.registry import all_methods

    methods = all_methods()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(info) for info in methods], indent=2))
        return
    console = make_console()
    # Names stay whole in 80 columns; papers, which do not fit beside them, have a table of theirs.
    table = _table("method", "backbone", "pixels", "maps", "presets")
    papers = _table("method", "paper")
    for info in methods:
        maps = "yes" if info.localises else "no"
        presets = " ".join(("paper", *info.presets))
        row = (info.name, info.backbone or "none", info.image_size, maps, presets)
        table.add_row(*(Text(str(text)) for text in row))
        papers.add_row(Text(info.name), Text(info.paper))
    variants = _table("variant", "as printed", "pixels", "its own under presets")
    for info in methods:
        for name, variant in info.variants.items():
            row = (f"{info.name}@{name}", variant["title"], variant["image_size"], _own(variant))
            variants.add_row(*(Text(str(text)) for text in row))
    console.print(table)
    for one in (papers, variants):
        if one.row_count:
            console.print()
            console.print(one)


def _table(*heads: str) -> Table:
    """Return a table whose last column alone is folded, where it is no name."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        made.add_column(head, overflow="fold", no_wrap=head in _NAMES)
    return made


def _own(variant: Mapping[str, Any]) -> str:
    """Name the settings that a variant has of its own under each preset."""
    parts = (
        f"{preset}: {', '.join(f'{key} {value}' for key, value in own.items())}"
        for preset, own in variant["presets"].items()
    )
    return "; ".join(parts)


@command.command()
@click.argument("name")
def show(name: str) -> None:
    """Show one method: paper, backbone, variants, every setting with its meaning, departures."""
    from .method_page import method_page

    page = method_page(name)
    make_console().print(page)


@command.command()
@click.argument("name")
def check(name: str) -> None:
    """Run the contract tests on NAME: a registered method, my_module:MyMethod, or name@variant."""
    from ...methods.check import check_method

    results = check_method(name)
    for result in results:
        detail = f": {result.detail}" if result.detail else ""
        click.echo(f"{'ok  ' if result.passed else 'FAIL'}  {result.name}{detail}")
    failed = sum(not result.passed for result in results)
    if failed:
        raise ContractError(f"{name} breaks the contract: {failed} of {len(results)} tests failed")


@command.command()
@click.argument("name")
def new(name: str) -> None:
    """Write NAME.py, a small method that works, into the current folder."""
    from ...methods.template import write_template

    path, target = write_template(name, Path.cwd())
    click.echo(f"wrote {path.name}; next: reproduce methods check {target}")
