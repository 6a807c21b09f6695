"""Statistics of a target's results: intervals per place, ranks and tests per dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from ...datasets.errors import UnknownNameError, UsageError
from ..aggregate import summarise
from ..outcome import Estimate
from ..quantities import QUANTITIES, Pooling, Unit
from ..runs import Run, read_runs
from .intervals import Interval, seed_interval
from .ranks import MIN_BLOCKS, Comparison, compare_methods, robustness_area

if TYPE_CHECKING:
    import pandas as pd

AVERAGE = "average"
IntervalOfRun = Callable[[Run], Interval | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One method at one category (or the average) and level.

    Attributes
    ----------
    noise
        In percent.
    mean, sd
        Fractions; ``sd`` is None for one seed.
    n, planned
        Seeds that went in, and seeds of the method.
    interval
        Of the mean over seeds, or of a single run over test images; None where neither is defined.
    """

    method: str
    dataset: str
    category: str
    noise: float
    mean: float
    sd: float | None
    n: int
    planned: int
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """All methods on one dataset.

    Attributes
    ----------
    comparison
        Over categories × levels that every method has; None where there are too few.
    blocks, left_out
        Places compared over, and places that some method lacks.
    level_ranks
        Method → mean over levels of its rank at that level, by the dataset's average.
    areas
        Method → robustness area of its average, a fraction; None without two complete levels.
    levels
        Levels in percent that every method has a complete average at.
    """

    dataset: str
    comparison: Comparison | None
    blocks: int
    left_out: int
    level_ranks: Mapping[str, float]
    areas: Mapping[str, float | None]
    levels: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Statistics of one quantity.

    Attributes
    ----------
    metric
        Name of the quantity.
    places
        By method, dataset, category and level; a dataset's average comes behind its categories.
    overall
        A comparison per dataset with two methods or more.
    notes
        What to know, a sentence each.
    """

    metric: str
    places: tuple[Place, ...]
    overall: tuple[Overall, ...]
    notes: tuple[str, ...]


def statistics_of(
    frame: pd.DataFrame, metric: str, *, interval_of_run: IntervalOfRun | None = None
) -> Statistics:
    """Summarise a result frame.

    Parameters
    ----------
    frame
        As `runs.read_runs` takes it.
    metric
        A quantity that is a mean of fractions.
    interval_of_run
        Gives the interval of a single run, where only one seed ran.

    Raises
    ------
    UsageError
        No results, or a quantity without statistics.
    """
    known = [n for n, q in QUANTITIES.items() if _is_plain(n) and q.pooling is Pooling.MEAN]
    if metric not in known:
        raise UnknownNameError("quantity", metric, known)
    runs = read_runs(frame)
    if not runs:
        raise UsageError("no results of this target in the store: run it first, same options")
    methods = tuple(dict.fromkeys(run.method for run in runs))
    planned = {name: len({r.seed for r in runs if r.method == name}) for name in methods}
    datasets = tuple(dict.fromkeys(run.dataset for run in runs))
    found = _Found(runs)
    places: list[Place] = []
    overall: list[Overall] = []
    for dataset in datasets:
        for name in methods:
            places += found.places(name, dataset, metric, planned[name], interval_of_run)
        if len(methods) > 1:
            overall.append(_overall([p for p in places if p.dataset == dataset], methods, dataset))
    return Statistics(
        metric=metric, places=tuple(places), overall=tuple(overall), notes=_notes(runs, methods)
    )


def _is_plain(name: str) -> bool:
    return QUANTITIES[name].unit is Unit.PERCENT


class _Found:
    """Runs by place."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.runs: dict[tuple, list[Run]] = {}
        self.categories: dict[str, dict[str, None]] = {}
        self.levels: dict[str, set[float]] = {}
        for run in runs:
            place = (run.method, run.dataset, run.category, run.noise)
            self.runs.setdefault(place, []).append(run)
            self.categories.setdefault(run.dataset, {})[run.category] = None
            self.levels.setdefault(run.dataset, set()).add(run.noise)

    def places(
        self,
        method: str,
        dataset: str,
        metric: str,
        planned: int,
        interval_of_run: IntervalOfRun | None,
    ) -> list[Place]:
        names = tuple(self.categories[dataset])
        out = []
        for noise in sorted(self.levels[dataset]):
            members = [self.runs.get((method, dataset, name, noise), []) for name in names]
            for name, own in zip(names, members, strict=True):
                estimate = summarise([own], metric, planned).estimate
                if estimate is None:
                    continue
                values = [float(v) for run in own if (v := run.metrics[metric]) is not None]
                interval = seed_interval(values)
                if len(values) == 1 and interval_of_run is not None:
                    single = next(run for run in own if run.metrics[metric] is not None)
                    interval = interval_of_run(single)
                out.append(_place(method, dataset, name, noise, estimate, interval))
            estimate = summarise(members, metric, planned, average=True).estimate
            if estimate is not None and len(names) > 1:
                interval = seed_interval(_per_seed(members, metric))
                out.append(_place(method, dataset, AVERAGE, noise, estimate, interval))
        return out


def _per_seed(members: Sequence[Sequence[Run]], metric: str) -> list[float]:
    by_seed: dict[int, list[float]] = {}
    for run in (run for runs in members for run in runs):
        by_seed.setdefault(run.seed, []).append(float(run.metrics[metric] or 0))
    return [mean(values) for values in by_seed.values()]


def _place(
    method: str,
    dataset: str,
    category: str,
    noise: float,
    estimate: Estimate,
    interval: Interval | None,
) -> Place:
    return Place(
        method=method,
        dataset=dataset,
        category=category,
        noise=noise,
        mean=float(estimate.mean),
        sd=estimate.sd,
        n=estimate.n,
        planned=estimate.planned,
        interval=interval,
    )


def _overall(places: Sequence[Place], methods: tuple[str, ...], dataset: str) -> Overall:
    """Compare methods on what all of them have complete; the rest is counted."""
    import numpy as np
    from scipy.stats import rankdata

    rows: dict[tuple[str, float], dict[str, float]] = {}
    for place in places:
        if place.n == place.planned:
            rows.setdefault((place.category, place.noise), {})[place.method] = place.mean
    categories = {key: row for key, row in rows.items() if key[0] != AVERAGE}
    full = [row for row in categories.values() if len(row) == len(methods)]
    table = np.array([[row[name] for name in methods] for row in full])
    averages = {key[1]: row for key, row in rows.items() if key[0] == AVERAGE}
    if len({key[0] for key in categories}) == 1:
        averages = {key[1]: row for key, row in categories.items()}  # a dataset of one category
    shared = sorted(level for level, row in averages.items() if len(row) == len(methods))
    ranks = [rankdata([-averages[level][name] for name in methods]) for level in shared]
    return Overall(
        dataset=dataset,
        comparison=compare_methods(table, methods) if len(full) >= MIN_BLOCKS else None,
        blocks=len(full),
        left_out=len(categories) - len(full),
        level_ranks=dict(zip(methods, np.mean(ranks, axis=0).tolist(), strict=True))
        if ranks
        else {},
        areas={n: robustness_area({lv: averages[lv][n] for lv in shared}) for n in methods},
        levels=tuple(shared),
    )


def _notes(runs: Sequence[Run], methods: Sequence[str]) -> tuple[str, ...]:
    from ..fingerprints import differing

    return differing(runs, methods)
