"""The label-free decision threshold: from scores of the training images alone."""

from __future__ import annotations

import numpy as np

__all__ = ["iqr_threshold"]


def iqr_threshold(train_scores: np.ndarray, k: float = 1.5) -> float:
    """Return Q3 + k · (Q3 − Q1) of the training scores; anomalous means a score above it.

    It needs no label, so it can be used as it would be in a factory. It breaks down once a quarter
    of the training images are mislabelled, for then Q3 lies among the anomalies.

    Parameters
    ----------
    train_scores
        Scores ``[N]`` of the images that were trained on, N ≥ 1, finite.
    k
        Multiple of the interquartile range, ≥ 0.

    Returns
    -------
    float
        The threshold; quartiles by linear interpolation (numpy's default). Source: RAD, eq. 9;
        k = 1.5 is Tukey's fence.

    Raises
    ------
    ValueError
        No scores, a score that is not finite, or a negative k.
    """
    scores = np.asarray(train_scores, dtype=np.float64)
    if scores.ndim != 1 or not scores.size or not np.isfinite(scores).all():
        raise ValueError(f"training scores {scores.shape}; expected [N] finite numbers, N ≥ 1")
    if not 0 <= k < np.inf:
        raise ValueError(f"k {k}; expected a multiple of the interquartile range, 0 or more")
    low, high = np.quantile(scores, [0.25, 0.75])
    return float(high + k * (high - low))
