"""From result frames to means over seeds and categories; an incomplete set has no mean.

A category's entry is the mean and the sample standard deviation (n - 1) over seeds. A dataset's
average is unweighted over its categories and exists only when every category has every planned
seed; its deviation is the one over seeds of the per-seed category mean, as trials are repeated as
a whole. Means are exact fractions (see `formatting`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from ..datasets.errors import UsageError
from .formatting import Mark, exact, level, percent
from .spec import METRICS

if TYPE_CHECKING:
    import pandas as pd

# What must be the same in all runs of one method on one dataset before they may be averaged.
FINGERPRINT = ("protocol", "evaluation", "backbone", "weights", "image_size", "settings")

_REQUIRED = (
    *("dataset", "category", "noise", "noise_effective", "protocol", "seed", "method", "backbone"),
    *("weights", "image_size", "n_train", "n_train_noisy", "n_test_good", "n_test_anomalous"),
    *("status", "key", "error", "settings", "synthetic", "evaluation"),
)
_IDENTITY = ("method", "dataset", "category", "noise", "seed", "status")


class Status(StrEnum):
    """Status of a cell in a result frame."""

    DONE = "done"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of a result frame: one cell of the grid.

    Attributes
    ----------
    method, dataset, category, noise, seed, status, error, key, synthetic
        As in the frame; ``error`` is empty where there is none.
    metrics
        Metric name → fraction in [0, 1], or None where undefined.
    facts
        All columns but the metrics, None where missing.
    """

    method: str
    dataset: str
    category: str
    noise: float
    seed: int
    status: Status
    error: str
    key: str
    synthetic: bool
    metrics: Mapping[str, Fraction | None]
    facts: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Short human name, as the harness prints it."""
        where = f"{self.method}/{self.dataset}/{self.category}"
        return f"{where}/noise{level(self.noise)}/seed{self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over seeds.

    Attributes
    ----------
    mean
        Exact, a fraction in [0, 1].
    sd
        Sample standard deviation over seeds; None for one seed.
    n, planned
        Seeds that went in, and seeds that were planned.
    """

    mean: Fraction
    sd: float | None
    n: int
    planned: int

    @property
    def complete(self) -> bool:
        """Whether every planned seed went in."""
        return self.n == self.planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An estimate, or the mark in its place with a short detail, e.g. ``"12 of 15"``."""

    estimate: Estimate | None = None
    mark: Mark | None = None
    detail: str = ""

    def text(self, *, ascii_only: bool = False) -> str:
        """Return what a table shows: digits in percent, a mark, or ``"12 of 15"``."""
        if self.estimate is not None:
            return percent(self.estimate.mean)
        if self.mark is None or self.mark is Mark.INCOMPLETE:
            return self.detail
        return self.mark.ascii if ascii_only else self.mark.symbol


def read_runs(frame: pd.DataFrame) -> tuple[Run, ...]:
    """Read a result frame, checking what the tables rely on.

    Raises
    ------
    UsageError
        Missing columns, unknown status, a metric outside [0, 1], two results for one place, or
        results of one method on one dataset that were made differently.
    """
    missing = [name for name in _REQUIRED if name not in frame.columns]
    if missing:
        raise UsageError(f"result frame without column {', '.join(missing)}: expected all of them")
    runs = tuple(_run(record) for record in frame.to_dict("records"))
    _refuse_mixtures(runs)
    return runs


def _run(record: Mapping[Any, Any]) -> Run:
    clean: dict[str, Any] = {str(k): None if _absent(v) else v for k, v in record.items()}
    label = "/".join(str(clean[name]) for name in ("method", "dataset", "category"))
    for name in _IDENTITY:
        if clean[name] is None:
            raise UsageError(f"a row of the result frame ({label}) has no {name}: expected one")
    raw = getattr(clean["status"], "value", clean["status"])
    if raw not in list(Status):
        raise UsageError(f"status of {label} is '{raw}', expected {', '.join(Status)}")
    done = raw == Status.DONE
    return Run(
        method=str(clean["method"]),
        dataset=str(clean["dataset"]),
        category=str(clean["category"]),
        noise=float(clean["noise"]),
        seed=int(clean["seed"]),
        status=Status(raw),
        error=str(clean["error"] or ""),
        key=str(clean["key"] or ""),
        synthetic=bool(clean["synthetic"]),
        metrics={m: _fraction(clean.get(m), m, label) if done else None for m in METRICS},
        facts={name: clean[name] for name in clean if name not in METRICS},
    )


def _absent(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _fraction(value: Any, metric: str, label: str) -> Fraction | None:
    if value is None:
        return None
    if not 0 <= float(value) <= 1:
        raise UsageError(f"{metric} of {label} is {float(value):g}, expected a fraction in [0, 1]")
    return exact(value)


def _refuse_mixtures(runs: Iterable[Run]) -> None:
    places: dict[tuple, Run] = {}
    made: dict[tuple, Any] = {}
    for run in runs:
        for name in FINGERPRINT:
            other = run.facts.get(name)
            one = made.setdefault((run.method, run.dataset, name), other) if other else other
            if one != other:
                raise UsageError(
                    f"results of {run.method} on {run.dataset} differ in {name} ({one!s:.60} and "
                    f"{other!s:.60}): report them separately"
                )
        place = (run.method, run.dataset, run.category, run.noise, run.seed)
        if place in places:
            raise UsageError(f"two results for {run.label}: report them separately")
        places[place] = run


def estimate(values: Mapping[int, Fraction], planned: int) -> Estimate:
    """Mean and sample standard deviation over seeds; ``values`` is seed → value, not empty."""
    numbers = list(values.values())
    sd = float(stdev(numbers)) if len(numbers) > 1 else None
    return Estimate(mean=mean(numbers), sd=sd, n=len(numbers), planned=planned)


def summarise(runs: Sequence[Run], metric: str, planned: int) -> Outcome:
    """Summarise one metric of one category at one level.

    Parameters
    ----------
    runs
        The seeds that the frame holds for it; may be empty.
    metric
        Name in `METRICS`.
    planned
        Number of seeds planned.

    Returns
    -------
    Outcome
        An estimate as soon as one seed has a value (``n`` tells how many), else a mark.
    """
    values = {run.seed: value for run in runs if (value := run.metrics[metric]) is not None}
    if values:
        return Outcome(estimate=estimate(values, planned))
    if not runs:
        return Outcome(mark=Mark.NOT_RUN)
    statuses = [run.status for run in runs]
    for status, mark in ((Status.FAILED, Mark.FAILED), (Status.PENDING, Mark.PENDING)):
        if status in statuses:
            return Outcome(mark=mark, detail=f"{statuses.count(status)} of {planned} seeds")
    return Outcome(mark=Mark.UNDEFINED)


def summarise_average(members: Sequence[Sequence[Run]], metric: str, planned: int) -> Outcome:
    """Summarise one metric over categories at one level; incomplete sets give a count, no mean.

    Parameters
    ----------
    members
        For each category, the seeds that the frame holds.
    metric, planned
        As in `summarise`.
    """
    outcomes = [summarise(runs, metric, planned) for runs in members]
    complete = [o for o in outcomes if o.estimate is not None and o.estimate.complete]
    if members and len(complete) == len(members):
        by_seed: dict[int, list[Fraction]] = {}
        for runs in members:
            for run in runs:
                value = run.metrics[metric]
                if value is not None:
                    by_seed.setdefault(run.seed, []).append(value)
        # Equal counts per category do not yet mean the same seeds in each.
        if all(len(values) == len(members) for values in by_seed.values()):
            return Outcome(
                estimate=estimate({seed: mean(v) for seed, v in by_seed.items()}, planned)
            )
    marks = {outcome.mark for outcome in outcomes}
    if len(marks) == 1 and (mark := marks.pop()) is not None:
        return Outcome(mark=mark, detail=f"all {len(members)} categories")
    return Outcome(mark=Mark.INCOMPLETE, detail=f"{len(complete)} of {len(members)}")
