"""``reproduce bundle | verify``: hand a table on with what it is made from, and check one."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...datasets.errors import UsageError
from ..bundle import PARTS, Bundle, pack, unpack
from ..cell import Cell
from ..store import Record, Status
from .options import Options, grid_options
from .stored import open_target

if TYPE_CHECKING:
    import pandas as pd

    from ...tables.model import MethodInfo
    from ...tables.spec import Target

# Libraries may sum in another order; a digit that a table shows is far larger.
TOLERANCE = 1e-9
_SHOWN = 20


@click.command(name="bundle")
@click.argument("target")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE",
    help="File to write (default: the target's name with .zip).",
)  # fmt: skip
@grid_options
def bundle(target: str, output: Path | None, options: Options) -> int:
    """Pack what the stored results of TARGET are made from: scores, settings, hashes, table.

    Give the options of the run. Images, maps and weights stay behind.
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
    files = _paper_files(opened.target)
    failed = {}
    for one in opened.stored.found:
        key = one.record.key
        if one.record.status is Status.DONE:
            folder = opened.store.folder(key)
            files |= {f"cells/{key}/{name}": (folder / name).read_bytes() for name in PARTS}
        else:
            failed[key] = {"reason": one.record.reason, "document": one.record.document}
    infos = opened.infos
    files |= _rendered(opened.target, opened.stored.frame(), infos, options.preset)
    manifest = {
        "target": opened.target.name,
        "preset": options.preset,
        "adrepro": package_version("adrepro"),
        "methods": [asdict(info) for info in infos],
        "cells": [{"method": o.method, "key": o.record.key} for o in opened.stored.found],
        "failed": failed,
    }
    write_atomic(path, pack(manifest, files))
    for note in opened.stored.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{len(opened.stored.found)} cells → {path}", err=True)
    return 0


@click.command(name="verify")
@click.argument("path", metavar="BUNDLE", type=click.Path(path_type=Path))
def verify(path: Path) -> int:
    """Recompute every metric, the table and the verdicts of a bundle; compare with what it says.

    Needs no image and no GPU. Pixel metrics need maps and masks: they are taken as recorded, and
    the last line counts them. Exit code 0: all equal; 1: something differs; 2: no sound bundle.
    """
    opened = unpack(path)
    manifest = opened.manifest
    found: list[str] = []
    rows, recomputed, kept = _rows(opened, found)
    target = _target(opened)
    infos = tuple(_info(item) for item in manifest["methods"])
    from ..frames import to_frame

    again = _rendered(target, to_frame(rows), infos, manifest["preset"])
    for name, data in again.items():
        if not _same(opened.files.get(name, b""), data):
            found.append(f"{name}: made again it differs from the one in the bundle")
    for line in found[:_SHOWN]:
        click.echo(line)
    if len(found) > _SHOWN:
        click.echo(f"… and {len(found) - _SHOWN} more")
    click.echo(
        f"{target.name}: {len(manifest['cells'])} cells, {recomputed} metrics recomputed from "
        f"scores, {kept} pixel metrics as recorded, table and verdicts made again: "
        + (f"{len(found)} differences" if found else "all equal")
    )
    return 1 if found else 0


def _paper_files(target: Target) -> dict[str, bytes]:
    """Return the specification files of the paper's folder."""
    if target.paper is None or target.paper.folder is None:
        raise UsageError(f"{target.name} has no paper's folder to pack")
    return {
        f"paper/{path.name}": path.read_bytes()
        for path in sorted(target.paper.folder.iterdir())
        if path.suffix in (".toml", ".csv")
    }


def _rendered(
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


def _rows(opened: Bundle, found: list[str]) -> tuple[list[dict[str, Any]], int, int]:
    """Return frame rows with recomputed metrics; note what differs; count both kinds of metric."""
    from ..frames import record_row
    from ..remeasure import FROM_PIXELS, remeasure

    rows, recomputed, kept = [], 0, 0
    for owner in opened.manifest["cells"]:
        key = owner["key"]
        try:
            record = opened.record(key)
            row = record_row(record) | {"method": owner["method"]}
            if record.status is Status.DONE:
                cell = Cell(**_document(record)["cell"])
                again = remeasure(opened.arrays(key), opened.images(key)["test"], cell)
                wrong = _differences(row, again)
                found += [f"{cell.label()}: {text}" for text in wrong.values()]
                row |= {name: again[name] for name in wrong}
                recomputed += sum(value is not None for value in again.values())
                kept += sum(row.get(name) is not None for name in FROM_PIXELS)
        except (ValueError, KeyError, TypeError, OSError) as err:
            raise UsageError(f"cell {key[:12]} of the bundle cannot be verified: {err}") from err
        rows.append(row)
    return rows, recomputed, kept


def _document(record: Record) -> Mapping[str, Any]:
    return record.document or {}


def _differences(row: Mapping[str, Any], again: Mapping[str, float | None]) -> dict[str, str]:
    """Return column → what is wrong with it."""
    return {
        name: f"{name} is recorded as {row.get(name)}, recomputed {value}"
        for name, value in again.items()
        if not _close(row.get(name), value)
    }


def _same(recorded: bytes, again: bytes) -> bool:
    """Compare two files; JSON by its values, as p-values may differ in a last bit."""
    if recorded == again:
        return True
    try:
        return _close(json.loads(recorded), json.loads(again))
    except ValueError:
        return False


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0, abs_tol=TOLERANCE)
    return one == other


def _target(opened: Bundle) -> Target:
    """Read the target from the bundle's own copy of the paper's folder."""
    from ...tables.papers import read_target

    paper, _, stem = opened.manifest["target"].partition("/")
    # Only the last part of a name is used, so that nothing is written elsewhere.
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / Path(paper).name
        folder.mkdir()
        for name, data in opened.files.items():
            if name.startswith("paper/"):
                (folder / Path(name).name).write_bytes(data)
        return read_target(folder / f"{Path(stem).name}.toml", opened.manifest["target"])


def _info(item: Mapping[str, Any]) -> MethodInfo:
    from ...tables.model import MethodInfo

    try:
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in item.items()}
        return MethodInfo(**plain)
    except (TypeError, AttributeError) as err:
        raise UsageError(f"a method of the bundle cannot be read: {err}") from err
