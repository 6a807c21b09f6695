"""Curves over label noise that are too smooth to be usual, against a stated reference.

Both checks ask how often measurements would look so under a generous model, say what they take for
granted, and call nothing unusual above one in a million.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..quantities import QUANTITIES
from ..stated import StatedProtocol
from .columns import go_together
from .finding import Finding, Outcome, Severity, counted
from .ledger import Ledger, Printed, grouped
from .numbers import chance, normal_cdf, shown

MONOTONE, STEPS = "monotone", "steps"
# A column that the reference gives less often is unusual; without any rise, worth a note.
RARE, SELDOM = 1e-6, 1e-4
# Steps between neighbouring levels that a table must have to be judged at all.
LEAST_STEPS = 20
# The metric whose deviation over trials papers state, and the one that may follow it.
STATED, FOLLOWER = "image_auroc", "pixel_auroc"
_NO_LEVELS = "no category has a number at two levels of label noise"

# One category's numbers by level.
_Series = tuple[Printed, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """One category's numbers over growing label noise.

    Attributes
    ----------
    entries
        By level.
    error
        Standard error of each number in points; None where nothing says it.
    """

    entries: tuple[Printed, ...]
    error: float | None

    @property
    def falls(self) -> list[float]:
        """How far each level lies below the one before, in points."""
        values = [e.value for e in self.entries]
        return [float(one - other) for one, other in pairwise(values)]


def check_monotone(ledger: Ledger, stated: Iterable[StatedProtocol]) -> Outcome:
    """Hold the rises over growing label noise against the deviation that is stated.

    A printed mean over n trials of standard deviation s has the error s/√n; of two neighbouring
    levels whose true values differ by d, the noisier one looks better with probability
    Φ(−d √n / (s √2)). The printed steps are taken for the true ones, and for s what is stated: with
    the numbers themselves, pooled over a curve, or as the paper's bound. The product over steps
    bounds the chance of no rise from above, since errors of neighbouring steps are negatively
    correlated. A bound stated for image AUROC is taken for pixel AUROC only where the two columns
    go together too closely to have errors of their own (`columns.go_together`).
    """
    known = {
        p.dataset: p.deviation / math.sqrt(p.trials) for p in stated if p.deviation and p.trials
    }
    findings: list[Finding] = []
    unmade: dict[str, None] = {}
    checked = 0
    columns = _columns(ledger)
    for (table, method, metric), every in columns.items():
        title = QUANTITIES[metric].title
        beside = columns.get((table, method, STATED if metric == FOLLOWER else ""), [])
        errors = _errors(metric, every, beside, known)
        curves = [_curve(series, errors) for series in every]
        judged = [curve for curve in curves if curve.error is not None]
        steps = sum(len(curve.falls) for curve in judged)
        if lacking := len(curves) - len(judged):
            why = "without a stated deviation over a known number of runs"
            unmade[f"{counted(lacking, 'curve')} of {title} in {table} {why}"] = None
        if 0 < steps < LEAST_STEPS:
            unmade[f"{table} has {counted(steps, 'step')} of {title}, {LEAST_STEPS} needed"] = None
        if steps >= LEAST_STEPS:
            checked += steps
            findings += _smooth(judged, followed=metric == FOLLOWER and bool(errors))
    return Outcome(tuple(findings), checked, _reasons(columns, unmade))


def check_steps(ledger: Ledger) -> Outcome:
    """Hold the sizes of steps between noise levels against what rounding alone gives.

    A curve of L printed steps looks likeliest to fall by equal steps if the true one is an exactly
    straight line, measured without any error. Its digits then do so with probability 1 − L|δ|,
    where δ is how far the true step lies beside the printed one, in units of the last digit; for δ
    uniform between −1/2 and 1/2, category by category, that is at most 1/L. Any bend and any error
    of a run make it rarer. Curves that do not move at all are left out: they may have come to an
    end of the scale.
    """
    findings: list[Finding] = []
    unmade: dict[str, None] = {}
    checked = 0
    columns = _columns(ledger)
    for (table, _, metric), every in columns.items():
        curves = [c for c in (_curve(series, {}) for series in every) if any(c.falls)]
        if math.prod(1 / len(curve.falls) for curve in curves) >= RARE:
            title = QUANTITIES[metric].title
            unmade[f"{table} has too few levels and categories of {title} to tell"] = None
            continue
        checked += len(curves)
        equal = [curve for curve in curves if len(set(curve.falls)) == 1]
        probability = at_least([1 / len(curve.falls) for curve in curves], len(equal))
        if probability < RARE:
            findings.append(_equal_steps(equal, len(curves), probability))
    return Outcome(tuple(findings), checked, _reasons(columns, unmade))


def _columns(ledger: Ledger) -> dict[tuple[str, str, str], list[_Series]]:
    """Return what single categories have at several levels, by table, method and metric."""
    single = [e for e in ledger.entries if not e.average and e.noise is not None]
    rated = [e for e in single if e.percent and not QUANTITIES[e.metric].lower_is_better]
    found: dict[tuple[str, str, str], list[_Series]] = {}
    for same in grouped(rated, lambda e: (e.table, e.method, e.metric, e.categories)).values():
        twice = len({e.noise for e in same}) < len(same)
        for part in grouped(same, lambda e, twice=twice: e.block if twice else "").values():
            # A level that a block prints twice is held against itself elsewhere.
            levels = {e.noise or 0: e for e in part}
            if len(levels) > 1:
                series = tuple(levels[at] for at in sorted(levels))
                found.setdefault((part[0].table, part[0].method, part[0].metric), []).append(series)
    return found


def _reasons(columns: Mapping[tuple[str, str, str], object], unmade: Iterable[str]) -> tuple:
    return tuple(unmade) if columns else (_NO_LEVELS,)


def _errors(
    metric: str, own: Sequence[_Series], beside: Sequence[_Series], known: Mapping[str, float]
) -> dict[str, float]:
    """Return the standard error that a paper's bound gives a metric, by dataset."""
    if metric == STATED:
        return dict(known)
    entries = [e for series in (*own, *beside) for e in series]
    both = grouped(entries, lambda e: e.categories[0][0])
    return {
        name: error
        for name, error in known.items()
        if beside and name in both and go_together(both[name])
    }


