"""What a threshold sees: counts of anomalous and nominal samples above every distinct score.

Every ranking metric of `harness.metrics` is a sum over the same short table. The table has one row
per *distinct positive score*, because between two of them no positive changes side:

- AUROC and AP sum over positives only;
- F1 falls when a threshold moves down without gaining a positive, so its maximum lies at one;
- the overlap (PRO) curve is flat between two of them, so its area is known from the false-positive
  counts at them.

Hence the many negatives (millions of defect-free pixels) are sorted once, as bare values, and only
the few positives look up their place among them. Counts are int64: a float32 counter stops at
16 777 216, fewer than the pixels of one category.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Ranking", "average_precision", "f1_max", "overlap_area", "rank", "roc_area"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Counts above each of the K distinct scores of positive samples, highest score first.

    Attributes
    ----------
    thresholds
        The distinct scores, strictly descending, ``[K]``.
    positives
        Positives that score at or above each, ``int64 [K]``; the last is all of them.
    negatives
        Negatives that score at or above each, ``int64 [K]``.
    ties
        Negatives that score exactly as much as each, ``int64 [K]``.
    weight
        Total weight of the positives at or above each, ``float64 [K]``; None where they have none.
    n_negative
        Number of negatives.
    """

    thresholds: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray
    ties: np.ndarray
    weight: np.ndarray | None
    n_negative: int


def rank(positive: np.ndarray, negative: np.ndarray, weights: np.ndarray | None = None) -> Ranking:
    """Count samples above every distinct positive score.

    Parameters
    ----------
    positive, negative
        Scores ``[P]`` and ``[M]`` of one dtype, P and M ≥ 1. ``negative`` is sorted in place.
    weights
        ``float64 [P]``, summed along with the positives; None for none.

    Raises
    ------
    ValueError
        A score is NaN or infinite.
    """
    negative.sort()
    order = np.argsort(positive)
    values = positive[order]
    # Infinities and NaN end up at the ends of a sorted array: no pass over the data is needed.
    if not np.isfinite([values[0], values[-1], negative[0], negative[-1]]).all():
        raise ValueError("scores hold NaN or infinity; expected finite numbers")
    first = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    thresholds = values[first]
    below = np.searchsorted(negative, thresholds, side="left")
    upto = np.searchsorted(negative, thresholds, side="right")
    weight = None
    if weights is not None:
        weight = np.cumsum(np.add.reduceat(weights[order], first)[::-1])
    return Ranking(
        thresholds=thresholds[::-1],
        positives=(values.size - first)[::-1],
        negatives=(negative.size - below)[::-1],
        ties=(upto - below)[::-1],
        weight=weight,
        n_negative=negative.size,
    )


def roc_area(table: Ranking) -> float:
    """Return the Mann–Whitney probability that a positive outscores a negative; ties count ½.

    Source: Hanley and McNeil, Radiology 143, 1982. Exact: integers up to the final division.
    """
    gained = np.diff(table.positives, prepend=0)
    twice_below = 2 * (table.n_negative - table.negatives) + table.ties
    return int(gained @ twice_below) / (2 * int(table.positives[-1]) * table.n_negative)


def average_precision(table: Ranking) -> float:
    """Return the step sum Σ (Rₖ − Rₖ₋₁) Pₖ over distinct thresholds, without interpolation.

    Source: ``sklearn.metrics.average_precision_score``; not the trapezoid area under the curve.
    """
    gained = np.diff(table.positives, prepend=0)
    precision = table.positives / (table.positives + table.negatives)
    return min(1.0, float(gained @ precision / table.positives[-1]))


def f1_max(table: Ranking) -> tuple[float, float]:
    """Return the largest F1 over all thresholds and the highest score that reaches it.

    A sample counts as predicted positive when it scores *at or above* the returned threshold.
    """
    f1 = 2 * table.positives / (table.positives + table.negatives + table.positives[-1])
    best = int(np.argmax(f1))
    return float(f1[best]), float(table.thresholds[best])


def overlap_area(table: Ranking, limit: float) -> float:
    """Return the area under the per-region overlap curve up to a false-positive rate, over it.

    The curve joins the points (false-positive rate, mean overlap) of all distinct thresholds by
    straight lines, from (0, 0); at ``limit`` it is interpolated linearly. It is flat wherever only
    negatives are passed, so the two corners at each positive score draw it without loss.

    Parameters
    ----------
    table
        With weights of 1 / (pixels of the region · number of regions), so that they sum to 1.
    limit
        Largest false-positive rate, in (0, 1].

    Returns
    -------
    float
        In [0, 1]. Source: Bergmann et al., IJCV 129, 2021 (limit 0.3).
    """
    assert table.weight is not None
    rate = np.zeros(2 * table.negatives.size + 2)
    overlap = np.zeros_like(rate)
    rate[1:-1:2] = table.negatives - table.ties
    rate[2:-1:2] = table.negatives
    rate[-1] = table.n_negative
    rate /= table.n_negative
    overlap[2:-1:2] = table.weight
    overlap[3::2] = table.weight
    inside = int(np.searchsorted(rate, limit, side="right"))
    if inside < rate.size:
        low, high = inside - 1, inside
        share = (limit - rate[low]) / (rate[high] - rate[low])
        rate[high] = limit
        overlap[high] = overlap[low] + share * (overlap[high] - overlap[low])
        inside += 1
    # The weights of the regions sum to 1 up to rounding: a perfect map may exceed it by an ulp.
    return min(1.0, float(np.trapezoid(overlap[:inside], rate[:inside]) / limit))
