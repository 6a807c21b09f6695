"""Means over seeds and categories; an incomplete set has no mean.

A category's entry is the mean and the sample standard deviation (n - 1) over seeds. A dataset's
average is unweighted over its categories and exists only when every category has every planned
seed; its deviation is the one over seeds of the per-seed category mean, as trials are repeated as
a whole. Means are exact fractions (see `formatting`). What is no such mean (ratios, times) stands
in `ratios` and `timings`; `summarise` knows which is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import mean, stdev

from .formatting import Mark
from .outcome import Estimate, Outcome, without_value
from .quantities import QUANTITIES, Pooling
from .ratios import ratio
from .runs import Run
from .timings import timing


def summarise(
    members: Sequence[Sequence[Run]], name: str, planned: int, *, average: bool = False
) -> Outcome:
    """Summarise one quantity at one place.

    Parameters
    ----------
    members
        For each category of the place, the seeds that the frame holds; may be empty.
    name
        Name in `QUANTITIES`.
    planned
        Number of seeds planned.
    average
        Whether the place is a dataset's average; else ``members`` is a single category.

    Returns
    -------
    Outcome
        For a category an estimate as soon as one seed has a value (``n`` tells how many); for an
        average only when the set is complete; else a mark.
    """
    pooling = QUANTITIES[name].pooling
    if pooling is Pooling.RATIO:
        return ratio(members, name, planned, average=average)
    if pooling is not Pooling.MEAN:
        return timing(members, name, planned)
    if average:
        return _average(members, name, planned)
    return _category(members[0] if members else (), name, planned)


def estimate(values: Mapping[int, Fraction], name: str, planned: int) -> Estimate:
    """Mean and sample standard deviation over seeds; ``values`` is seed → value, not empty."""
    numbers = list(values.values())
    return Estimate(
        mean=mean(numbers),
        sd=float(stdev(numbers)) if len(numbers) > 1 else None,
        n=len(numbers),
        planned=planned,
        unit=QUANTITIES[name].unit,
    )


def _category(runs: Sequence[Run], name: str, planned: int) -> Outcome:
    values = {run.seed: value for run in runs if (value := run.metrics[name]) is not None}
    if values:
        return Outcome(estimate=estimate(values, name, planned))
    return without_value(runs, planned)


def _average(members: Sequence[Sequence[Run]], name: str, planned: int) -> Outcome:
    outcomes = [_category(runs, name, planned) for runs in members]
    complete = [o for o in outcomes if o.estimate is not None and o.estimate.complete]
    if members and len(complete) == len(members):
        by_seed: dict[int, list[Fraction]] = {}
        for runs in members:
            for run in runs:
                value = run.metrics[name]
                if value is not None:
                    by_seed.setdefault(run.seed, []).append(value)
        # Equal counts per category do not yet mean the same seeds in each.
        if all(len(values) == len(members) for values in by_seed.values()):
            means = {seed: mean(values) for seed, values in by_seed.items()}
            return Outcome(estimate=estimate(means, name, planned))
    marks = {outcome.mark for outcome in outcomes}
    if len(marks) == 1 and (mark := marks.pop()) is not None:
        return Outcome(mark=mark, detail=f"all {len(members)} categories")
    return Outcome(mark=Mark.INCOMPLETE, detail=f"{len(complete)} of {len(members)}")
