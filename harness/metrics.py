"""The one definition of every metric, for every method alike.

Notation: s⁺ scores of anomalous samples, s⁻ of nominal ones; TP, FP, FN, P the usual counts.
A sample is an image (image metrics) or a pixel of any test image of the category, good images
included (pixel metrics). All values are fractions in [0, 1].

=============  ====================================================================================
auroc          P(s⁺ > s⁻) + ½ P(s⁺ = s⁻)  (Mann–Whitney; Hanley and McNeil 1982)
ap             Σ over distinct thresholds, descending, of (Rₖ − Rₖ₋₁)·Precisionₖ  (as scikit-learn)
precision      TP / (TP + FP) at score > threshold; 0 when nothing is predicted anomalous
recall         TP / P at score > threshold
f1             2 TP / (2 TP + FP + FN) at score > threshold
f1_max         max of F1 over all distinct thresholds: an *oracle*, it looks at the test labels
…_f1max        precision and recall at the highest threshold that reaches f1_max (score ≥ it)
…_balanced     the same on a subset with as many nominal as anomalous images, all of the rarer
               kind, the same ones for every method (see `evaluate.balanced_subset`): with a
               share of 73 % anomalous images, as MVTec AD has, calling everything anomalous gives
               F1 84; here it gives 67
aupro          area under the mean per-region overlap against the false-positive rate on
               defect-free pixels of all images, for rates up to ``fpr_limit``, divided by it; every
               8-connected region weighs the same, ties are one step, linear at the limit
               (Bergmann et al. 2021; 0.3 there)
removed        Σ rᵢ in images, over the training set, with rᵢ = 1 − wᵢ the share of image i that
               the method left out in the end (``Method.train_weights``)
removal_…      precision Σ rᵢ over injected images / Σ rᵢ, None where nothing was removed
               (Σ rᵢ < 1e-6); recall Σ rᵢ over injected images / number of them, None where none
               is injected. For weights of 0 and 1 these are the usual precision and recall of a
               filter. The truth is the harness's knowledge; the method never sees it
=============  ====================================================================================

An undefined metric is None, never 0 and never NaN: without anomalous samples all are; without
nominal samples the ranking metrics (auroc, ap, f1_max, aupro) are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .evaluations import EVALUATION
from .ranking import average_precision, f1_max, overlap_area, rank, roc_area
from .smoothing import upsample_and_smooth

__all__ = [
    "EVALUATION",
    "ImageMetrics",
    "PixelMetrics",
    "RemovalMetrics",
    "image_metrics",
    "pixel_metrics",
    "removal_metrics",
    "upsample_and_smooth",
]

NOTHING_REMOVED = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMetrics:
    """Image-level detection, as fractions; None where undefined (see the module docstring).

    Attributes
    ----------
    auroc, ap
        Threshold-free ranking quality.
    precision, recall, f1
        At the given, label-free threshold.
    f1_max
        Largest F1 over all thresholds (oracle).
    f1_max_threshold
        Highest score t at which predicting "anomalous" for scores ≥ t reaches ``f1_max``.
    precision_f1max, recall_f1max
        At that threshold (oracle).
    """

    auroc: float | None
    ap: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    f1_max: float | None
    f1_max_threshold: float | None
    precision_f1max: float | None
    recall_f1max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelMetrics:
    """Localisation over all pixels of all test images, as fractions; None where undefined."""

    auroc: float | None
    ap: float | None
    aupro: float | None
    f1_max: float | None


def image_metrics(scores: np.ndarray, labels: np.ndarray, threshold: float) -> ImageMetrics:
    """Measure image-level detection.

    Parameters
    ----------
    scores
        Finite scores ``[N]``, higher = more anomalous.
    labels
        ``bool [N]``, True = anomalous.
    threshold
        Predicted anomalous when the score is greater; from training scores, not from the test set.

    Raises
    ------
    ValueError
        Shapes differ, or a score or the threshold is not finite.
    """
    # float64, so that a float32 score is compared with the threshold itself, not a rounded one
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"scores {scores.shape} and labels {labels.shape}; expected [N] and [N]")
    if not (np.isfinite(scores).all() and np.isfinite(threshold)):
        raise ValueError("scores or threshold hold NaN or infinity; expected finite numbers")
    precision, recall, f1 = _at_threshold(scores > threshold, labels)
    ranking = None
    if labels.any() and not labels.all():
        ranking = rank(scores[labels], scores[~labels])
    best, oracle = (None, None), (None, None, None)
    if ranking:
        best = f1_max(ranking)
        oracle = _at_threshold(scores >= best[1], labels)
    return ImageMetrics(
        auroc=roc_area(ranking) if ranking else None,
        ap=average_precision(ranking) if ranking else None,
        precision=precision,
        recall=recall,
        f1=f1,
        f1_max=best[0],
        f1_max_threshold=best[1],
        precision_f1max=oracle[0],
        recall_f1max=oracle[1],
    )


def _at_threshold(
    predicted: np.ndarray, labels: np.ndarray
) -> tuple[float, float, float] | tuple[None, None, None]:
    positives, called = int(labels.sum()), int(predicted.sum())
    if positives == 0:
        return None, None, None
    hits = int((predicted & labels).sum())
    return hits / max(called, 1), hits / positives, 2 * hits / (called + positives)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalMetrics:
    """What a method left out of its training set, against the injected images.

    Attributes
    ----------
    precision, recall
        Fractions; None where undefined (see the module docstring).
    removed
        Number of images removed; partial removals add up.
    """

    precision: float | None
    recall: float | None
    removed: float


def removal_metrics(weights: np.ndarray, injected: np.ndarray) -> RemovalMetrics:
    """Hold the weights of training images against the truth about them.

    Parameters
    ----------
    weights
        ``[N]`` in [0, 1], 0 = removed.
    injected
        ``bool [N]``, True = an anomaly labelled nominal.

    Raises
    ------
    ValueError
        Shapes differ.
    """
    removed, injected = 1.0 - np.asarray(weights, dtype=np.float64), np.asarray(injected, bool)
    if removed.ndim != 1 or removed.shape != injected.shape:
        raise ValueError(f"weights {removed.shape}, injected {injected.shape}; expected two [N]")
    total, caught, there = removed.sum(), removed[injected].sum(), int(injected.sum())
    return RemovalMetrics(
        # Sums in another order differ by an ulp: a share above 1 would be refused by a table.
        precision=min(1.0, float(caught / total)) if total >= NOTHING_REMOVED else None,
        recall=float(caught / there) if there else None,
        removed=float(total),
    )


def pixel_metrics(maps: np.ndarray, masks: np.ndarray, fpr_limit: float = 0.3) -> PixelMetrics:
    """Measure localisation; one sort of the defect-free and one of the defective pixels.

    Parameters
    ----------
    maps
        Finite anomaly maps ``float32 [N, H, W]`` of all test images of one category on one scale:
        never normalised per image.
    masks
        ``uint8`` or ``bool [N, H, W]``, non-zero = defective. An anomalous image whose defect is
        not localised must be left out: its empty mask would call its defect nominal.
    fpr_limit
        Largest false-positive rate of the overlap curve, in (0, 1].

    Raises
    ------
    ValueError
        Shapes differ, a pixel is not finite, or ``fpr_limit`` is out of range.
    """
    maps, masks = np.asarray(maps), np.asarray(masks)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape}; expected two [N, H, W]")
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"fpr_limit {fpr_limit}; expected a rate in (0, 1]")
    defective = masks != 0
    positive, negative = maps[defective], maps[~defective]
    if not positive.size or not negative.size:
        if not np.isfinite(maps).all():
            raise ValueError("maps hold NaN or infinity; expected finite numbers")
        return PixelMetrics(auroc=None, ap=None, aupro=None, f1_max=None)
    ranking = rank(positive, negative, _region_weights(defective))
    return PixelMetrics(
        auroc=roc_area(ranking),
        ap=average_precision(ranking),
        aupro=overlap_area(ranking, fpr_limit),
        f1_max=f1_max(ranking)[0],
    )


def _region_weights(defective: np.ndarray) -> np.ndarray:
    """Weigh every defective pixel 1 / (size of its region · number of regions), ``float64 [P]``."""
    region = label_regions(defective)[0][defective]
    sizes = np.bincount(region)  # regions count from 1; entry 0, the background, is empty
    return 1.0 / (sizes[region] * (len(sizes) - 1.0))


def label_regions(defective: np.ndarray) -> tuple[np.ndarray, int]:
    """Give the 8-connected regions of ``bool [N, H, W]`` numbers, from 1 over all images.

    Returns
    -------
    tuple
        ``int32 [N, H, W]``, 0 outside regions, and how many there are.
    """
    eight = np.zeros((3, 3, 3), dtype=bool)
    eight[1] = True  # eight neighbours within an image, none in the next image
    regions = np.empty(defective.shape, dtype=np.int32)
    ndimage.label(defective, structure=eight, output=regions)
    return regions, int(regions.max(initial=0))
