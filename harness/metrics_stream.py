"""Pixel metrics of sets too large for memory: bounded memory, one pass, and an error that is known.

`metrics.pixel_metrics` sorts all pixels of a category and is exact; it holds them all. Here only
counts are held: positives, negatives and region weight per bin of scores. A bin is all float32
numbers that share their leading bits (sign, exponent, first digits of the mantissa), so that no
range has to be known before and bins are fine where numbers are small. Images may come in any
order and in any portions, and counts of several processes can be added.

What is lost is the order within a bin. Every metric therefore lies between the value it has when
each bin orders its pixels as well as possible and the one when as badly as possible. With TP and
FP counted before a bin of p positives, n negatives and region weight w, out of P, N and 1:

=======  ==========================================================================================
auroc    a positive gains between the negatives below its bin and these plus n
ap       precision of the bin's j-th positive from (TP + j) / (TP + j + FP + n), of which the sum
         over j is at least p times the mean of the first and the last (it is concave in j), up to
         (TP + p) / (TP + p + FP)
f1_max   from the best at a bin's lower edge, which is a threshold, up to the best with a bin's
         positives and none of its negatives
aupro    the overlap curve passes the bin below by n before it rises by w, or rises before
=======  ==========================================================================================

The result is the middle of both, ``value``, and half their distance, ``error``: the exact metric
lies within ``value ± error`` for every input, up to rounding in float64 (relative 1e-12). With
the 20 bits that are taken if nothing else is asked for a bin is 2⁻¹¹ of its scores wide, and
2²⁰ bins are 25 MB whatever the number of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from .metrics import label_regions

__all__ = ["Bounded", "PixelCounts", "StreamedMetrics"]

FEWEST_BITS, MOST_BITS = 10, 24
SIGN = np.uint32(0x80000000)


@dataclass(frozen=True, slots=True)
class Bounded:
    """A metric that is known to lie within ``value ± error``; both fractions."""

    value: float
    error: float

    @classmethod
    def between(cls, low: float, high: float) -> Self:
        """Return the middle of two bounds, and half their distance."""
        return cls(float(low + high) / 2, float(high - low) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedMetrics:
    """Localisation over all pixels; None without defective or without defect-free pixels."""

    auroc: Bounded | None
    ap: Bounded | None
    aupro: Bounded | None
    f1_max: Bounded | None


class PixelCounts:
    """Counts of pixels by score, to which images are added portion by portion.

    Parameters
    ----------
    bits
        Leading bits of a score that make its bin, 10 to 24: memory is 24 · 2^bits bytes, a bin's
        width 2^(9 − bits) of its scores.

    Raises
    ------
    ValueError
        ``bits`` is out of range.
    """

    def __init__(self, bits: int = 20) -> None:
        if not FEWEST_BITS <= bits <= MOST_BITS:
            raise ValueError(f"bits {bits}; expected {FEWEST_BITS} to {MOST_BITS}")
        self.bits = bits
        self._positives = np.zeros(2**bits, dtype=np.int64)
        self._negatives = np.zeros(2**bits, dtype=np.int64)
        self._weight = np.zeros(2**bits)  # Σ 1 / (pixels of the region), over all regions so far
        self._regions = 0

    def add(self, maps: np.ndarray, masks: np.ndarray) -> None:
        """Count the pixels of some images.

        Parameters
        ----------
        maps
            Finite anomaly maps ``float32 [N, H, W]``, on one scale with all others.
        masks
            ``uint8`` or ``bool [N, H, W]``, non-zero = defective.

        Raises
        ------
        ValueError
            Shapes differ, the maps are not float32, or a pixel is not finite.
        """
        maps, masks = np.asarray(maps), np.asarray(masks)
        if maps.ndim != 3 or maps.shape != masks.shape:
            raise ValueError(f"maps {maps.shape} and masks {masks.shape}; expected two [N, H, W]")
        if maps.dtype != np.float32:
            raise ValueError(f"maps of {maps.dtype}; expected float32")
        if not np.isfinite(maps).all():
            raise ValueError("maps hold NaN or infinity; expected finite numbers")
        if not maps.size:
            return
        defective = masks != 0
        bins = self._bins(maps)
        # Scores of one category fill a small part of all bins: only that is touched.
        first = int(bins.min())
        bins -= first
        width = int(bins.max()) + 1
        there = slice(first, first + width)
        counted = np.bincount(bins.ravel(), minlength=width)
        regions, count = label_regions(defective)
        if count:
            found, region = bins[defective], regions[defective]
            positives = np.bincount(found, minlength=width)
            weights = 1.0 / np.bincount(region)[region]
            self._weight[there] += np.bincount(found, weights=weights, minlength=width)
            self._positives[there] += positives
            counted -= positives
        self._negatives[there] += counted
        self._regions += count

    def __iadd__(self, other: PixelCounts) -> Self:
        """Add another's counts of other images.

        Raises
        ------
        ValueError
            Its bins are others.
        """
        if other.bits != self.bits:
            raise ValueError(f"counts of {other.bits} bits; expected {self.bits}")
        self._positives += other._positives
        self._negatives += other._negatives
        self._weight += other._weight
        self._regions += other._regions
        return self

    def metrics(self, fpr_limit: float = 0.3) -> StreamedMetrics:
        """Return every metric of what was counted so far, with its error.

        Parameters
        ----------
        fpr_limit
            Largest false-positive rate of the overlap curve, in (0, 1].

        Raises
        ------
        ValueError
            ``fpr_limit`` is out of range.
        """
        if not 0 < fpr_limit <= 1:
            raise ValueError(f"fpr_limit {fpr_limit}; expected a rate in (0, 1]")
        if not self._positives.any() or not self._negatives.any():
            return StreamedMetrics(auroc=None, ap=None, aupro=None, f1_max=None)
        used = np.flatnonzero(self._positives + self._negatives)[::-1]
        p, n = self._positives[used], self._negatives[used]
        w = self._weight[used] / self._regions
        return StreamedMetrics(
            auroc=_auroc(p, n),
            ap=_average_precision(p, n),
            aupro=_overlap_area(n, w, fpr_limit),
            f1_max=_f1_max(p, n),
        )

    def _bins(self, maps: np.ndarray) -> np.ndarray:
        """Return each score's bin, ascending with the score, ``int64``."""
        # Adding zero makes the negative zero a positive one, its equal.
        pattern = (maps + np.float32(0)).view(np.uint32)
        # As integers, positive floats are in order and negative ones in reverse.
        ordered = np.where(pattern & SIGN, ~pattern, pattern | SIGN)
        return (ordered >> np.uint32(32 - self.bits)).astype(np.int64)


