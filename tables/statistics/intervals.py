"""Confidence intervals: of a mean over seeds, and of a single run by its test images.

They answer different questions. The one over seeds says how far a repetition with another draw and
another initialisation may fall; the one over test images how far another test set of the same kind
may. A single run has the second only, and its table says which it shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
# Resampled scores held at a time; more would only take memory.
_BATCH = 2_000_000


class Over(Enum):
    """What an interval is taken over."""

    SEEDS = "seeds"
    TEST_IMAGES = "test images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval, in the unit of the values that it was made from."""

    low: float
    high: float
    over: Over
    confidence: float = CONFIDENCE


def seed_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Return Student's interval of the mean; None for fewer than two values.

    Parameters
    ----------
    values
        One per seed, taken as independent and near enough to normal.
    confidence
        Probability of covering the true mean.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or not np.isfinite(data).all() or not 0 < confidence < 1:
        raise ValueError(f"values {data.shape} at {confidence}; expected [N] finite numbers")
    if len(data) < 2:
        return None
    return mean_interval(float(data.mean()), float(data.std(ddof=1)), len(data), confidence)


def mean_interval(mean: float, sd: float, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return Student's interval from a mean, a sample standard deviation and n ≥ 2 seeds."""
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * sd / math.sqrt(n)
    return Interval(low=mean - half, high=mean + half, over=Over.SEEDS, confidence=confidence)


def of_fraction(interval: Interval) -> Interval:
    """Cut an interval to [0, 1], beyond which the mean of fractions cannot lie.

    Student's interval of few seeds near an end of the scale reaches beyond it.
    """
    return replace(interval, low=max(interval.low, 0.0), high=min(interval.high, 1.0))


def image_interval(
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Return a bootstrap interval of the image AUROC of a single run.

    Nominal and anomalous test images are resampled apart, as test sets are composed by hand. The
    interval is the percentile one: it stays within [0, 1], and it has no width where every anomaly
    scores above every nominal image, as resampling those images cannot do better or worse.

    Parameters
    ----------
    scores
        ``[N]`` image scores, higher = more anomalous.
    labels
        ``[N]``, true for anomalous.
    seed
        Of the resampling; the same seed gives the same interval.
    resamples
        Number of bootstrap samples.

    Returns
    -------
    Interval or None
        Of a fraction; None where a kind of image has fewer than two.
    """
    from scipy.stats import bootstrap

    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    if scores.shape != labels.shape or scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(f"scores {scores.shape}, labels {labels.shape}; expected [N] finite each")
    anomalous, nominal = scores[labels], scores[~labels]
    if min(len(anomalous), len(nominal)) < 2:
        return None
    found = bootstrap(
        (anomalous, nominal),
        auroc,
        n_resamples=resamples,
        batch=max(1, _BATCH // len(scores)),
        vectorized=True,
        paired=False,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(
        low=float(found.low), high=float(found.high), over=Over.TEST_IMAGES, confidence=confidence
    )


def auroc(anomalous: np.ndarray, nominal: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the AUROC along the last axis by mid-ranks (Mann–Whitney), ties counting one half.

    Parameters
    ----------
    anomalous, nominal
        ``[..., P]`` and ``[..., N]`` scores.
    axis
        Only the last one, as ``scipy.stats.bootstrap`` asks for it.
    """
    from scipy.stats import rankdata

    if axis not in (-1, anomalous.ndim - 1):
        raise ValueError(f"axis {axis}: expected the last one")
    p, n = anomalous.shape[-1], nominal.shape[-1]
    ranks = rankdata(np.concatenate([anomalous, nominal], axis=-1), axis=-1)
    return (ranks[..., :p].sum(axis=-1) - p * (p + 1) / 2) / (p * n)
