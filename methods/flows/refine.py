"""The refinement engine: score the training set, keep or weight its images, go on training.

One-shot removal, iterative refinement, MLD-IR's rejection and the soft weights of CoMet and RAD
differ in three choices only: the rule that turns scores into weights, after which epochs it is
applied, and whether what was removed stays removed.

Any rule of location and scale has a breakdown point: once more than a quarter of the images are
anomalous, Q3 itself lies among them and Q3 + k·IQR rejects nothing; median + c·MAD lasts a little
longer and ends the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

GAUSSIAN_MAD = 1.4826  # makes the median absolute deviation of a Gaussian its standard deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """From scores to weights.

    Attributes
    ----------
    spread
        ``"iqr"``: the limit is Q3 + factor · (Q3 − Q1) (RAD, equation 9). ``"mad"``: it is
        median + factor · 1.4826 · MAD.
    factor
        How far beyond the limit lies.
    soft
        Soft: an image beyond the limit weighs limit / score, so scores must be positive. Hard: it
        weighs 0.
    """

    spread: Literal["iqr", "mad"]
    factor: float
    soft: bool = False

    def limit(self, scores: np.ndarray) -> float:
        """Return the score above which an image is suspected."""
        if self.spread == "iqr":
            low, high = np.quantile(scores, [0.25, 0.75])
            return float(high + self.factor * (high - low))
        middle = np.median(scores)
        return float(middle + self.factor * GAUSSIAN_MAD * np.median(np.abs(scores - middle)))

    def weights(self, scores: np.ndarray) -> np.ndarray:
        """Return ``float32 [N]`` in [0, 1] for scores ``[N]``."""
        scores = np.asarray(scores, dtype=np.float64)
        limit = self.limit(scores)
        if not self.soft:
            return (scores <= limit).astype(np.float32)
        if scores.min() <= 0:
            raise ValueError(f"soft weights need positive scores; the smallest is {scores.min():g}")
        return np.minimum(1.0, limit / scores).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """When a rule is applied, and what becomes of the images.

    Attributes
    ----------
    rule
        From scores to weights.
    epochs
        Numbers of finished epochs after which the training set is scored.
    score
        ``"z2"``: mean of z² over views and dimensions; ``"nll"``: the training loss.
    cumulative
        True: only what is left is scored, what was removed stays removed. False: every image is
        judged anew each time.
    fresh_optimiser
        Whether the optimiser forgets its moments after a refinement.
    stop_below
        A cycle that removes a smaller share of all images is the last one.
    min_kept
        A removal that would leave a smaller share of all images is not made and ends refinement.
    """

    rule: Rule
    epochs: tuple[int, ...]
    score: Literal["z2", "nll"] = "z2"
    cumulative: bool = False
    fresh_optimiser: bool = False
    stop_below: float = 0.0
    min_kept: float = 0.0

    def refine(self, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, bool]:
        """Judge the training set.

        Parameters
        ----------
        scores
            ``[N]`` of all training images, higher = more anomalous.
        weights
            ``[N]``, their present weights.

        Returns
        -------
        weights : numpy.ndarray
            ``float32 [N]``.
        more : bool
            False when refinement has come to its end.
        """
        judged = weights > 0 if self.cumulative else np.ones(len(weights), dtype=bool)
        proposed = np.zeros(len(weights), dtype=np.float32)
        proposed[judged] = self.rule.weights(scores[judged])
        if self.rule.soft:
            return proposed, True
        kept, before = np.count_nonzero(proposed), np.count_nonzero(judged)
        if kept < self.min_kept * len(weights):
            return weights, False
        removed = before - kept
        return proposed, bool(removed > 0 and removed >= self.stop_below * len(weights))


def cycles(total: int, warm_up: int, count: int) -> tuple[int, ...]:
    """Return up to ``count`` refinements: after ``warm_up`` epochs, then evenly until the end.

    The last epochs are left for training on the refined set: none falls on ``total`` itself.
    """
    step = max(1, (total - warm_up) // count)
    return tuple(epoch for i in range(count) if 0 < (epoch := warm_up + i * step) < total)


def every(total: int, step: int) -> tuple[int, ...]:
    """Return the multiples of ``step`` before ``total``."""
    return tuple(range(max(1, step), total, max(1, step)))
