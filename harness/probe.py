"""Run a cell twice in fresh processes and hold the bytes of what it stored against each other."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.errors import CellError
from .engines.base import EngineOptions, load_engine
from .missing import run_missing
from .store import Status, Store

if TYPE_CHECKING:
    from .plan import Plan
    from .planned import PlannedCell

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far two runs of a cell lie apart in one array.

    Attributes
    ----------
    name
        E.g. ``"test_scores"`` or ``"maps"``.
    count, size
        How many values differ, of how many; -1 where the arrays have other shapes or types, or
        only one of the two runs has the array.
    largest
        The largest absolute difference; NaN where there is none to take.
    missing
        Whether only one of the two has the array.
    """

    name: str
    count: int
    size: int
    largest: float
    missing: bool = False


def run_twice(plan: Plan, cell: PlannedCell, device: str) -> tuple[Arrays, Arrays]:
    """Run a cell of a plan twice, with nothing shared, and return what both runs stored.

    Parameters
    ----------
    plan
        The plan; what tunings the cell needs are run as well, twice.
    cell
        One of its cells.
    device
        Torch device.

    Raises
    ------
    CellError
        The cell failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_run(plan, cell, device, Path(folder) / name) for name in "ab")
    return first, second


def _run(plan: Plan, cell: PlannedCell, device: str, folder: Path) -> Arrays:
    store = Store(folder, create=True)
    run_missing(
        [cell],
        plan.pending_tunings(store, [cell], device),
        store,
        engine=load_engine("local"),
        options=EngineOptions(cache=store.features, jobs=1, devices=(device,)),
        keep_maps=True,
        listen=lambda _event: None,
    )
    record = store.read(cell.key)
    if record.status is not Status.DONE:
        raise CellError(f"{cell.label}: {record.reason or 'did not finish'}; nothing to compare")
    return stored_arrays(store, cell.key)


def stored_arrays(store: Store, key: str) -> Arrays:
    """Return scores and, where they were kept, maps of a finished cell."""
    maps = store.load_arrays(key, "maps") if store.has(key, "maps.npz") else {}
    return store.load_arrays(key, "scores") | maps


def differences(first: Arrays, second: Arrays) -> list[Difference]:
    """Return the arrays in which any byte differs, and how much; empty = the same.

    An array that one of the two lacks differs. Whoever knows that one side kept less leaves it out.
    """
    found = [
        Difference(name=name, count=-1, size=one.size, largest=float("nan"), missing=True)
        for name, one in {**first, **second}.items()
        if name not in first or name not in second
    ]
    for name in (name for name in first if name in second):
        a, b = first[name], second[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            found.append(Difference(name=name, count=-1, size=a.size, largest=float("nan")))
        elif a.tobytes() != b.tobytes():
            numbers = np.issubdtype(a.dtype, np.number)
            apart = np.abs(a.astype(np.float64) - b.astype(np.float64)) if numbers else None
            found.append(
                Difference(
                    name=name,
                    count=int(np.count_nonzero(a != b)),
                    size=a.size,
                    largest=float("nan") if apart is None else float(apart.max()),
                )
            )
    return found
