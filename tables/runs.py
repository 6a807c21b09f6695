"""Result frames as runs: one per cell, checked for what the tables rely on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..datasets.errors import UsageError
from .formatting import exact, level
from .quantities import AMOUNTS, FRACTIONS

if TYPE_CHECKING:
    import pandas as pd

# What must be the same in all runs of one method on one dataset before they may be averaged.
FINGERPRINT = (
    *("protocol", "evaluation", "fingerprint", "backbone", "weights", "image_size", "settings"),
)
# The same again with the version of the method's source, which a recorded run is free to differ in.
ALIKE = (*FINGERPRINT, "source")

_REQUIRED = (
    *("dataset", "category", "noise", "noise_effective", "protocol", "seed", "method", "backbone"),
    *("weights", "image_size", "n_train", "n_train_noisy", "n_test_good", "n_test_anomalous"),
    *("status", "key", "error", "settings", "synthetic", "evaluation"),
)
_IDENTITY = ("method", "dataset", "category", "noise", "seed", "status")


class Status(StrEnum):
    """Status of a cell in a result frame.

    A skipped cell was left out on purpose, its reason stands in the column ``error``. The store
    never says so; frames of other origin may.
    """

    DONE = "done"
    FAILED = "failed"
    PENDING = "pending"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of a result frame: one cell of the grid.

    Attributes
    ----------
    method, dataset, category, noise, seed, status, error, key, synthetic
        As in the frame; ``error`` is empty where there is none.
    metrics
        Column → its number, exact, for all of `FRACTIONS` and `AMOUNTS`; None where undefined.
    facts
        All columns but the fractions, None where missing.
    stored_as
        The dataset in the store, where ``dataset`` is the one that its images stand for.
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
    stored_as: str = ""

    @property
    def label(self) -> str:
        """Short human name, as the harness prints it and its commands find it."""
        where = f"{self.method}/{self.stored_as or self.dataset}/{self.category}"
        return f"{where}/noise{level(self.noise)}/seed{self.seed}"


def read_runs(frame: pd.DataFrame) -> tuple[Run, ...]:
    """Read a result frame, checking what the tables rely on.

    Raises
    ------
    UsageError
        Missing columns, unknown status, an impossible number, two results for one place, or
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
        metrics={
            name: _number(clean.get(name), name, label) if done else None
            for name in (*FRACTIONS, *AMOUNTS)
        },
        facts={name: clean[name] for name in clean if name not in FRACTIONS},
    )


def _absent(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _number(value: Any, name: str, label: str) -> Fraction | None:
    if value is None:
        return None
    limit = 1 if name in FRACTIONS else math.inf
    # Written so that infinity fails too.
    if not 0 <= float(value) <= limit or math.isinf(float(value)):
        wanted = "a fraction in [0, 1]" if limit == 1 else "a finite number, at least 0"
        raise UsageError(f"{name} of {label} is {float(value):g}, expected {wanted}")
    return exact(value)


def _refuse_mixtures(runs: Iterable[Run]) -> None:
    places: dict[tuple, Run] = {}
    made: dict[tuple, Any] = {}
    for run in runs:
        for name in ALIKE:
            other = run.facts.get(name)
            one = made.setdefault((run.method, run.dataset, name), other) if other else other
            if one != other:
                raise UsageError(
                    f"results of {run.method} on {run.dataset} differ in {name} ({one!s:.60} and "
                    f"{other!s:.60}): report them separately"
                )
        tuned, level = run.facts.get("tuned"), (run.method, run.dataset, run.noise, "tuned")
        if tuned and made.setdefault(level, tuned) != tuned:
            raise UsageError(
                f"results of {run.label} and others of its level were tuned apart ({tuned:.60} and "
                f"{made[level]:.60}): report them separately"
            )
        place = (run.method, run.dataset, run.category, run.noise, run.seed)
        if place in places:
            raise UsageError(f"two results for {run.label}: report them separately")
        places[place] = run
