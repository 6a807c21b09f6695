"""Requests: what a run leaves in the store for workers on other machines.

A request is a grid in names and numbers, without paths, and the keys of its cells. A worker plans
the grid again with its own copy of the data and refuses it if any key comes out differently: then
its images, weights or code are not those that were meant.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.errors import StoreError, UsageError
from .cell import canonical_json
from .files import read_signed, sha256, write_signed
from .grid import Grid
from .store import Status, Store

if TYPE_CHECKING:
    from .plan import Plan

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What workers are to run.

    Attributes
    ----------
    key
        Hash of all the rest.
    grid
        Without paths: datasets by name, no ``weights``.
    weights
        Whether the run had a local file of weights, so that a worker needs one.
    keep_maps, timeout_s
        As on the command line.
    cells
        Key → content hashes, in the plan's order.
    """

    key: str
    grid: Grid
    weights: bool
    keep_maps: bool
    timeout_s: float | None
    cells: Mapping[str, Mapping[str, str]]


def write_request(
    store: Store, plan: Plan, *, keep_maps: bool, timeout_s: float | None = None
) -> str:
    """Leave a request in the store; return its key.

    Recorded failures of its cells are removed: whatever failure is found from now on happened to
    this request, and no worker tries that cell again.

    Raises
    ------
    UsageError
        The grid has something that another machine cannot have: scores from files, or a setting
        that is a path.
    """
    grid = plan.grid
    for method in plan.methods:
        if method.scores is not None:
            raise UsageError(
                f"{method.name}: scores from files cannot be left to workers; use --engine local"
            )
        for name in method.cls.content_settings:
            if getattr(method.settings, name) is not None:
                raise UsageError(
                    f"{method.name}.{name} is a path of this machine and cannot be left to "
                    "workers; use --engine local"
                )
    plain = replace(
        grid,
        datasets=tuple(name.partition("=")[0] for name in grid.datasets),
        weights=None,
    )
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "grid": asdict(plain),
        "weights": grid.weights is not None,
        "keep_maps": keep_maps,
        "timeout_s": timeout_s,
        "cells": [[cell.key, dict(cell.identity.hashes)] for cell in plan.distinct],
    }
    key = sha256(canonical_json(body).encode())
    for cell in plan.distinct:
        done = store.read(cell.key).status is Status.DONE
        if not done or (keep_maps and cell.lacks_maps(store)):
            (store.folder(cell.key) / "failure.json").unlink(missing_ok=True)
    folder = _folder(store)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise StoreError(f"cannot write {folder}: {err.strerror or err}") from err
    write_signed(folder / f"{key}.json", body | {"key": key})
    return key


def request_stamp(store: Store, key: str) -> tuple[int, int] | None:
    """Return what tells a request's file from one that another run writes for the same cells."""
    try:
        seen = (_folder(store) / f"{key}.json").stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns


def list_requests(store: Store) -> list[str]:
    """Return the keys of all requests in a store, sorted."""
    return sorted(path.stem for path in _folder(store).glob("*.json"))


def read_request(store: Store, key: str) -> Request | None:
    """Return a request; None if it was done with and removed in the meantime.

    Raises
    ------
    StoreError
        The file is damaged, or was written by a newer adrepro.
    """
    path = _folder(store) / f"{key}.json"
    try:
        body = read_signed(path, key)
    except ValueError as err:
        if not path.exists():
            return None
        raise StoreError(f"{path}: {err}; remove it and queue the run again") from err
    if body["schema"] > SCHEMA:
        raise StoreError(f"{path} was written by a newer adrepro: upgrade")
    return Request(
        key=key,
        grid=_grid(body["grid"]),
        weights=bool(body["weights"]),
        keep_maps=bool(body["keep_maps"]),
        timeout_s=body["timeout_s"],
        cells=dict(body["cells"]),
    )


def remove_request(store: Store, key: str) -> None:
    """Remove a request: nothing is left to do of it."""
    with contextlib.suppress(OSError):
        (_folder(store) / f"{key}.json").unlink()


def local_grid(request: Request, *, weights: str | None, datasets: Mapping[str, Path]) -> Grid:
    """Return a request's grid with the paths of this machine.

    Parameters
    ----------
    weights
        Local file with the backbone's weights.
    datasets
        Name → folder, for datasets that do not lie in the data root.

    Raises
    ------
    UsageError
        The run had a file of weights and none is given.
    """
    if request.weights and weights is None:
        raise UsageError(f"{_name(request)} needs --weights PATH, the file its run was given")
    named = tuple(
        f"{name}={datasets[name]}" if name in datasets else name for name in request.grid.datasets
    )
    return replace(request.grid, datasets=named, weights=weights if request.weights else None)


def check_plan(request: Request, plan: Plan) -> None:
    """Refuse to work on a request whose keys come out differently here.

    Raises
    ------
    UsageError
        They do; says what differs: images, weights, the method's source or its settings.
    """
    mine = {cell.key: dict(cell.identity.hashes) for cell in plan.distinct}
    if list(mine) == list(request.cells):
        return
    known = set(request.cells)
    foreign = [key for key in mine if key not in known]
    causes = dict.fromkeys(_causes(request, mine)) or {"the grid": None}
    raise UsageError(
        f"{_name(request)}: {len(foreign)} of {len(mine)} cells have another key on this machine; "
        f"what differs: {', '.join(causes)}; bring data, weights and code to those of the run"
    )


NAMES = {
    "images": "the images or masks",
    "method": "the method's source",
    "weights": "the backbone's weights",
    "tuning": "what a tuning depends on",
}


def _causes(request: Request, mine: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    if len(mine) != len(request.cells):
        yield "the categories or images that lie here"
        return
    for theirs, ours in zip(request.cells.values(), mine.values(), strict=True):
        for name in sorted({*theirs, *ours}):
            if theirs.get(name) != ours.get(name):
                yield NAMES.get(name, name)


def _name(request: Request) -> str:
    return f"request {request.key[:12]} ({request.grid.target})"


def _folder(store: Store) -> Path:
    return store.root / "requests"


def _grid(document: Mapping[str, Any]) -> Grid:
    """Return a grid from JSON, with tuples where JSON has lists."""
    given: dict[str, Any] = {one.name: document[one.name] for one in fields(Grid)}
    for name, value in given.items():
        if isinstance(value, list):
            given[name] = tuple(value)
    given["expected"] = {name: tuple(rows) for name, rows in given["expected"].items()}
    return Grid(**given)
