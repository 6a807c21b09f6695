"""From seeds and a reference to a verdict: the tests of a whole table at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .equivalence import ALPHA, Equivalence, equivalence, holm
from .verdict import Margin, Tested, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Seeds of one number and what they are tested against.

    Attributes
    ----------
    values
        A value per seed, in points; three or more.
    low, high
        What the reference stands for, without the margin: its rounding interval.
    lower_is_better
        Which side is the better one.
    """

    values: tuple[float, ...]
    low: float
    high: float
    lower_is_better: bool = False


def decide(
    trials: Mapping[int, Trial], margin: Margin, alpha: float = ALPHA
) -> dict[int, tuple[Verdict, Tested]]:
    """Test all numbers of a table.

    Each of the two statements, "inside" and "outside", is held at a family-wise error of
    ``alpha`` over the table by Holm's correction.

    Parameters
    ----------
    trials
        Any index → a number; together the family.
    margin
        Added on both sides of what the reference stands for.
    """
    found = {factor: _verdicts(trials, margin.points * factor, alpha) for factor in (0.5, 1.0, 2.0)}
    out = {}
    for index, trial in trials.items():
        verdict, alone, p_inside, p_outside = found[1.0][index]
        values = np.asarray(trial.values)
        out[index] = (
            verdict,
            Tested(
                mean=float(values.mean()),
                sd=float(values.std(ddof=1)),
                n=len(values),
                low=trial.low - margin.points,
                high=trial.high + margin.points,
                p_inside=p_inside,
                p_outside=p_outside,
                uncorrected=alone,
                at_half=found[0.5][index][0],
                at_twice=found[2.0][index][0],
            ),
        )
    return out


def _verdicts(
    trials: Mapping[int, Trial], points: float, alpha: float
) -> dict[int, tuple[Verdict, Verdict, float, float]]:
    """Return verdict, verdict without correction, and both corrected p-values of each number."""
    tests = [
        equivalence(np.asarray(t.values), t.low - points, t.high + points) for t in trials.values()
    ]
    inside = [float(test.inside) for test in tests]
    # Twice the smaller one-sided p-value: which side is not known beforehand.
    outside = [min(1.0, 2 * float(min(test.above, test.below))) for test in tests]
    corrected = zip(holm(inside), holm(outside), strict=True)
    raw = zip(inside, outside, strict=True)
    out = {}
    for (index, trial), test, both, alone in zip(
        trials.items(), tests, corrected, raw, strict=True
    ):
        out[index] = (_say(trial, test, both, alpha), _say(trial, test, alone, alpha), *both)
    return out


def _say(trial: Trial, test: Equivalence, p_values: Sequence[float], alpha: float) -> Verdict:
    inside, outside = p_values
    if inside < alpha:
        return Verdict.REPRODUCED
    if outside < alpha:
        is_above = float(test.above) < float(test.below)
        return Verdict.BETTER if is_above != trial.lower_is_better else Verdict.WORSE
    return Verdict.INCONCLUSIVE
