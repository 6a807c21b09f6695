"""The shape of a table against a stated reference: too smooth, or too much alike, to be usual.

Both checks ask how often independent measurements would look so, say what they take for granted,
and stay silent above one in a million.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from ..quantities import QUANTITIES
from ..stated import StatedProtocol
from .finding import Finding, Outcome, Severity
from .ledger import Ledger, Printed, grouped
from .numbers import chance, normal_cdf, shown

MONOTONE, COLUMNS = "monotone", "columns"
# A table that the reference gives less often is unusual.
RARE = 1e-6
# Steps between neighbouring levels that a table must have to be judged at all.
LEAST_STEPS = 20
# Categories that a correlation needs; standard errors that it must lie above the reference.
LEAST_CATEGORIES, ERRORS = 8, 5
_REFERENCE = Path(__file__).with_name("reference.csv")
# The metric whose deviation over trials papers state.
_STATED = "image_auroc"


def check_monotone(ledger: Ledger, stated: Iterable[StatedProtocol]) -> Outcome:
    """Hold the rises over growing label noise against the deviation that the paper states.

    A printed mean over n trials of standard deviation s has the error s/√n; of two neighbouring
    levels whose true values differ by d, the noisier one looks better with probability
    Φ(−d √n / (s √2)). The printed steps are taken for the true ones and s for the stated bound. The
    product over steps bounds the chance of no rise from above, since errors of neighbouring steps
    are negatively correlated.
    """
    known = {p.dataset: p for p in stated if p.deviation and p.trials}
    single = (e for e in ledger.entries if not e.average and e.noise is not None)
    judged = [e for e in single if e.metric == _STATED and e.categories[0][0] in known]
    findings: list[Finding] = []
    checked = 0
    for entries in grouped(judged, lambda e: (e.table, e.method)).values():
        steps: list[float] = []
        errors: list[float] = []
        for series in grouped(entries, lambda e: e.categories).values():
            protocol = known[series[0].categories[0][0]]
            error = (protocol.deviation or 0) / math.sqrt(protocol.trials or 1)
            falls = _falls(series)
            steps += falls
            errors += [error] * len(falls)
        checked += len(steps)
        if len(steps) >= LEAST_STEPS and min(steps) >= 0:
            findings += _smooth(entries, steps, errors)
    return Outcome(tuple(findings), checked)


def _falls(series: Sequence[Printed]) -> list[float]:
    values = [e.value for e in sorted(series, key=lambda e: e.noise or 0)]
    return [float(one - other) for one, other in pairwise(values)]


def no_rise(steps: Sequence[float], errors: Sequence[float]) -> float:
    """Return the probability that no step rises, given true steps and errors of the means.

    Parameters
    ----------
    steps
        How far each level lies below the one before, in points.
    errors
        Standard error of the two means of each step, in points.
    """
    pairs = zip(steps, errors, strict=True)
    return math.exp(sum(math.log(normal_cdf(d / (s * math.sqrt(2)))) for d, s in pairs))


def _smooth(
    entries: Sequence[Printed], steps: Sequence[float], errors: Sequence[float]
) -> Iterable[Finding]:
    probability = no_rise(steps, errors)
    if probability >= RARE:
        return
    expected = sum(normal_cdf(-d / (s * math.sqrt(2))) for d, s in zip(steps, errors, strict=True))
    share = _share_of_bound(steps, errors)
    first = entries[0]
    yield Finding(
        check=MONOTONE,
        severity=Severity.UNUSUAL,
        where=f"{first.table}, {QUANTITIES[first.metric].title}",
        printed=f"0 of {len(steps)} steps rise",
        computed=f"{shown(expected, 1)} expected at the stated deviation",
        sentence=(
            f"No value rises with growing label noise; at the stated bound of the deviation the"
            f" chance of that is {chance(probability)}, and it reaches one in a hundred only where"
            f" runs deviate by {shown(100 * share, 0)} % of the bound."
        ),
        tables=(first.table,),
    )


def _share_of_bound(steps: Sequence[float], errors: Sequence[float]) -> float:
    """Return the share of the stated deviation at which no rise has a chance of 0.01."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        fits = no_rise(steps, [s * middle for s in errors]) >= 0.01
        low, high = (middle, high) if fits else (low, middle)
    return low


