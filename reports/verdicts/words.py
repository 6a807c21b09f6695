"""The words that every output of verdicts shares."""

from __future__ import annotations

from ...tables.quantities import QUANTITIES, Unit
from ...tables.verdicts.verdict import Check, Judged, Verdict


def unit_of(cell: Judged) -> str:
    """Return the unit of a difference: points for percent."""
    unit = QUANTITIES[cell.metric].unit
    return "points" if unit is Unit.PERCENT else unit.value


def sentence(cell: Judged) -> str:
    """Say in one line what stands behind a verdict, without its name and place."""
    parts = []
    if cell.achieved:
        parts.append(f"{cell.achieved} against {cell.reference}")
    if cell.difference is not None:
        parts.append(f"{cell.difference:+.2f} {unit_of(cell)}")
    if cell.tested is not None:
        test = cell.tested
        parts.append(
            f"{test.n} seeds, sd {test.sd:.2f}, equivalent from {test.low:g} to {test.high:g}"
        )
        parts.append(f"p inside {test.p_inside:.3g}, outside {test.p_outside:.3g} (Holm)")
        if test.uncorrected is not cell.verdict:
            parts.append(f"alone it would be {test.uncorrected.label}")
        if not test.robust:
            halves = (test.at_half.label, test.at_twice.label)
            parts.append(f"half the margin: {halves[0]}, twice: {halves[1]}")
    if cell.reason:
        parts.append(cell.reason)
    return "; ".join(parts)


NOTHING = "nothing to judge: no number is printed for these methods, categories and levels"


def counts(check: Check) -> str:
    """Say how many cells got which verdict, zeros left out: ``"3 reproduced, 1 worse"``."""
    found = [f"{n} {verdict.label}" for verdict, n in check.counts.items() if n]
    return ", ".join(found) or NOTHING


def margin_text(check: Check) -> str:
    """Say which margin was applied and where it is from."""
    if check.margin is None:
        return "no margin is declared"
    return f"margin ±{check.margin.points:g} points ({check.margin.source})"


def method_sentence(check: Check) -> str:
    """Say in one line how the verdicts come about."""
    return (
        f"{check.reference}; {margin_text(check)}, rounding of the reference included; two "
        f"one-sided t-tests over seeds at {100 * check.alpha:g} %, Holm's correction over "
        f"{check.tests} tests; essential: {', '.join(check.essential) or 'nothing'}"
    )


def mark_of(verdict: Verdict) -> str:
    """Return a short mark for narrow columns, a different one for each verdict."""
    return {
        Verdict.REPRODUCED: "=",
        Verdict.BETTER: "+",
        Verdict.WORSE: "-",
        Verdict.INCONCLUSIVE: "?",
        Verdict.NOT_RUN: ".",
        Verdict.FAILED: "x",
        Verdict.NOT_COMPARABLE: "/",
    }[verdict]
