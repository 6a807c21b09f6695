"""``reproduce bundle``: hand a table on with what it is made from; `verify` checks one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...datasets.errors import UsageError
from ..bundle import MAPS, MASKS, PARTS, pack
from ..files import sha256
from ..progress import plural
from ..selection import chosen_categories, open_datasets
from ..store import Status, Store
from ..stored import Found
from .options import Options, grid_options
from .stored import open_target

if TYPE_CHECKING:
    import pandas as pd

    from ...tables.model import MethodInfo
    from ...tables.spec import Target
    from ..grid import Grid


@click.command(name="bundle")
@click.argument("target")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE",
    help="File to write (default: the target's name with .zip).",
)  # fmt: skip
@click.option("--maps", is_flag=True, help="Also pack the maps of cells run with --keep-maps, and "
              "their masks: verify then recomputes pixel metrics, too.")  # fmt: skip
@grid_options
def bundle(target: str, output: Path | None, maps: bool, options: Options) -> int:
    """Pack what the stored results of TARGET are made from: scores, settings, hashes, table.

    Give the options of the run. Images and weights stay behind, and without --maps so do maps and
    masks; with it the masks are read from the datasets.
    """
    from ..env import package_version
    from ..files import require_writable, write_atomic

    opened = open_target(target, options)
    path = output or Path(f"{opened.target.slug}.zip")
    require_writable(path.absolute().parent, "--output")
    if not opened.stored.found:
        raise UsageError(
            f"no results of {opened.target.name} in {options.store}: run it first, same options"
        )
    files = paper_files(opened.target)
    failed = {}
    done = [one for one in opened.stored.found if one.record.status is Status.DONE]
    for one in done:
        folder = opened.store.folder(one.record.key)
        files |= {f"cells/{one.record.key}/{n}": (folder / n).read_bytes() for n in PARTS}
    for one in opened.stored.found:
        if one.record.status is not Status.DONE:
            failed[one.record.key] = {"reason": one.record.reason, "document": one.record.document}
    if maps:
        files |= _maps_and_masks(done, opened.store, opened.grid, options.data_root)
    infos = opened.infos
    files |= rendered(opened.target, opened.stored.frame(), infos, options.preset)
    manifest = {
        "target": opened.target.name,
        "preset": options.preset,
        "adrepro": package_version("adrepro"),
        "methods": [asdict(info) for info in infos],
        "cells": [
            {"method": o.method, "key": o.record.key, "smoothing_sigma": o.smoothing_sigma}
            for o in opened.stored.found
        ],
        "failed": failed,
    }
    write_atomic(path, pack(manifest, files))
    for note in opened.stored.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{plural(len(opened.stored.found))} → {path}", err=True)
    return 0


def _maps_and_masks(
    done: Iterable[Found], store: Store, grid: Grid, data_root: Path | None
) -> dict[str, bytes]:
    """Return the maps that the store has, and the mask files of their anomalous images.

    Raises
    ------
    UsageError
        The store has no maps, or a mask is not the one that a cell was measured with.
    """
    with_maps = {o.record.key: o for o in done if store.has(o.record.key, MAPS)}
    if not with_maps:
        raise UsageError("--maps: the store has no maps of these cells; run with --keep-maps first")
    masks = _mask_paths(grid, data_root)
    files: dict[str, bytes] = {}
    for key, one in with_maps.items():
        files[f"cells/{key}/{MAPS}"] = (store.folder(key) / MAPS).read_bytes()
        _, dataset, category, _, _ = one.place
        for image in store.load_json(key, "images")["test"]:
            sha = image["mask_sha256"]
            if not sha or f"{MASKS}/{sha}" in files:
                continue
            path = masks.get((dataset, category, image["id"]))
            data = path.read_bytes() if path and path.is_file() else b""
            if sha256(data) != sha:
                raise UsageError(
                    f"--maps: the mask of {dataset}/{category}/{image['id']} is not on disk as it "
                    "was measured; give --data-root the folder of the run"
                )
            files[f"{MASKS}/{sha}"] = data
    return files


def _mask_paths(grid: Grid, data_root: Path | None) -> dict[tuple[str, str, str], Path]:
    """Return dataset, category and image id → its mask, for every image that has one."""
    return {
        (dataset.name, name, ref.id): ref.mask_path
        for dataset in open_datasets(grid, data_root)
        for name in chosen_categories(grid, dataset)
        for ref in dataset.category(name).test
        if ref.mask_path is not None
    }


def paper_files(target: Target) -> dict[str, bytes]:
    """Return the specification files of the paper's folder."""
    if target.paper is None or target.paper.folder is None:
        raise UsageError(f"{target.name} has no paper's folder to pack")
    return {
        f"paper/{path.name}": path.read_bytes()
        for path in sorted(target.paper.folder.iterdir())
        if path.suffix in (".toml", ".csv")
    }


def rendered(
    target: Target, frame: pd.DataFrame, infos: tuple[MethodInfo, ...], preset: str
) -> dict[str, bytes]:
    """Return the table and the verdicts as files."""
    from ...reports.text import render_csv
    from ...reports.verdicts.data import render_json
    from ...tables.assemble import build_model
    from ...tables.verdicts.judge import judge

    model = build_model(target, frame, methods=infos, preset=preset)
    check = judge(target, frame, methods=infos, preset=preset)
    return {"table.csv": render_csv(model).encode(), "check.json": render_json(check).encode()}
