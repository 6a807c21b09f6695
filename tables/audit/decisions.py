"""Precision, recall and F1 against each other."""

from __future__ import annotations

from fractions import Fraction

from .finding import Finding, Outcome, Severity
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
    the harmonic mean is concave, so the mean of F1 is at most the F1 of the means (Jensen).
    """
    findings: list[Finding] = []
    checked = 0
    for entries in grouped(ledger.entries, _place).values():
        found = {entry.metric: entry for entry in entries}
        for name, parts in TRIPLES.items():
            if name not in found or any(part not in found for part in parts):
                continue
            checked += 1
            problem = _compare(found[name], found[parts[0]], found[parts[1]])
            findings += [problem] if problem else []
    return Outcome(tuple(findings), checked)


def _place(entry: Printed) -> tuple:
    return entry.table, entry.method, entry.categories, entry.noise


def _compare(f1: Printed, precision: Printed, recall: Printed) -> Finding | None:
    spans = [_span(precision, recall, reading) for reading in Reading]
    printed = f1.digits.either
    if any(span.meets(printed) for span in spans):
        return None
    low, high = min(s.low for s in spans), max(s.high for s in spans)
    # The mean of several may be lower; nothing can be higher.
    single = not f1.average and f1.runs == 1
    if printed.high < low and not single:
        return None
    side = "above" if printed.low > high else "below"
    places = f1.digits.places + 1
    means = "" if single else ", and no average over categories or runs is higher"
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


def _span(precision: Printed, recall: Printed, reading: Reading) -> Interval:
    ends = [entry.digits.interval(reading) for entry in (precision, recall)]
    lows = [max(_PERCENT.low, end.low) for end in ends]
    highs = [min(_PERCENT.high, end.high) for end in ends]
    return Interval(harmonic(*lows), harmonic(*highs))


def harmonic(first: Fraction, second: Fraction) -> Fraction:
    """Return the harmonic mean; 0 where both are 0."""
    total = first + second
    return 2 * first * second / total if total else Fraction(0)
