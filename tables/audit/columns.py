"""How closely image and pixel AUROC go together, against methods that measure them apart."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .finding import Finding, Outcome, Severity, counted
from .ledger import Ledger, Printed, grouped
from .numbers import shown

CHECK = "columns"
METRICS = ("image_auroc", "pixel_auroc")
# Categories that a correlation needs; standard errors that it must lie above the reference.
LEAST_CATEGORIES, ERRORS = 8, 5
_REFERENCE = Path(__file__).with_name("reference.csv")


@dataclass(frozen=True, slots=True)
class Pairing:
    """Image and pixel AUROC of one method at one level, over the categories of one dataset.

    Attributes
    ----------
    correlation, gap
        Pearson's, and the standard deviation of the difference in points.
    count
        Categories.
    """

    correlation: float
    gap: float
    count: int

    @property
    def close(self) -> bool:
        """Whether the metrics go together far more closely than in any reference method."""
        limit, narrow = reference_ends()
        low = _fisher(self.correlation) - ERRORS / math.sqrt(self.count - 3)
        return low > _fisher(limit) and self.gap < narrow


def check_columns(ledger: Ledger) -> Outcome:
    """Hold the correlation of image and pixel AUROC over categories against other methods'.

    The two measure different things: `reference` holds six published methods on the fifteen
    categories of MVTec AD. A table is unusual if its correlation, `ERRORS` standard errors lower
    (Fisher's z, error 1/√(n − 3)), is still above the highest of theirs, and if the gap between the
    two metrics varies less over categories than that of any of them.
    """
    findings: list[Finding] = []
    checked = few = 0
    single = [e for e in ledger.entries if not e.average and e.metric in METRICS]
    for entries in grouped(single, lambda e: (e.table, e.method)).values():
        found, left = _pairings(entries)
        checked, few = checked + len(found), few + left
        close = [pairing for pairing in found if pairing.close]
        findings += [_unusual(entries, close)] if close else []
    return Outcome(tuple(findings), checked, tuple(_unmade(checked, few)))


def go_together(entries: Iterable[Printed]) -> bool:
    """Tell whether the metrics of one method and dataset go together closely at every level."""
    found, left = _pairings(list(entries))
    return bool(found) and not left and all(pairing.close for pairing in found)


def _pairings(entries: Sequence[Printed]) -> tuple[list[Pairing], int]:
    """Return what can be judged, level by level, and for how many levels there is too little."""
    found: list[Pairing] = []
    few = 0
    for series in grouped(entries, lambda e: (e.noise, e.categories[0][0])).values():
        pairs = _pairs(series)
        if len(pairs) >= LEAST_CATEGORIES:
            found.append(Pairing(*_alike(pairs), len(pairs)))
        else:
            few += bool(pairs)
    return found, few


def _unmade(checked: int, few: int) -> Iterable[str]:
    if few:
        yield (
            f"image and pixel AUROC are printed for fewer than {LEAST_CATEGORIES} categories in"
            f" {counted(few, 'place')}"
        )
    elif not checked:
        yield "no image AUROC is printed with the pixel AUROC of its category"


def _pairs(series: Sequence[Printed]) -> list[tuple[float, float]]:
    by = grouped(series, lambda e: e.categories)
    metrics = [{e.metric: float(e.value) for e in group} for group in by.values()]
    image, pixel = METRICS
    return [(m[image], m[pixel]) for m in metrics if image in m and pixel in m]


def _alike(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the correlation, and the standard deviation of the gap in points."""
    image, pixel = zip(*pairs, strict=True)
    gap = statistics.stdev(one - other for one, other in pairs)
    if min(statistics.stdev(image), statistics.stdev(pixel)) == 0:
        return 0.0, gap
    return statistics.correlation(image, pixel), gap


def _fisher(r: float) -> float:
    # A correlation of one within rounding would be infinite.
    return math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))


def _unusual(entries: Sequence[Printed], close: Sequence[Pairing]) -> Finding:
    first = entries[0]
    limit, narrow = reference_ends()
    rs, gaps = [p.correlation for p in close], [p.gap for p in close]
    return Finding(
        check=CHECK,
        severity=Severity.UNUSUAL,
        where=f"{first.table}, image AUROC and pixel AUROC over {close[0].count} categories",
        printed=f"correlation {_span(rs, 4)}, gap varies by {_span(gaps, 2)} points",
        computed=f"reference: at most {shown(limit, 2)}, at least {shown(narrow, 2)} points",
        sentence=(
            f"At {counted(len(close), 'level')} the two metrics go together far more closely than"
            f" in any of six published methods on MVTec AD, where they are measured apart"
            f" ({provenance()})."
        ),
        tables=(first.table,),
    )


def _span(values: Sequence[float], places: int) -> str:
    low, high = shown(min(values), places), shown(max(values), places)
    return low if low == high else f"{low} to {high}"


@cache
def _rows() -> tuple[dict[str, str], ...]:
    return tuple(csv.DictReader(io.StringIO(_REFERENCE.read_text(encoding="utf-8"))))


def provenance() -> str:
    """Say where the reference values are from; wherever they are quoted, so is this."""
    recalled = sum(bool(row["recalled"]) for row in _rows())
    return (
        f"values at second hand, {recalled} of {len(METRICS) * len(_rows())} from memory; PaDiM's"
        " image values are not from its paper, CutPaste's are an ensemble's beside a single"
        " model's pixel values"
    )


@cache
def reference() -> dict[str, tuple[float, float]]:
    """Return correlation and deviation of the gap of each published method of ``reference.csv``.

    RIAD, DRAEM, CutPaste, PaDiM, Reverse Distillation and PatchCore, image and pixel AUROC per
    category. The values are at second hand: they go back to the comparison table of SimpleNet's
    paper (arXiv 2303.15140), which could not be read for this; a copy of it in another report was
    mended by column means and by other papers and repositories that print the same values. What
    none of them could decide is from memory, marked in the column ``recalled``. PaDiM's paper has
    no image AUROC per category, so that column is not its own; CutPaste's holds the image AUROC of
    an ensemble of five and the pixel AUROC of a single model. The two ends that `reference_ends`
    takes are those of DRAEM and PatchCore, and stay without either of these two methods.
    """
    by: dict[str, list[tuple[float, float]]] = {}
    for row in _rows():
        pair = (float(row["image_auroc"]), float(row["pixel_auroc"]))
        by.setdefault(row["method"], []).append(pair)
    return {name: _alike(pairs) for name, pairs in by.items()}


@cache
def reference_ends() -> tuple[float, float]:
    """Return the highest correlation and the smallest deviation of the gap in the reference."""
    correlations, gaps = zip(*reference().values(), strict=True)
    return max(correlations), min(gaps)
