"""What ``--json`` of the commands that plan and run prints: one JSON document, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from ...datasets.noise import Feasibility
    from ..feasible import Outlook
    from ..plan import Plan

SCHEMA = 1

json_option: Callable = click.option(
    "--json", "as_json", is_flag=True,
    help="Print one JSON document instead; notes and progress go to standard error.",
)  # fmt: skip


def say(document: Mapping[str, Any]) -> None:
    """Print a document; undefined numbers are null."""
    click.echo(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def plan_document(
    made: Plan, seen: Iterable[Outlook], *, left: int, tunings: int
) -> dict[str, Any]:
    """Return a plan: methods, what the data give per category and level, cells to run.

    Parameters
    ----------
    made, seen
        The plan, and the outlook of each of its protocols.
    left, tunings
        Cells, and tunings before them, that the store lacks.
    """
    return {
        "schema": SCHEMA,
        "target": made.grid.target,
        "preset": made.grid.preset,
        "seeds": made.grid.seeds,
        "methods": [
            {
                "name": method.name,
                "backbone": method.backbone,
                "image_size": method.image_size,
                "missing": method.missing or None,
            }
            for method in made.methods
        ],
        "protocols": [
            {
                "protocol": one.protocol.protocol_id,
                "places": [
                    {"dataset": dataset, "category": category, **_level(row)}
                    for (dataset, category), rows in one.rows.items()
                    for row in rows
                ],
                "notes": one.notes,
            }
            for one in seen
        ],
        "cells": len(made.distinct),
        "stored": len(made.distinct) - left,
        "to_run": left,
        "tunings": tunings,
        "notes": list(made.warnings),
    }


def _level(row: Feasibility) -> dict[str, Any]:
    return {
        "noise": row.level,
        "possible": row.possible,
        "n_train": row.n_train,
        "n_injected": row.n_injected,
        "n_test_good": row.test_good,
        "n_test_anomalous": row.test_anomalous,
        "note": row.note,
    }


def run_document(
    target: str,
    frame: pd.DataFrame,
    tables: Iterable[Mapping[str, Any]],
    *,
    seconds: float,
    code: int,
) -> dict[str, Any]:
    """Return a run: counts of cells by state, each table with its numbers and its files."""
    states = frame.drop_duplicates("key")["status"].tolist()
    return {
        "schema": SCHEMA,
        "target": target,
        "exit_code": code,
        "seconds": round(seconds, 3),
        "cells": len(states),
        "counts": {name: states.count(name) for name in ("done", "failed", "pending")},
        "tables": list(tables),
    }


def files_of(written: Iterable[Path]) -> list[str]:
    """Return the paths of report files, absolute, so that a script finds them from anywhere."""
    return [str(path.absolute()) for path in written]