def check_columns(ledger: Ledger) -> Outcome:
    """Hold the correlation of image and pixel AUROC over categories against other methods'.

    The two measure different things: `reference` holds six published methods on the fifteen
    categories of MVTec AD. A table is unusual if its correlation, `ERRORS` standard errors lower
    (Fisher's z, error 1/√(n − 3)), is still above the highest of theirs, and if the gap between the
    two metrics varies less over categories than that of any of them.
    """
    correlations, gaps = zip(*reference().values(), strict=True)
    limit, narrow = max(correlations), min(gaps)
    findings: list[Finding] = []
    checked = 0
    single = [e for e in ledger.entries if not e.average]
    for entries in grouped(single, lambda e: (e.table, e.method)).values():
        found = []
        for series in grouped(entries, lambda e: (e.noise, e.categories[0][0])).values():
            pairs = _pairs(series)
            if len(pairs) >= LEAST_CATEGORIES:
                found.append((_alike(pairs), len(pairs)))
        checked += len(found)
        close = [(r, gap, n) for (r, gap), n in found if _closer(r, n, limit) and gap < narrow]
        findings += [_columns(entries, close, limit, narrow)] if close else []
    return Outcome(tuple(findings), checked)


def _pairs(series: Sequence[Printed]) -> list[tuple[float, float]]:
    by = grouped(series, lambda e: e.categories)
    metrics = [{e.metric: float(e.value) for e in group} for group in by.values()]
    names = ("image_auroc", "pixel_auroc")
    return [(m[names[0]], m[names[1]]) for m in metrics if all(name in m for name in names)]


def _alike(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the correlation, and the standard deviation of the gap in points."""
    image, pixel = zip(*pairs, strict=True)
    gap = statistics.stdev(one - other for one, other in pairs)
    if min(statistics.stdev(image), statistics.stdev(pixel)) == 0:
        return 0.0, gap
    return statistics.correlation(image, pixel), gap


def _closer(r: float, count: int, limit: float) -> bool:
    return _fisher(r) - ERRORS / math.sqrt(count - 3) > _fisher(limit)


def _fisher(r: float) -> float:
    # A correlation of one within rounding would be infinite.
    return math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))


def _columns(
    entries: Sequence[Printed],
    close: Sequence[tuple[float, float, int]],
    limit: float,
    narrow: float,
) -> Finding:
    first = entries[0]
    rs, gaps = [r for r, _, _ in close], [gap for _, gap, _ in close]
    return Finding(
        check=COLUMNS,
        severity=Severity.UNUSUAL,
        where=f"{first.table}, image AUROC and pixel AUROC over {close[0][2]} categories",
        printed=f"correlation {_span(rs, 4)}, gap varies by {_span(gaps, 2)} points",
        computed=f"reference: at most {shown(limit, 2)}, at least {shown(narrow, 2)} points",
        sentence=(
            f"At {len(close)} level{'s' if len(close) > 1 else ''} the two metrics go together far"
            " more closely than in any of six published methods on MVTec AD, where they are"
            " measured apart."
        ),
        tables=(first.table,),
    )


def _span(values: Sequence[float], places: int) -> str:
    low, high = shown(min(values), places), shown(max(values), places)
    return low if low == high else f"{low} to {high}"


@cache
def reference() -> dict[str, tuple[float, float]]:
    """Return correlation and deviation of the gap of each published method of ``reference.csv``.

    RIAD, DRAEM, CutPaste, PaDiM, Reverse Distillation and PatchCore, image and pixel AUROC per
    category as their papers and the comparison in SimpleNet's paper (arXiv 2303.15140) give them.
    """
    text = _REFERENCE.read_text(encoding="utf-8")
    by: dict[str, list[tuple[float, float]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        pair = (float(row["image_auroc"]), float(row["pixel_auroc"]))
        by.setdefault(row["method"], []).append(pair)
    return {name: _alike(pairs) for name, pairs in by.items()}
