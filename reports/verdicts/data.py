"""Verdicts as JSON: everything that the other outputs show, at full precision."""

from __future__ import annotations

import json
from typing import Any

from ...tables.verdicts.verdict import Check, Judged, Tested

SCHEMA = 1


def document(check: Check, *, strict: bool = False) -> dict[str, Any]:
    """Return a check as plain values.

    Returns
    -------
    dict
        ``counts`` has every verdict, also with zero; numbers are in points where the unit of the
        quantity is percent; ``exit_code`` is that of the command.
    """
    margin = check.margin
    return {
        "schema": SCHEMA,
        "target": check.target,
        "title": check.title,
        "reference": check.reference,
        "margin": {"points": margin.points, "source": margin.source} if margin else None,
        "essential": [str(name) for name in check.essential],
        "alpha": check.alpha,
        "tests": check.tests,
        "counts": {verdict.label: n for verdict, n in check.counts.items()},
        "strict": strict,
        "exit_code": check.exit_code(strict=strict),
        "notes": list(check.notes),
        "cells": [_cell(cell) for cell in check.cells],
    }


def render_json(check: Check, *, strict: bool = False) -> str:
    """Render a check as JSON text."""
    return json.dumps(document(check, strict=strict), indent=1, allow_nan=False) + "\n"


def _cell(cell: Judged) -> dict[str, Any]:
    names = ("method", "dataset", "category", "noise", "metric", "where", "achieved")
    return {
        **{name: getattr(cell, name) for name in names},
        "verdict": cell.verdict.label,
        "reference": str(cell.reference),
        "difference": cell.difference,
        "reason": cell.reason,
        "would_match": list(cell.alternatives),
        "test": _tested(cell.tested) if cell.tested else None,
    }


def _tested(test: Tested) -> dict[str, Any]:
    names = ("mean", "sd", "n", "low", "high", "p_inside", "p_outside")
    return {
        **{name: getattr(test, name) for name in names},
        "uncorrected": test.uncorrected.label,
        "at_half_margin": test.at_half.label,
        "at_twice_margin": test.at_twice.label,
    }
