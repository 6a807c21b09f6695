"""Times: only runs that had the device for themselves count, and what is missing is said.

Training times are summed over a dataset's categories. Where only some categories or seeds were
measured alone, the mean of those stands for the others and the number is marked as extrapolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from statistics import mean

from .formatting import Mark
from .outcome import Estimate, Outcome, without_value
from .quantities import QUANTITIES, Pooling
from .runs import Run, Status

_SECONDS_PER_HOUR = 3600


def timing(members: Sequence[Sequence[Run]], name: str, planned: int) -> Outcome:
    """Summarise a time over seeds and categories.

    Parameters
    ----------
    members, name, planned
        As in `aggregate.summarise`.

    Returns
    -------
    Outcome
        Without deviation, as it is no repeated trial. A quantity that the harness measures on some
        seeds only (inference time) is complete with those.
    """
    quantity = QUANTITIES[name]
    total = quantity.pooling is Pooling.ALONE_SUM
    timed = [
        [value for run in runs if (value := _value(run, name)) is not None] for runs in members
    ]
    alone = [
        [value for run in runs if _alone(run, name) and (value := _value(run, name)) is not None]
        for runs in members
    ]
    measured = [mean(values) for values in alone if values]
    if not measured:
        everything = [run for runs in members for run in runs]
        if any(timed):
            return Outcome(mark=Mark.SHARED)
        return without_value(everything, planned)
    number = mean(measured) * (len(members) if total else 1)
    return Outcome(
        estimate=Estimate(
            mean=number,
            sd=None,
            n=planned,
            planned=planned,
            unit=quantity.unit,
            extrapolated=_missing(members, alone, planned if total else 1),
        )
    )


def _value(run: Run, name: str) -> Fraction | None:
    """Return a run's time in the quantity's unit; None where it was not measured."""
    if run.status is not Status.DONE:
        return None
    if name != "training_h":
        return run.metrics[name]
    fit = run.metrics["fit_s"]
    if fit is None:
        return None
    # A method that tunes nothing has no tuning time.
    return (fit + (run.metrics["tuning_s"] or 0)) / _SECONDS_PER_HOUR


def _alone(run: Run, name: str) -> bool:
    """Tell whether nothing else shared the device, and the training, while this was measured."""
    if not run.facts.get("exclusive"):
        return False
    if QUANTITIES[name].pooling is Pooling.ALONE:
        return True
    if run.metrics["tuning_s"] and not run.facts.get("tuning_alone"):
        return False  # tuned beside others, or on another device, by another run
    return int(run.facts.get("stacked") or 1) <= 1 and not run.facts.get("fit_shared")


def _missing(
    members: Sequence[Sequence[Run]], alone: Sequence[Sequence[Fraction]], wanted: int
) -> str:
    """Say which part of the set was measured, e.g. ``"2 of 15 categories"``; empty if all was."""
    categories = sum(bool(values) for values in alone)
    parts = [f"{categories} of {len(members)} categories"] if categories < len(members) else []
    seeds = min(len(values) for values in alone if values)
    parts += [f"{seeds} of {wanted} seeds"] if seeds < wanted else []
    return ", ".join(parts)
