"""``reproduce verify``: recompute what a bundle says, from what it is made of."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...datasets.errors import DataError, UsageError
from ..bundle import MAPS, Bundle, unpack
from ..cell import Cell
from ..store import Record, Status
from .bundle import paper_files, rendered
from .installed import compare_methods

if TYPE_CHECKING:
    from ...tables.model import MethodInfo
    from ...tables.spec import Target

# Libraries may sum in another order; a digit that a table shows is far larger.
TOLERANCE = 1e-9
_SHOWN = 20


@dataclass(slots=True)
class _Seen:
    """What was found and counted while cells were measured again.

    ``differences`` are sentences; ``scores`` and ``pixels`` count metrics that were recomputed,
    ``kept`` pixel metrics that could not be.
    """

    differences: list[str] = field(default_factory=list)
    scores: int = 0
    pixels: int = 0
    kept: int = 0


@click.command(name="verify")
@click.argument("path", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option(
    "--papers", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
    help="Folder with more papers, to hold the bundle's printed numbers against.",
)  # fmt: skip
def verify(path: Path, papers: tuple[Path, ...]) -> int:
    """Recompute every metric, the table and the verdicts of a bundle; compare with what it says.

    Needs no image and no GPU. Pixel metrics need the maps and masks that `bundle --maps` packs;
    without, they are taken as recorded, and the last line counts them. Printed numbers, layout,
    margin and what is said of methods are held against those that are installed. Exit code 0: no
    difference; 1: something differs; 2: no sound bundle.
    """
    opened = unpack(path)
    manifest, seen = opened.manifest, _Seen()
    rows = _rows(opened, seen)
    target = _target(opened)
    infos = tuple(_info(item) for item in manifest["methods"])
    from ..frames import to_frame

    again = rendered(target, to_frame(rows), infos, manifest["preset"])
    for name, data in again.items():
        if not _same(opened.files.get(name, b""), data):
            seen.differences.append(f"{name}: made again it differs from the one in the bundle")
    open_points = _paper_points(opened, target, papers, seen)
    open_points += _method_points(opened, infos, seen)
    for line in seen.differences[:_SHOWN]:
        click.echo(line)
    if len(seen.differences) > _SHOWN:
        click.echo(f"… and {len(seen.differences) - _SHOWN} more")
    for line in open_points:
        click.echo(f"note: {line}")
    click.echo(_conclusion(target.name, len(manifest["cells"]), seen, open_points))
    return 1 if seen.differences else 0


def _conclusion(name: str, cells: int, seen: _Seen, open_points: list[str]) -> str:
    """Say what was compared; "all equal" only where nothing was taken over."""
    if seen.differences:
        end = f"{len(seen.differences)} differences"
    elif seen.kept or open_points:
        end = "no difference in what could be checked"
    else:
        end = "all equal"
    return (
        f"{name}: {cells} cells, {seen.scores} metrics recomputed from scores, {seen.pixels} pixel "
        f"metrics recomputed from maps, {seen.kept} pixel metrics taken as recorded, table and "
        f"verdicts made again: {end}"
    )


def _paper_points(
    opened: Bundle, target: Target, papers: tuple[Path, ...], seen: _Seen
) -> list[str]:
    """Hold the bundle's copy of the paper's folder against the installed one, byte for byte."""
    from ...tables.papers import load_target

    try:
        installed = paper_files(load_target(target.name, papers))
    except UsageError:
        return [
            f"printed numbers, layout and margin are the bundle's own word: {target.name} is not "
            "installed (--papers DIR names a folder that has it)"
        ]
    packed = {name: data for name, data in opened.files.items() if name.startswith("paper/")}
    seen.differences += [
        f"{name}: not as the installed {target.name} has it (bundle of adrepro "
        f"{opened.manifest['adrepro']})"
        for name in sorted(installed.keys() | packed.keys())
        if installed.get(name) != packed.get(name)
    ]
    return []


def _method_points(opened: Bundle, infos: tuple[MethodInfo, ...], seen: _Seen) -> list[str]:
    """Hold what decides a comparison with a method's paper against the installed method."""
    points = []
    for info in infos:
        keys = [o["key"] for o in opened.manifest["cells"] if o["method"] == info.name]
        records = [opened.record(key) for key in dict.fromkeys(keys)]
        found = compare_methods(info, [record.document or {} for record in records])
        if found is None:
            points.append(
                f"what is said of {info.name} is the bundle's own word: it is no method that is "
                "installed under a name"
            )
        seen.differences += found or []
    return points


def _rows(opened: Bundle, seen: _Seen) -> list[dict[str, Any]]:
    """Return frame rows with recomputed metrics; note what differs; count each kind of metric."""
    from ..frames import record_row

    rows = []
    for owner in opened.manifest["cells"]:
        key = owner["key"]
        try:
            record = opened.record(key)
            sigma = {"smoothing_sigma": owner.get("smoothing_sigma")}
            row = sigma | record_row(record) | {"method": owner["method"]}
            if record.status is Status.DONE:
                _measure(opened, record, row, seen)
        except (ValueError, KeyError, TypeError, OSError, DataError) as err:
            raise UsageError(f"cell {key[:12]} of the bundle cannot be verified: {err}") from err
        rows.append(row)
    return rows


def _measure(opened: Bundle, record: Record, row: dict[str, Any], seen: _Seen) -> None:
    """Compute a cell's metrics again and put them into its row."""
    from ..remeasure import FROM_PIXELS, remeasure, remeasure_pixels

    key, cell = record.key, Cell(**_document(record)["cell"])
    tested = opened.images(key)["test"]
    again = remeasure(opened.arrays(key), tested, cell)
    seen.scores += sum(value is not None for value in again.values())
    if opened.has_maps(key):
        raw = opened.arrays(key, MAPS)["maps"]
        sigma = float(row["smoothing_sigma"] or 0.0)
        pixels = remeasure_pixels(raw, tested, cell, sigma, opened.mask)
        seen.pixels += sum(value is not None for value in pixels.values())
        again |= pixels
    else:
        seen.kept += sum(row.get(name) is not None for name in FROM_PIXELS)
    wrong = _differences(row, again)
    seen.differences += [f"{cell.label()}: {text}" for text in wrong.values()]
    row |= {name: again[name] for name in wrong}


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
