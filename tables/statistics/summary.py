"""Statistics of a target's results: intervals per place, ranks and tests per dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...datasets.errors import UnknownNameError, UsageError
from ..fingerprints import differing
from ..quantities import QUANTITIES, Pooling, Unit
from ..runs import Run, Status, read_runs
from .overall import Overall, overall_of
from .places import (
    AVERAGE,
    Asked,
    IntervalOfRun,
    Place,
    asked_by,
    places_of,
    without_number,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AVERAGE", "Statistics", "has_statistics", "statistics_of", "summarise_runs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Statistics of one quantity.

    Attributes
    ----------
    metric
        Name of the quantity.
    places
        Everything that was asked for, with a number or a mark, see `places.places_of`.
    overall
        A comparison per dataset with a number.
    absent
        Methods that were asked for and have no run that finished, failed or was skipped; those
        whose runs gave no number are in `Overall.uncompared`, as these are.
    notes
        What to know, a sentence each.
    """

    metric: str
    places: tuple[Place, ...]
    overall: tuple[Overall, ...]
    absent: tuple[str, ...]
    notes: tuple[str, ...]


def has_statistics(metric: str) -> bool:
    """Say whether a quantity is a plain mean of fractions, which all of this is about."""
    found = QUANTITIES[metric]
    return found.unit is Unit.PERCENT and found.pooling is Pooling.MEAN


def statistics_of(
    frame: pd.DataFrame,
    metric: str,
    *,
    asked: Asked | None = None,
    interval_of_run: IntervalOfRun | None = None,
    per_level: bool = False,
) -> Statistics:
    """Summarise a result frame.

    Parameters
    ----------
    frame
        As `runs.read_runs` takes it.
    metric
        A quantity that is a mean of fractions.
    asked
        What was to be run; None = what the frame has rows of.
    interval_of_run
        Gives the interval of a single run, where only one seed ran.
    per_level
        Whether to compare methods at each level, too.

    Raises
    ------
    UsageError
        No results, or a quantity without statistics.
    """
    known = [name for name in QUANTITIES if has_statistics(name)]
    if metric not in known:
        raise UnknownNameError("quantity", metric, known)
    runs = read_runs(frame)
    if not runs:
        raise UsageError("no results of this target in the store: run it first, same options")
    return summarise_runs(
        runs, metric, asked=asked, interval_of_run=interval_of_run, per_level=per_level
    )


def summarise_runs(
    runs: Sequence[Run],
    metric: str,
    *,
    asked: Asked | None = None,
    interval_of_run: IntervalOfRun | None = None,
    per_level: bool = False,
) -> Statistics:
    """Summarise runs that `runs.read_runs` has checked; parameters as of `statistics_of`."""
    asked = asked or asked_by(runs)
    places = places_of(runs, asked, metric, interval_of_run)
    overall = [
        overall_of(
            [place for place in places if place.dataset == dataset],
            per_level=per_level,
            uncompared=without_number(runs, asked, places, dataset),
        )
        for dataset in asked.categories
    ]
    ran = {run.method for run in runs if run.status is not Status.PENDING}
    return Statistics(
        metric=metric,
        places=places,
        overall=tuple(one for one in overall if one is not None),
        absent=tuple(name for name in asked.methods if name not in ran),
        notes=differing(runs, asked.methods),
    )
