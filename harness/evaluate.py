"""From the scores of one cell to its row: every metric by the one definition in `metrics`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.images import load_mask
from ..datasets.seeds import derive_seed
from . import metrics
from .cell import Cell
from .evaluations import PER_IMAGE_MINMAX
from .task import Sample
from .threshold import iqr_threshold

if TYPE_CHECKING:
    from ..methods.base import Scores
    from .fitting import Fitted


def evaluate(
    scores: Scores, fitted: Fitted, train: tuple[Sample, ...], test: tuple[Sample, ...], cell: Cell
) -> dict[str, Any]:
    """Compute every metric of a cell, under the frame's column names.

    Pixel metrics are None where the method does not localise or an anomalous image has no mask.
    ``scores`` are `minmax.stretched_scores` where the cell's evaluation asks for them; there is no
    threshold then, as no training map was stretched, and no metric that needs one.
    """
    stretched = cell.evaluation == PER_IMAGE_MINMAX
    known = fitted.train_scores.image.size and not stretched
    threshold = iqr_threshold(fitted.train_scores.image) if known else None
    sigma = 0.0 if stretched else fitted.method.smoothing_sigma
    labels = np.array([sample.anomalous for sample in test], dtype=bool)
    return {
        "threshold": threshold,
        **_image(scores.image, labels, threshold),
        **_balanced(scores.image, labels, threshold, balanced_subset(test, cell)),
        **_pixel(scores, test, cell.image_size, sigma),
        **_removal(fitted.train_weights, train),
    }


def _image(
    scores: np.ndarray, labels: np.ndarray, threshold: float | None
) -> dict[str, float | None]:
    found = _measured(scores, labels, threshold)
    return {
        "image_auroc": found.auroc,
        "image_ap": found.ap,
        "precision": found.precision,
        "recall": found.recall,
        "f1": found.f1,
        "f1_max": found.f1_max,
        "precision_f1max": found.precision_f1max,
        "recall_f1max": found.recall_f1max,
    }


def _balanced(
    scores: np.ndarray, labels: np.ndarray, threshold: float | None, chosen: np.ndarray
) -> dict[str, float | None]:
    found = _measured(scores[chosen], labels[chosen], threshold)
    return {
        "precision_balanced": found.precision,
        "recall_balanced": found.recall,
        "f1_balanced": found.f1,
        "f1_max_balanced": found.f1_max,
    }


def _measured(
    scores: np.ndarray, labels: np.ndarray, threshold: float | None
) -> metrics.ImageMetrics:
    """Measure image-level detection; without a threshold nothing that is taken at one."""
    if threshold is not None:
        return metrics.image_metrics(scores, labels, threshold)
    found = metrics.image_metrics(scores, labels, 0.0)
    return replace(found, precision=None, recall=None, f1=None)


def balanced_subset(test: tuple[Sample, ...], cell: Cell) -> np.ndarray:
    """Choose as many nominal as anomalous test images, all of the rarer kind.

    The draw depends on dataset, category, seed and image only: every method is measured on the
    same images, and an image's place in the draw does not depend on which others are tested.

    Returns
    -------
    numpy.ndarray
        Indices into ``test``, ascending; empty where one kind is missing.
    """

    def place(index: int) -> int:
        return derive_seed("balanced", cell.dataset, cell.category, cell.seed, test[index].id)

    kinds = [
        sorted((i for i, sample in enumerate(test) if sample.anomalous is kind), key=place)
        for kind in (False, True)
    ]
    size = min(map(len, kinds))
    return np.array(sorted(kinds[0][:size] + kinds[1][:size]), dtype=np.intp)


def _pixel(
    scores: Scores, test: tuple[Sample, ...], size: int, sigma: float
) -> dict[str, float | None]:
    if scores.maps is None or any(s.anomalous and s.mask_path is None for s in test):
        return dict.fromkeys(("pixel_auroc", "pixel_ap", "aupro"))
    maps = metrics.upsample_and_smooth(scores.maps, size, sigma)
    masks = np.stack(
        [load_mask(s.mask_path if s.anomalous else None, (size, size), s.mask_sha256) for s in test]
    )
    found = metrics.pixel_metrics(maps, masks)
    return {"pixel_auroc": found.auroc, "pixel_ap": found.ap, "aupro": found.aupro}


def _removal(weights: np.ndarray | None, train: tuple[Sample, ...]) -> dict[str, float | None]:
    if weights is None:
        return dict.fromkeys(("removal_precision", "removal_recall", "removed"))
    injected = np.array([sample.injected for sample in train], dtype=bool)
    found = metrics.removal_metrics(weights, injected)
    return {
        "removal_precision": found.precision,
        "removal_recall": found.recall,
        "removed": found.removed,
    }


def score_arrays(
    scores: Scores,
    fitted: Fitted,
    train: tuple[Sample, ...],
    test: tuple[Sample, ...],
    threshold: float | None,
) -> dict[str, np.ndarray]:
    """Return what is kept so that image metrics can be recomputed without running again.

    A threshold that there is none of is NaN.
    """
    arrays = {
        "test_scores": scores.image,
        "test_labels": np.array([s.anomalous for s in test], dtype=bool),
        "train_scores": fitted.train_scores.image,
        "train_injected": np.array([s.injected for s in train], dtype=bool),
        "threshold": np.array(np.nan if threshold is None else threshold, dtype=np.float64),
    }
    if fitted.train_weights is not None:
        arrays["train_weights"] = fitted.train_weights
    return arrays