def _before(counts: np.ndarray) -> np.ndarray:
    """Return how many come before each bin, highest scores first."""
    return np.cumsum(counts) - counts


def _auroc(p: np.ndarray, n: np.ndarray) -> Bounded:
    pairs = int(p.sum()) * int(n.sum())
    below = n.sum() - np.cumsum(n)
    low = _sum_of_products(p, below) / pairs
    return Bounded.between(low, low + _sum_of_products(p, n) / pairs)


def _sum_of_products(left: np.ndarray, right: np.ndarray) -> float:
    """Return Σ left · right in float64: int64 would overflow beyond 3e9 pixels of each kind."""
    return float(left.astype(np.float64) @ right.astype(np.float64))


def _average_precision(p: np.ndarray, n: np.ndarray) -> Bounded:
    some = p > 0
    tp, fp, p, n = _before(p)[some], _before(n)[some], p[some], n[some]
    first = (tp + 1) / (tp + 1 + fp + n)
    last = (tp + p) / (tp + p + fp + n)
    low = float(p @ (first + last)) / 2
    high = float(p @ ((tp + p) / (tp + p + fp)))
    return Bounded.between(low / p.sum(), min(1.0, high / p.sum()))


def _f1_max(p: np.ndarray, n: np.ndarray) -> Bounded:
    tp, fp, total = np.cumsum(p), np.cumsum(n), p.sum()
    low = 2 * tp / (tp + fp + total)
    high = 2 * tp / (tp + fp - n + total)
    return Bounded.between(float(low.max()), float(high.max()))


def _overlap_area(n: np.ndarray, w: np.ndarray, limit: float) -> Bounded:
    ends = np.minimum(np.cumsum(n) / n.sum(), limit)
    widths = np.diff(ends, prepend=0.0)
    after = np.minimum(np.cumsum(w), 1.0)
    before = np.concatenate([[0.0], after[:-1]])
    return Bounded.between(float(widths @ before) / limit, float(widths @ after) / limit)
