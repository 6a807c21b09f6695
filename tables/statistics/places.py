"""One number of the statistics: a method at a category, or at a dataset's average, and a level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from ..aggregate import summarise
from ..formatting import Mark
from ..model import reason
from ..outcome import Outcome
from ..runs import Run, Status
from .intervals import Interval, of_fraction, seed_interval

AVERAGE = "average"
IntervalOfRun = Callable[[Run], Interval | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was to be run: a number stands for all of it, or says what it lacks.

    Attributes
    ----------
    methods
        Names, in order.
    categories
        Dataset → its categories; an average is over all of them.
    noise
        Levels in percent.
    seeds
        Repetitions, by method.
    """

    methods: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    noise: tuple[float, ...]
    seeds: Mapping[str, int]


def asked_by(runs: Iterable[Run]) -> Asked:
    """Return what runs themselves show, for a frame that holds a row for each planned cell."""
    runs = tuple(runs)
    categories: dict[str, dict[str, None]] = {}
    seeds: dict[str, set[int]] = {}
    for run in runs:
        categories.setdefault(run.dataset, {})[run.category] = None
        seeds.setdefault(run.method, set()).add(run.seed)
    return Asked(
        methods=tuple(seeds),
        categories={name: tuple(found) for name, found in categories.items()},
        noise=tuple(sorted({run.noise for run in runs})),
        seeds={name: len(found) for name, found in seeds.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One method at one category (or the average) and level.

    Attributes
    ----------
    noise
        In percent.
    mean, sd
        Fractions; ``mean`` is None where a ``mark`` stands, ``sd`` also for one seed.
    n, planned
        Seeds that went in, and seeds of the method.
    categories
        Categories that the mean is over: 1, or all of the dataset that were asked for.
    interval
        Of the mean over seeds, or of a single run over test images, cut at 0 and 1; None where
        neither is defined.
    mark, detail
        Why there is no mean, as in tables, and how much there is, e.g. ``"14 of 15"``.
    reason
        Why something is missing, in words; empty where nothing is.
    """

    method: str
    dataset: str
    category: str
    noise: float
    mean: float | None
    sd: float | None
    n: int
    planned: int
    categories: int
    interval: Interval | None
    mark: Mark | None = None
    detail: str = ""
    reason: str = ""

    @property
    def complete(self) -> bool:
        """Whether every category and every planned seed went in."""
        return self.mean is not None and self.n == self.planned


def places_of(
    runs: Iterable[Run], asked: Asked, metric: str, interval_of_run: IntervalOfRun | None = None
) -> tuple[Place, ...]:
    """Return a place for everything that was asked for, with a number or a mark.

    Returns
    -------
    tuple of Place
        By dataset, method and level; the average, of two categories or more, comes behind its
        categories. Methods without any run have none.
    """
    found: dict[tuple, list[Run]] = {}
    for run in runs:
        found.setdefault((run.method, run.dataset, run.category, run.noise), []).append(run)
    ran = {(method, dataset) for method, dataset, _, _ in found}
    out: list[Place] = []
    for dataset, categories in asked.categories.items():
        for method in (name for name in asked.methods if (name, dataset) in ran):
            planned = asked.seeds[method]
            for noise in asked.noise:
                at = (method, dataset, noise)
                members = [found.get((method, dataset, name, noise), []) for name in categories]
                for name, own in zip(categories, members, strict=True):
                    outcome = summarise([own], metric, planned)
                    interval = _interval(own, metric, interval_of_run)
                    out.append(_place(at, name, outcome, planned, interval, [own]))
                if len(categories) > 1:
                    outcome = summarise(members, metric, planned, average=True)
                    whole = outcome.estimate is not None
                    interval = seed_interval(_per_seed(members, metric)) if whole else None
                    out.append(_place(at, AVERAGE, outcome, planned, interval, members))
    return tuple(out)


def without_number(
    runs: Iterable[Run], asked: Asked, places: Iterable[Place], dataset: str
) -> dict[str, str]:
    """Say why methods that were asked for have no number on a dataset.

    Parameters
    ----------
    runs, asked
        What `places_of` was given.
    places
        What it returned.
    dataset
        Name.

    Returns
    -------
    dict of str to str
        Method → reason in words, in the order of ``asked``; only methods without any number.
    """
    here = [place for place in places if place.dataset == dataset]
    known = {place.method for place in here if place.mean is not None}
    categories = asked.categories[dataset]
    wanted = [
        run
        for run in runs
        if run.dataset == dataset and run.category in categories and run.noise in asked.noise
    ]
    found = {}
    for method in (name for name in asked.methods if name not in known):
        mark = next((place.mark for place in here if place.method == method), None)
        own = [run for run in wanted if run.method == method]
        planned = asked.seeds[method] * len(categories) * len(asked.noise)
        found[method] = _reason([own], planned, mark)
    return found


def _interval(
    runs: Sequence[Run], metric: str, interval_of_run: IntervalOfRun | None
) -> Interval | None:
    measured = [run for run in runs if run.metrics[metric] is not None]
    if len(measured) == 1 and interval_of_run is not None:
        return interval_of_run(measured[0])
    return seed_interval([float(v) for r in measured if (v := r.metrics[metric]) is not None])


def _per_seed(members: Sequence[Sequence[Run]], metric: str) -> list[float]:
    """Return the mean over categories of each seed of a complete set."""
    by_seed: dict[int, list[float]] = {}
    for run in (run for runs in members for run in runs):
        if (value := run.metrics[metric]) is not None:
            by_seed.setdefault(run.seed, []).append(float(value))
    return [mean(values) for values in by_seed.values()]


def _place(
    at: tuple[str, str, float],
    category: str,
    outcome: Outcome,
    planned: int,
    interval: Interval | None,
    members: Sequence[Sequence[Run]],
) -> Place:
    method, dataset, noise = at
    found = outcome.estimate
    missing = found is None or found.n < planned
    return Place(
        method=method,
        dataset=dataset,
        category=category,
        noise=noise,
        mean=float(found.mean) if found else None,
        sd=found.sd if found else None,
        n=found.n if found else 0,
        planned=planned,
        categories=len(members),
        interval=of_fraction(interval) if interval else None,
        mark=outcome.mark,
        detail=outcome.detail,
        reason=_reason(members, planned, outcome.mark) if missing else "",
    )


def _reason(members: Sequence[Sequence[Run]], planned: int, mark: Mark | None) -> str:
    """Say what is missing: failures and skips by their reasons, the rest by its number."""
    runs = [run for own in members for run in own]
    said: list[str] = []
    for status in (Status.FAILED, Status.SKIPPED):
        hit = [run for run in runs if run.status is status]
        if hit:
            more = f" and {len(hit) - 1} more" if len(hit) > 1 else ""
            said.append(f"{status.value}: {hit[0].label}{more}, {reason(hit[0].error)}")
    pending = sum(run.status is Status.PENDING for run in runs)
    absent = sum(max(0, planned - len(own)) for own in members)
    said += [f"{absent + pending} of {planned * len(members)} not run"] if absent + pending else []
    if not said and mark is not None:
        return mark.meaning
    return "; ".join(said)
