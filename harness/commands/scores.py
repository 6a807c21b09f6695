"""``reproduce scores``: the files that scores made elsewhere are filled into."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...datasets.errors import UsageError
from ..console import make_console
from .options import split_levels, split_names, split_protocols

if TYPE_CHECKING:
    from ..grid import Grid
    from ..plan import Plan
    from ..planned import PlannedCell

TEMPLATE = """\
name = {name}
title = {name}
smoothing_sigma = 0.0   # Gaussian in pixels that the upsampled maps are smoothed with
image_size = {size}        # side of the evaluated maps in pixels
# backbone = "resnet18"
# paper = "Who, where"
# notes = ["A sentence that is printed with the results."]
"""
DEFAULT_NAME, DEFAULT_SIZE = "my-method", 256


@click.group(name="scores")
def command() -> None:
    """Write the files that scores made elsewhere are filled into."""


@command.command()
@click.option(
    "--datasets",
    "--dataset",
    "-d",
    multiple=True,
    callback=split_names,
    required=True,
    metavar="A,B",
    help="Datasets, or name=path.",
)
@click.option(
    "--categories",
    "--category",
    "-c",
    multiple=True,
    callback=split_names,
    metavar="A,B",
    help="Only these categories.",
)
@click.option(
    "--noise",
    multiple=True,
    callback=split_levels,
    metavar="0,10,50",
    default=("0",),
    help="Noise levels in percent; 0.",
)
@click.option("--seeds", type=int, default=3, show_default=True, metavar="N", help="Repetitions.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    callback=split_protocols,
    default=("fixed-test",),
    metavar="fixed-test|overlap|added",
    help="Label-noise protocols, as of `run`; fixed-test.",
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that holds the datasets (default: $ADREPRO_DATA or ./data).",
)
@click.option(
    "--name", metavar="NAME", help=f"Name in tables, for a new scores.toml; {DEFAULT_NAME}."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR",
    help="Folder to write; run it as --method scores:DIR.",
)  # fmt: skip
def template(
    datasets: tuple[str, ...],
    categories: tuple[str, ...],
    noise: tuple[float, ...],
    seeds: int,
    protocols: tuple[str, ...],
    data_root: Path | None,
    name: str | None,
    out: Path,
) -> None:
    """Write a CSV per cell with the ids of its training and test images, scores left empty.

    Train on the images of split ``train``, score those of split ``test``; scores of the training
    images are for the threshold and may be left out with their lines. A map is an .npy or .png
    file, its path from the CSV's folder.
    """
    from ..files import require_writable, write_atomic
    from ..grid import Grid
    from ..scorefolder import FILE

    require_writable(out, "--out")
    described = _described(out / FILE, name)
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / FILE).write_bytes(described)
        grid = Grid(
            target="run",
            datasets=datasets,
            categories=categories or None,
            methods=(f"scores:{scratch}",),
            noise=noise,
            seeds=seeds,
            protocols=protocols,
        )
        made = _plan(grid, data_root)
    files = {out / f"{stem}.csv": _listing(planned) for stem, planned in _stems(made).items()}
    taken = [path for path in files if path.exists()]
    if taken:
        raise UsageError(
            f"--out {out}: {taken[0]} is there already ({len(taken)} of {len(files)} files); "
            "expected none of them, so that no score is lost: give another folder"
        )
    for path, data in {out / FILE: described, **files}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    click.echo(
        f"wrote {len(files)} files below {out}; fill in the scores, then --method scores:{out}"
    )


def _described(file: Path, name: str | None) -> bytes:
    """Return the folder's ``scores.toml``, or a new one."""
    if not file.exists():
        text = TEMPLATE.format(name=json.dumps(name or DEFAULT_NAME), size=DEFAULT_SIZE)
        return text.encode()
    if name is not None:
        raise UsageError(f"--name {name}: {file} is there already and has one; leave --name out")
    return file.read_bytes()


def _plan(grid: Grid, data_root: Path | None) -> Plan:
    """Draw the images of every cell, and say what is not as the levels alone would give it."""
    from ..devices import cores
    from ..plan import make_plan

    made = make_plan(grid, data_root=data_root, cache=None, workers=cores(), need_weights=False)
    notes = make_console(stderr=True)
    for note in made.notes:
        notes.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    return made


def _stems(made: Plan) -> dict[str, PlannedCell]:
    """Return where each cell's file lies; below its protocol's folder where there are several."""
    from ..scorecells import file_stem, protocol_folders

    folders = protocol_folders(made.protocols)
    stems = {}
    for planned in made.cells:
        cell = planned.identity.cell
        first = f"{folders[cell.protocol]}/" if len(folders) > 1 else ""
        stems[first + file_stem(cell)] = planned
    return stems


def _listing(planned: PlannedCell) -> bytes:
    """Return a cell's CSV: the training images, then the test images, in the harness's order."""
    from ..scorefiles import COLUMNS

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for split, samples in (("train", planned.train), ("test", planned.test)):
        writer.writerows((sample.id, split, "", "") for sample in samples)
    return text.getvalue().encode()
