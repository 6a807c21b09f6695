"""Names of the evaluation protocols; the metrics themselves stand in `metrics` and `minmax`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from ..datasets.errors import UsageError

if TYPE_CHECKING:
    from .grid import MethodPlan

EVALUATION = "eval/2"
"""Version of the metrics, of the map smoothing and of the threshold rule; part of the key."""

STRETCHED = "per-image-minmax"

PER_IMAGE_MINMAX = f"{EVALUATION}+{STRETCHED}"
"""The same metrics on maps that were each stretched to [0, 1], see `minmax`."""

# What a table of an evaluation says of it: behind its title, and below it.
SHORT_NAMES = {PER_IMAGE_MINMAX: STRETCHED}
TITLES = {PER_IMAGE_MINMAX: "after per-image min-max normalisation"}
EXPLANATIONS = {
    PER_IMAGE_MINMAX: (
        "Evaluated after per-image min-max normalisation: each upsampled and smoothed map is "
        "stretched to [0, 1] by itself, and an image's score is the largest value of its stretched "
        "map. It shows what that does to the maps of the table without it, and is no result of the "
        "methods."
    )
}


def evaluations_of(method: MethodPlan, evaluations: tuple[str, ...]) -> tuple[str, ...]:
    """Return the evaluations that a method can have: without maps there is nothing to stretch."""
    if method.cls(method.settings).localises:
        return evaluations
    return tuple(name for name in evaluations if name != PER_IMAGE_MINMAX)


def left_out(
    methods: Iterable[MethodPlan],
    evaluations: tuple[str, ...],
    mapless: Collection[str] = (),
) -> list[str]:
    """Say in one line which methods an evaluation that was asked for leaves out.

    Parameters
    ----------
    methods, evaluations
        All of a plan.
    mapless
        Names of those whose scores are in files without maps.

    Raises
    ------
    UsageError
        It leaves out all.
    """
    methods = tuple(methods)
    without = [
        m.name
        for m in methods
        if m.name in mapless or evaluations_of(m, evaluations) != evaluations
    ]
    if not without:
        return []
    names = ", ".join(without)
    if len(without) == len(methods):
        raise UsageError(
            f"--{STRETCHED}: no maps to normalise from {names}; "
            "leave the option out or name a method that localises"
        )
    return [f"--{STRETCHED}: no maps to normalise from {names}, left out of that table"]