def _curve(series: _Series, errors: Mapping[str, float]) -> Curve:
    own = _own_error(series)
    return Curve(series, own if own is not None else errors.get(series[0].categories[0][0]))


def _own_error(entries: _Series) -> float | None:
    """Return the standard error by deviations that stand with the numbers, pooled over levels."""
    squares = [e.sd**2 / e.runs for e in entries if e.sd is not None and e.runs is not None]
    return math.sqrt(sum(squares) / len(squares)) if len(squares) == len(entries) else None


def no_rise(steps: Sequence[float], errors: Sequence[float]) -> float:
    """Return the probability that no step rises, given true steps and errors of the means.

    Parameters
    ----------
    steps
        How far each level lies below the one before, in points; none negative.
    errors
        Standard error of the two means of each step, in points; a step without any cannot rise.
    """
    pairs = [(d, s) for d, s in zip(steps, errors, strict=True) if s > 0]
    return math.exp(sum(math.log(normal_cdf(d / (s * math.sqrt(2)))) for d, s in pairs))


def at_least(chances: Iterable[float], count: int) -> float:
    """Return the probability that of independent events so many or more happen."""
    law = [1.0]
    for p in chances:
        law = [a * (1 - p) + b * p for a, b in zip([*law, 0.0], [0.0, *law], strict=True)]
    return math.fsum(law[count:])


def _smooth(curves: Sequence[Curve], *, followed: bool) -> Iterable[Finding]:
    steps = [fall for curve in curves for fall in curve.falls]
    errors = [curve.error or 0.0 for curve in curves for _ in curve.falls]
    if min(steps) < 0 or (probability := no_rise(steps, errors)) >= SELDOM:
        return
    pairs = [(d, s) for d, s in zip(steps, errors, strict=True) if s > 0]
    expected = sum(normal_cdf(-d / (s * math.sqrt(2))) for d, s in pairs)
    first = curves[0].entries[0]
    whose = (
        "the deviation stated for image AUROC, which these values follow too closely to have"
        " another"
        if followed
        else "the stated deviation"
    )
    yield Finding(
        check=MONOTONE,
        severity=Severity.UNUSUAL if probability < RARE else Severity.NOTE,
        where=f"{first.table}, {QUANTITIES[first.metric].title}",
        printed=f"0 of {len(steps)} steps rise",
        computed=f"{shown(expected, 1)} expected at the stated deviation",
        sentence=(
            f"No value rises with growing label noise; at {whose}, the chance of that is"
            f" {chance(probability)}, and it reaches one in a hundred only where runs deviate by"
            f" {shown(100 * _share_of_stated(steps, errors), 0)} % of it."
        ),
        tables=(first.table,),
    )


def _share_of_stated(steps: Sequence[float], errors: Sequence[float]) -> float:
    """Return the share of the stated deviation at which no rise has a chance of 0.01."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        fits = no_rise(steps, [s * middle for s in errors]) >= 0.01
        low, high = (middle, high) if fits else (low, middle)
    return low


def _equal_steps(equal: Sequence[Curve], count: int, probability: float) -> Finding:
    first = equal[0].entries[0]
    sizes = sorted({curve.falls[0] for curve in equal})
    ends = [shown(-size, first.digits.places) for size in (sizes[-1], sizes[0])]
    return Finding(
        check=STEPS,
        severity=Severity.UNUSUAL,
        where=f"{first.table}, {QUANTITIES[first.metric].title}",
        printed=ends[0] if len(sizes) == 1 else f"{ends[0]} to {ends[1]}",
        computed=f"{len(equal)} of {count} curves with all steps equal",
        sentence=(
            "These curves change by the same number of points from each level to the next; were"
            " they exactly straight and measured without error, rounding alone would let so many"
            f" look so with probability {chance(probability)}."
        ),
        tables=(first.table,),
    )
