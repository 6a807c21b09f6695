"""``reproduce figures``: the figures of a target from its stored results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ...datasets.errors import UnknownNameError, UsageError
from .options import Options, grid_options, split_names
from .stored import Opened, open_target

if TYPE_CHECKING:
    from ...reports.figures import Drawing, Material
    from ...tables.runs import Run
    from ...tables.spec import Target

FORMATS = ("pdf", "svg", "png")
WIDTHS = ("column", "page")


@click.command(name="figures")
@click.argument("target")
@click.option(
    "--only",
    multiple=True,
    callback=split_names,
    metavar="NAME,…",
    help="Only these figures (default: all that the results allow).",
)
@click.option(
    "--width",
    default="page",
    type=click.Choice(WIDTHS),
    metavar="|".join(WIDTHS),
    show_default=True,
    help="Of a two-column paper: 3.5 or 7.16 inches.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    callback=split_names,
    metavar="pdf,svg,png",
    help="File formats (default: all three).",
)
@click.option(
    "--cell",
    "wanted",
    multiple=True,
    metavar="KEY|PLACE",
    help="Cells of the figures of single cells: beginning of a key, or part of a name such as "
    "bottle/noise10/seed0 (default: first category, highest level, first seed).",
)
@grid_options
def figures(
    target: str,
    only: tuple[str, ...],
    width: str,
    formats: tuple[str, ...],
    wanted: tuple[str, ...],
    options: Options,
) -> int:
    """Draw the figures of TARGET from its stored results into --out; nothing is run.

    A figure that the results do not allow is named with the reason. Give the options of the run;
    images, for the grid of anomaly maps, are read from --data-root.
    """
    from ...reports.figures import FIGURES, figure
    from ..files import require_writable

    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError("figure format", name, FORMATS)
    chosen = [figure(name) for name in only] or list(FIGURES)
    require_writable(options.out, "--out")
    opened = open_target(target, options)
    for note in opened.stored.notes:
        click.echo(f"note: {note}", err=True)
    materials = _materials(opened, options, wanted)
    drawn = 0
    for one in chosen:
        for material, suffix in materials if one.per_cell else materials[:1]:
            name = f"{opened.target.slug}_{one.name}{suffix if one.per_cell else ''}"
            drawn += _write(one, material, options, name, formats or FORMATS, width)
    return 0 if drawn else 1


def _write(
    one: Drawing,
    material: Material,
    options: Options,
    name: str,
    formats: Iterable[str],
    width: str,
) -> int:
    """Write one figure in all formats, or say why not; return how many were drawn."""
    from ...reports.figures import render_named
    from ..files import write_atomic

    if why := one.why_not(material):
        click.echo(f"{one.name}: not drawn, {why}", err=True)
        return 0
    if left_out := one.left_out(material):
        click.echo(f"note: {one.name}: {left_out}", err=True)
    paths = [options.out / f"{name}.{form}" for form in formats]
    for path, form in zip(paths, formats, strict=True):
        write_atomic(path, render_named(one.name, material, form, width=width))
    if not options.quiet:
        names = ", ".join(map(str, paths))
        click.echo(f"{one.name}: {names}")
    return 1


def _materials(
    opened: Opened, options: Options, wanted: tuple[str, ...]
) -> list[tuple[Material, str]]:
    """Return the material of each place that figures of single cells show, and its file name."""
    from ...reports.figures import Material, default_cells
    from ...tables.assemble import build_model
    from ..evidence import evidence_source, files_of_datasets

    if not opened.stored.found:
        raise UsageError(
            f"no results of {opened.target.name} in {options.store}: run it first, same options"
        )
    model = build_model(
        _asked(opened),
        opened.stored.frame(),
        methods=opened.infos,
        preset=options.preset,
    )
    whole = Material(
        model=model,
        evidence=evidence_source(
            opened.store, files_of_datasets(opened.grid.datasets, options.data_root)
        ),
    )
    places = [_place(model.runs, text) for text in wanted] or [default_cells(model)]
    return [(replace(whole, cells=cells), _suffix(cells)) for cells in places]


def _asked(opened: Opened) -> Target:
    """Return the target with what was asked for on the command line, as its own command does."""
    from ..scorefolder import shown_names

    grid = opened.grid
    methods = shown_names(grid.methods)
    asked = replace(opened.target.run, methods=methods, noise=grid.noise, seeds=grid.seeds)
    return replace(opened.target, run=asked)


def _place(runs: Iterable[Run], text: str) -> tuple[Run, ...]:
    """Return the cells that a key's beginning or a part of a name means: those of one place.

    Raises
    ------
    UsageError
        None, or cells of several places.
    """
    known = tuple(runs)
    found = _matching(known, lambda run: run.key.startswith(text))
    found = found or _matching(known, lambda run: text in run.label)
    places = dict.fromkeys(_name(run) for run in found)
    if len(places) == 1:
        return found
    if not found:
        some = ", ".join(dict.fromkeys(_name(run) for run in known[:3]))
        raise UsageError(f"--cell {text}: no such cell among the results; e.g. {some}")
    some = ", ".join(list(places)[:3])
    raise UsageError(f"--cell {text}: cells of {len(places)} places, name one: {some}, …")


def _matching(runs: Iterable[Run], fits: Callable[[Run], bool]) -> tuple[Run, ...]:
    return tuple(run for run in runs if run.status == "done" and fits(run))


def _name(run: Run) -> str:
    return f"{run.stored_as or run.dataset}/{run.category}/noise{run.noise:g}/seed{run.seed}"


def _suffix(cells: tuple[Run, ...]) -> str:
    return "_" + re.sub(r"[^A-Za-z0-9.-]+", "_", _name(cells[0])) if cells else ""
