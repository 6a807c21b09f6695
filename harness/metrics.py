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
aupro          area under the mean per-region overlap against the false-positive rate on
               defect-free pixels of all images, for rates up to ``fpr_limit``, divided by it; every
               8-connected region weighs the same, ties are one step, linear at the limit
               (Bergmann et al. 2021; 0.3 there)
=============  ====================================================================================

An undefined metric is None, never 0 and never NaN: without anomalous samples all are; without
nominal samples the ranking metrics (auroc, ap, f1_max, aupro) are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .ranking import average_precision, f1_max, overlap_area, rank, roc_area

__all__ = [
    "EVALUATION",
    "ImageMetrics",
    "PixelMetrics",
    "image_metrics",
    "pixel_metrics",
    "upsample_and_smooth",
]

EVALUATION = "eval/1"
"""Version of these definitions, of the map smoothing and of the threshold rule; part of the key."""


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
    """

    auroc: float | None
    ap: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    f1_max: float | None
    f1_max_threshold: float | None


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
    best = f1_max(ranking) if ranking else (None, None)
    return ImageMetrics(
        auroc=roc_area(ranking) if ranking else None,
        ap=average_precision(ranking) if ranking else None,
        precision=precision,
        recall=recall,
        f1=f1,
        f1_max=best[0],
        f1_max_threshold=best[1],
    )


def _at_threshold(
    predicted: np.ndarray, labels: np.ndarray
) -> tuple[float, float, float] | tuple[None, None, None]:
    positives, called = int(labels.sum()), int(predicted.sum())
    if positives == 0:
        return None, None, None
    hits = int((predicted & labels).sum())
    return hits / max(called, 1), hits / positives, 2 * hits / (called + positives)


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
    eight = np.zeros((3, 3, 3), dtype=bool)
    eight[1] = True  # eight neighbours within an image, none in the next image
    regions = np.empty(defective.shape, dtype=np.int32)
    ndimage.label(defective, structure=eight, output=regions)
    region = regions[defective]
    sizes = np.bincount(region)  # regions count from 1; entry 0, the background, is empty
    return 1.0 / (sizes[region] * (len(sizes) - 1.0))


def upsample_and_smooth(maps: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """Bring raw maps to the evaluated resolution: bilinear upsampling, then a Gaussian.

    Both steps are linear and separable, so each axis is one matrix: ``out = A · map · Bᵀ``. It is
    applied in float64, which keeps equal scores equal and the result independent of the BLAS.

    Parameters
    ----------
    maps
        ``float32 [N, h, w]`` with h, w ≤ ``size``.
    size
        Side of the result in pixels.
    sigma
        Standard deviation of the Gaussian in pixels of the result, 0 = none; cut at 4 sigma,
        mirrored at the border (``scipy.ndimage.gaussian_filter``'s defaults).

    Returns
    -------
    numpy.ndarray
        ``float32 [N, size, size]``.

    Raises
    ------
    ValueError
        Not three axes, a map larger than ``size``, or a negative ``sigma``.
    """
    if maps.ndim != 3 or not 0 < max(maps.shape[1:]) <= size:
        raise ValueError(f"maps {maps.shape}; expected [N, h, w] with sides of at most {size}")
    if not 0 <= sigma < np.inf:
        raise ValueError(f"sigma {sigma}; expected 0 or a positive number of pixels")
    rows, columns = (_resampling_matrix(side, size, sigma) for side in maps.shape[1:])
    out = np.empty((len(maps), size, size), dtype=np.float32)
    for index, raw in enumerate(maps):
        out[index] = rows @ raw.astype(np.float64) @ columns.T
    return out


def _resampling_matrix(side: int, size: int, sigma: float) -> np.ndarray:
    """Return ``float64 [size, side]``: pixel centres aligned as torch's ``align_corners=False``."""
    position = np.clip((np.arange(size) + 0.5) * (side / size) - 0.5, 0, side - 1)
    left = np.minimum(position.astype(np.intp), max(side - 2, 0))
    share = position - left
    matrix = np.zeros((size, side))
    matrix[np.arange(size), left] = 1 - share
    matrix[np.arange(size), np.minimum(left + 1, side - 1)] += share
    if sigma > 0:
        matrix = ndimage.gaussian_filter1d(matrix, sigma, axis=0, mode="reflect", truncate=4.0)
    return matrix
