"""The rule that calls every image anomalous, as runs computed from the sizes of the test sets.

Its recall is 1 and its precision the share of anomalous images, so that a table of precision,
recall and F1 shows what a number is worth. It never ran, and wins no bold entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from .formatting import exact
from .layout import ALL_ANOMALOUS
from .runs import Run, Status

_HALF = Fraction(1, 2)


def trivial_runs(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Make a run of the rule for every test set that methods were tested on.

    Parameters
    ----------
    runs
        Runs of methods; those of one category, level and seed share a test set.
    """
    made: dict[tuple, Run] = {}
    for run in runs:
        place = (run.dataset, run.category, run.noise, run.seed)
        if run.status is Status.DONE and place not in made:
            metrics = dict.fromkeys(run.metrics) | _metrics(run)
            made[place] = replace(run, method=ALL_ANOMALOUS, metrics=metrics, facts={}, key="")
    return tuple(made.values())


def _metrics(run: Run) -> dict[str, Fraction | None]:
    anomalous, good = (run.facts.get(name) for name in ("n_test_anomalous", "n_test_good"))
    if not anomalous or good is None:
        return {}
    share = exact(anomalous) / (exact(anomalous) + exact(good))
    found = {}
    for suffix, precision in (("", share), ("_f1max", share), ("_balanced", _HALF)):
        found |= {f"precision{suffix}": precision, f"recall{suffix}": Fraction(1)}
        found |= {"f1" + ("" if suffix == "_f1max" else suffix): _f1(precision)}
    # No threshold does better for a score that is the same for every image.
    return found | {"f1_max": _f1(share), "f1_max_balanced": _f1(_HALF)}


def _f1(precision: Fraction) -> Fraction:
    return 2 * precision / (precision + 1)
