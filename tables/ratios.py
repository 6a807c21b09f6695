"""Ratios that some runs leave undefined, pooled: sum of numerators by sum of denominators.

Removal precision is undefined where a method removed nothing, removal recall where nothing was
injected. A mean over the defined ones would let one run that removed a single image weigh as much
as one that removed fifty, so both are pooled over seeds and categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from statistics import stdev

from .formatting import Mark, exact
from .outcome import Estimate, Outcome, without_value
from .quantities import QUANTITIES
from .runs import Run, Status

# Images; less than this in all is rounding, as in the harness.
_NOTHING = Fraction(1, 1_000_000)


def ratio(
    members: Sequence[Sequence[Run]], name: str, planned: int, *, average: bool = False
) -> Outcome:
    """Pool a ratio over seeds and categories.

    Parameters
    ----------
    members, name, planned, average
        As in `aggregate.summarise`. The weight of a run is its number in the quantity's ``parts``.

    Returns
    -------
    Outcome
        The deviation is the one over seeds of the per-seed ratios, None unless all are defined.
        A method that removes nothing on principle (no weights) has none: undefined.
    """
    (weight,) = QUANTITIES[name].parts
    done = [[run for run in runs if run.status is Status.DONE] for runs in members]
    everything = [run for runs in done for run in runs]
    complete = sum(len(runs) == planned for runs in done)
    if not everything:
        return without_value([run for runs in members for run in runs], planned)
    if average and complete < len(members):
        return Outcome(mark=Mark.INCOMPLETE, detail=f"{complete} of {len(members)}")
    if any(run.metrics["removed"] is None for run in everything):
        return Outcome(mark=Mark.UNDEFINED)
    pooled = _pool(everything, name, weight)
    if pooled is None:
        mark = Mark.NOTHING_REMOVED if weight == "removed" else Mark.UNDEFINED
        return Outcome(mark=mark)
    seeds = sorted({run.seed for run in everything})
    each = [_pool([r for r in everything if r.seed == seed], name, weight) for seed in seeds]
    values = [value for value in each if value is not None]
    sd = float(stdev(values)) if len(values) == len(seeds) > 1 else None
    unit = QUANTITIES[name].unit
    return Outcome(estimate=Estimate(mean=pooled, sd=sd, n=len(seeds), planned=planned, unit=unit))


def _pool(runs: Sequence[Run], name: str, weight: str) -> Fraction | None:
    above, below = Fraction(0), Fraction(0)
    for run in runs:
        size, value = _size(run, weight), run.metrics[name]
        # A ratio over nothing is undefined and weighs nothing.
        if size > _NOTHING and value is not None:
            above += value * size
            below += size
    return above / below if below else None


def _size(run: Run, weight: str) -> Fraction:
    value = run.metrics[weight] if weight in run.metrics else run.facts.get(weight)
    return Fraction(0) if value is None else exact(value)
