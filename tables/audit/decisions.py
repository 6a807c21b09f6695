"""Precision, recall and F1 against each other."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from .finding import Finding, Outcome, Severity, counted
from .ledger import Ledger, Printed, grouped
from .numbers import Interval, Reading, shown

CHECK = "f1"
# F1 → the precision and the recall at the same threshold.
TRIPLES = {
    "f1": ("precision", "recall"),
    "f1_max": ("precision_f1max", "recall_f1max"),
    "f1_balanced": ("precision_balanced", "recall_balanced"),
}
_PERCENT = Interval(Fraction(0), Fraction(100))


def check_f1(ledger: Ledger) -> Outcome:
    """Hold every printed F1 against the harmonic mean of its precision and recall.

    F1 = 2 P R / (P + R) rises in both, so that the ends of their intervals give its own. For a
    single category and run it must lie there. A mean, over categories or over runs, may lie below:
    the harmonic mean is concave, so the mean of F1 is at most the F1 of the means (Jensen), and at
    least P + R − 100 of the means: every single F1 ≥ min(P, R) ≥ P + R − 100, which is linear.
    """
    findings: list[Finding] = []
    checked = alone = 0
    for entries in grouped(ledger.entries, _place).values():
        found = {entry.metric: entry for entry in entries}
        for name, parts in TRIPLES.items():
            if name not in found:
                continue
            if any(part not in found for part in parts):
                alone += 1
                continue
            checked += 1
            problem = _compare(found[name], found[parts[0]], found[parts[1]])
            findings += [problem] if problem else []
    return Outcome(tuple(findings), checked, tuple(_unmade(checked, alone)))


def _unmade(checked: int, alone: int) -> Iterable[str]:
    if alone:
        yield f"{counted(alone, 'F1')} without precision and recall at the same place"
    elif not checked:
        yield "no F1 is printed"


def _place(entry: Printed) -> tuple:
    return entry.table, entry.method, entry.categories, entry.average, entry.noise


def _compare(f1: Printed, precision: Printed, recall: Printed) -> Finding | None:
    # The mean of several may be lower than the F1 of the means; nothing can be higher.
    single = not f1.average and f1.runs == 1
    spans = [_span(precision, recall, reading, single=single) for reading in Reading]
    printed = Interval(
        min(_behind(f1, reading).low for reading in Reading),
        max(_behind(f1, reading).high for reading in Reading),
    )
    if any(span.meets(printed) for span in spans):
        return None
    low, high = min(s.low for s in spans), max(s.high for s in spans)
    side = "above" if printed.low > high else "below"
    places = f1.digits.places + 1
    beyond = "higher" if side == "above" else "lower"
    means = "" if single else f", and no average over categories or runs is {beyond}"
    return Finding(
        check=CHECK,
        severity=Severity.ERROR,
        where=f"{f1.where}, F1",
        printed=f1.text,
        computed=f"{shown(low, places)} to {shown(high, places)}",
        sentence=(
            f"The printed F1 is {side} what precision {precision.text} and recall {recall.text}"
            f" give{means}."
        ),
        tables=(f1.table,),
    )


def _span(precision: Printed, recall: Printed, reading: Reading, *, single: bool) -> Interval:
    ends = [_behind(entry, reading) for entry in (precision, recall)]
    lows = [max(_PERCENT.low, end.low) for end in ends]
    highs = [min(_PERCENT.high, end.high) for end in ends]
    least = harmonic(*lows) if single else max(Fraction(0), lows[0] + lows[1] - 100)
    return Interval(least, harmonic(*highs))


def _behind(entry: Printed, reading: Reading) -> Interval:
    """Return what may lie behind digits; an average may be one of printed digits."""
    span, step = entry.digits.interval(reading), entry.digits.step
    if not entry.average:
        return span
    if reading is Reading.TRUNCATED:
        return Interval(span.low, span.high + step)
    return Interval(span.low - step / 2, span.high + step / 2)


def harmonic(first: Fraction, second: Fraction) -> Fraction:
    """Return the harmonic mean; 0 where both are 0."""
    total = first + second
    return 2 * first * second / total if total else Fraction(0)
