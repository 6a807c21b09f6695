"""Cells that were left out on purpose: who, and why."""

from __future__ import annotations

from collections.abc import Iterable

from .model import reason
from .runs import Run, Status


def skipped_notes(runs: Iterable[Run]) -> tuple[str, ...]:
    """Return a sentence for each reason: how many cells it is true of, and the first of them."""
    found: dict[str, list[str]] = {}
    for run in runs:
        if run.status is Status.SKIPPED:
            found.setdefault(reason(run.error), []).append(run.label)
    return tuple(
        f"Skipped, {why}: {labels[0]}{f' and {len(labels) - 1} more' if labels[1:] else ''}."
        for why, labels in found.items()
    )
