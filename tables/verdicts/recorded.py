"""Baseline files: a user's own run, written down to be compared with later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...datasets.errors import UsageError
from ..assemble import on_the_papers_data
from ..quantities import QUANTITIES, Pooling, Unit
from ..runs import FINGERPRINT, Run, Status, read_runs
from ..spec import Target

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
PLACE = ("method", "dataset", "category", "noise", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A recorded run.

    Attributes
    ----------
    target
        Name of the target.
    version
        Of adrepro, when it was recorded.
    cells
        A mapping per cell: place, ``made`` (what it was made with) and ``values`` (quantity →
        fraction).
    """

    target: str
    version: str
    cells: tuple[Mapping[str, Any], ...]


def record(target: Target, frame: pd.DataFrame, version: str) -> tuple[str, int]:
    """Return the text of a baseline file, and the number of cells in it.

    Raises
    ------
    UsageError
        There is no finished cell.
    """
    runs, _ = on_the_papers_data(target, read_runs(frame))
    names = _quantities(target)
    cells = [
        {name: getattr(run, name) for name in PLACE}
        | {"made": made_with(run)}
        | {"values": {n: float(v) for n in names if (v := run.metrics[n]) is not None}}
        for run in runs
        if run.status is Status.DONE
    ]
    if not cells:
        raise UsageError(
            f"no finished cells of {target.name} in the store: run it first, with the same options"
        )
    document = {"schema": SCHEMA, "target": target.name, "adrepro": version, "cells": cells}
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", len(cells)


def _quantities(target: Target) -> tuple[str, ...]:
    """Return the quantities of the target's table that are plain means of fractions."""
    found = target.arranged().metrics
    return tuple(
        name
        for name in found
        if QUANTITIES[name].pooling is Pooling.MEAN and QUANTITIES[name].unit is Unit.PERCENT
    )


def made_with(run: Run) -> dict[str, str]:
    """Return what must be the same in a run and in the recorded one, as texts."""
    return {name: str(run.facts.get(name) or "") for name in (*FINGERPRINT, "synthetic")}


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file.

    Raises
    ------
    UsageError
        Missing, no such file, of a newer form, or with a value that is no fraction; one line.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']}")
        cells = tuple(document["cells"])
        for cell in cells:
            _check_cell(cell)
        return Baseline(target=document["target"], version=document["adrepro"], cells=cells)
    except OSError as err:
        raise UsageError(f"cannot read the baseline {path}: {err.strerror or err}") from err
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise UsageError(
            f"{path} is no baseline ({type(err).__name__}: {err}): expected a file that "
            "`reproduce record-baseline` wrote"
        ) from err


def _check_cell(cell: Mapping[str, Any]) -> None:
    for name in PLACE:
        wanted = int if name == "seed" else (int, float) if name == "noise" else str
        if not isinstance(cell[name], wanted):
            raise TypeError(f"{name} is {cell[name]!r}")
    for name, value in cell["values"].items():
        # Written so that NaN fails too.
        if name not in QUANTITIES or not 0 <= value <= 1:
            raise ValueError(f"{name} is {value!r}")
    cell["made"].items()
