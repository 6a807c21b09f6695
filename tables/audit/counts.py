"""Values against what the counts of a test set can give, and against rules that see no image."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from ...datasets.entries import Counts
from ..quantities import QUANTITIES
from .decisions import harmonic
from .finding import Finding, Outcome, Severity, counted
from .ledger import Ledger, Printed, grouped, listed
from .numbers import Interval, Reading, mean, shown

ATTAINABLE, TRIVIAL = "attainable", "trivial"
_RATIOS = ("image_auroc", "recall", "precision")
_AUROCS = ("image_auroc", "pixel_auroc")


def check_attainable(ledger: Ledger) -> Outcome:
    """Hold image AUROC, recall and precision of single categories against the official counts.

    With P anomalous and N nominal test images an AUROC is a multiple of 1/(2 P N), ties counting a
    half (Mann and Whitney); a mean over n runs is a multiple of 1/(2 P N n). Recall is a multiple
    of 1/(P n). Precision, of a single run, is TP/(TP + FP); over several runs its denominators are
    not known. Numbers under label noise are left out: whoever injects test images may take them out
    of the test set.
    """
    findings: list[Finding] = []
    checked = 0
    single = [e for e in ledger.entries if not e.average and e.metric in _RATIOS]
    known = [e for e in single if not _obstacle(e, ledger)]
    for entries in grouped(known, lambda e: (e.table, e.method, e.metric)).values():
        checked += len(entries)
        # One author cuts digits one way: the reading that explains more is taken for all.
        missed = min((_missed(entries, ledger, reading) for reading in Reading), key=len)
        findings += [_unattained(missed, len(entries), ledger)] if missed else []
    obstacles = Counter(obstacle for e in single if (obstacle := _obstacle(e, ledger)))
    unmade = [f"{counted(number, 'value')} {why}" for why, number in obstacles.items()]
    if not single:
        unmade = ["no image AUROC, recall or precision of a single category is printed"]
    return Outcome(tuple(findings), checked, tuple(unmade))


def _obstacle(entry: Printed, ledger: Ledger) -> str:
    """Say why the counts behind a number are not known; nothing if they are."""
    counts = ledger.tests.get(entry.categories[0])
    if counts is None or not counts.test_anomalous or not counts.test_nominal:
        return "of categories without official counts of both kinds of test image"
    if entry.noise:
        return "under label noise, where the test set may have lost images"
    if entry.runs is None:
        return "of an unknown number of runs"
    if entry.metric == "precision" and entry.runs > 1:
        return "of precision, means over several runs, whose denominators are not known"
    return ""


def _missed(entries: Sequence[Printed], ledger: Ledger, reading: Reading) -> list[Printed]:
    return [
        e
        for e in entries
        if not attained(e, ledger.tests[e.categories[0]], e.digits.interval(reading))
    ]


def attained(entry: Printed, counts: Counts, span: Interval) -> bool:
    """Tell whether runs on a test set give a number within an interval, in percent."""
    positive, negative, runs = counts.test_anomalous, counts.test_nominal, entry.runs or 1
    if entry.metric == "image_auroc":
        return _multiple(span, 2 * positive * negative * runs)
    if entry.metric == "recall":
        return _multiple(span, positive * runs)
    return any(_multiple(span, found, positive) for found in range(1, positive + negative + 1))


def _multiple(span: Interval, parts: int, at_most: int | None = None) -> bool:
    """Tell whether some k of ``parts`` lies in an interval."""
    low, high = span.low, span.high
    # In whole numbers: this is asked hundreds of times for one precision.
    first = max(0, -(-low.numerator * parts // (100 * low.denominator)))
    last = high.numerator * parts // (100 * high.denominator)
    return first <= min(last, parts if at_most is None else at_most)


def _unattained(missed: Sequence[Printed], known: int, ledger: Ledger) -> Finding:
    first = missed[0]
    runs = first.runs or 1
    of, other = ("a single run", "several") if runs == 1 else (f"a mean of {runs} runs", "other")
    return Finding(
        check=ATTAINABLE,
        severity=Severity.INCONSISTENT,
        where=f"{first.table}, {ledger.title(first.method)}, {QUANTITIES[first.metric].title}",
        printed=listed(missed, 6),
        computed="; ".join(_nearest(e, ledger.tests[e.categories[0]]) for e in missed[:6]),
        sentence=(
            f"{len(missed)} of {known} values cannot come from {of} on the official test images,"
            f" whatever the scores: they stem from {other} runs, another test set or a slip."
        ),
        tables=(first.table,),
    )


def _nearest(entry: Printed, counts: Counts) -> str:
    positive, negative = counts.test_anomalous, counts.test_nominal
    if entry.metric == "precision":
        return "no ratio of whole numbers"
    pairs = positive * (2 * negative if entry.metric == "image_auroc" else 1) * (entry.runs or 1)
    below = Fraction(math.floor(entry.value * pairs / 100) * 100, pairs)
    above = Fraction(math.ceil(entry.value * pairs / 100) * 100, pairs)
    places = entry.digits.places + 2
    return f"{shown(below, places)} or {shown(above, places)}"


def check_trivial(ledger: Ledger) -> Outcome:
    """Hold values against rules that look at no image, on the official test sets.

    Chance gives an AUROC of 50 %. Calling every image anomalous gives the F1 2p/(1 + p) at the
    share p of anomalous images; over several categories the lower of the pooled value and the mean
    is taken. F1-max is never below it: the lowest threshold is that rule. Scores without
    information give an AP of p.
    """
    findings: list[Finding] = []
    checked = left = 0
    for entries in grouped(ledger.entries, lambda e: (e.table, e.block, e.metric)).values():
        known = [(e, b) for e in entries if (b := baseline(e, ledger)) is not None]
        checked += len(known)
        left += len(entries) - len(known) if entries[0].metric in _RULE else 0
        below = [(e, b) for e, b in known if e.digits.either.high < b]
        findings += [_below(below, len(known))] if below else []
    return Outcome(tuple(findings), checked, tuple(_no_rule(checked, left)))


def _no_rule(checked: int, left: int) -> Iterable[str]:
    if left:
        yield f"{counted(left, 'value')} of F1 or AP with an unknown share of anomalous images"
    elif not checked:
        yield "no AUROC, AP or F1 is printed"


def baseline(entry: Printed, ledger: Ledger) -> Fraction | None:
    """Return what a rule without any look at an image gives, in percent; None if not known."""
    if entry.metric in _AUROCS:
        return Fraction(50)
    if entry.metric not in ("f1", "f1_max", "image_ap") or entry.noise:
        return None
    counts = [ledger.tests.get(name) for name in entry.categories]
    shares = [_share(c.test_anomalous, c.test_nominal) for c in counts if c is not None]
    if not shares or len(shares) < len(counts):
        return None
    pooled = _share(
        sum(c.test_anomalous for c in counts if c), sum(c.test_nominal for c in counts if c)
    )
    if entry.metric == "image_ap":
        return 100 * mean(shares)
    each = mean(harmonic(share, Fraction(1)) for share in shares)
    return 100 * min(each, harmonic(pooled, Fraction(1)))


def _share(anomalous: int, nominal: int) -> Fraction:
    return Fraction(anomalous, anomalous + nominal)


_RULE = {
    "f1": "calling every image anomalous gives on the official test set (on one with as many "
    "nominal as anomalous images it would be 66.7)",
    "f1_max": "the lowest threshold already gives on the official test set",
    "image_ap": "scores without information give on the official test set",
}


def _below(below: Sequence[tuple[Printed, Fraction]], known: int) -> Finding:
    first, level = below[0]
    rule = _RULE.get(first.metric, "scores without information give")
    levels = sorted({shown(value, 1) for _, value in below})
    impossible = first.metric == "f1_max"
    return Finding(
        check=TRIVIAL,
        severity=Severity.INCONSISTENT if impossible else Severity.UNUSUAL,
        where=f"{first.table}, {QUANTITIES[first.metric].title}",
        printed=listed([e for e, _ in below]),
        computed=shown(level, 1) if len(levels) == 1 else f"{levels[0]} to {levels[-1]}",
        sentence=f"{len(below)} of {known} values are below what {rule}.",
        tables=(first.table,),
    )
