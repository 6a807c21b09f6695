"""Metrics of a stored cell, computed again from its scores and maps: no image, no model, no GPU."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.images import load_mask
from . import metrics
from .cell import Cell
from .evaluate import balanced_subset
from .evaluations import PER_IMAGE_MINMAX
from .minmax import stretch
from .task import Sample
from .threshold import iqr_threshold

# Scores and images.json say nothing about pixels: these need maps and masks.
FROM_PIXELS = ("pixel_auroc", "pixel_ap", "aupro")


def remeasure(
    arrays: Mapping[str, np.ndarray], tested: Sequence[Mapping[str, Any]], cell: Cell
) -> dict[str, float | None]:
    """Compute everything that follows from scores and labels.

    Parameters
    ----------
    arrays
        ``scores.npz`` of the cell.
    tested
        Test images of its ``images.json``, in the order of the scores.
    cell
        The cell; dataset, category and seed decide the balanced subset.

    Returns
    -------
    dict
        Column of the frame → value, None where undefined; all but `FROM_PIXELS`.

    Raises
    ------
    ValueError
        Scores and images that do not belong together.
    """
    scores, labels = arrays["test_scores"], np.asarray(arrays["test_labels"], dtype=bool)
    if [bool(image["anomalous"]) for image in tested] != labels.tolist():
        raise ValueError("labels in scores.npz are not those of images.json")
    has_threshold = bool(np.isfinite(arrays["threshold"]))
    threshold = iqr_threshold(arrays["train_scores"]) if has_threshold else None
    samples = tuple(
        Sample(id=image["id"], path=Path(), sha256=image["sha256"], anomalous=image["anomalous"])
        for image in tested
    )
    chosen = balanced_subset(samples, cell)
    whole = metrics.image_metrics(scores, labels, threshold or 0.0)
    part = metrics.image_metrics(scores[chosen], labels[chosen], threshold or 0.0)
    found: dict[str, float | None] = {
        "image_auroc": whole.auroc,
        "image_ap": whole.ap,
        "f1_max": whole.f1_max,
        "precision_f1max": whole.precision_f1max,
        "recall_f1max": whole.recall_f1max,
        "f1_max_balanced": part.f1_max,
        "threshold": threshold,
        "precision": whole.precision,
        "recall": whole.recall,
        "f1": whole.f1,
        "precision_balanced": part.precision,
        "recall_balanced": part.recall,
        "f1_balanced": part.f1,
    }
    if threshold is None:
        # Nothing that is taken at a threshold exists without one.
        found |= dict.fromkeys(name for name in found if name.split("_")[0] in _AT_THRESHOLD)
        found |= {"f1_max": whole.f1_max, "f1_max_balanced": part.f1_max}
        found |= {"precision_f1max": whole.precision_f1max, "recall_f1max": whole.recall_f1max}
    return found | _removal(arrays)


def remeasure_pixels(
    raw: np.ndarray,
    tested: Sequence[Mapping[str, Any]],
    cell: Cell,
    sigma: float,
    mask: Callable[[str], bytes],
) -> dict[str, float | None]:
    """Compute the metrics `FROM_PIXELS` from raw maps and mask files.

    Parameters
    ----------
    raw
        ``float32 [N, h, w]``, in the order of ``tested``.
    tested, cell
        As of `remeasure`.
    sigma
        What the method's maps are smoothed with, in pixels.
    mask
        Gives the bytes of a mask file by its sha256.

    Raises
    ------
    ValueError
        Maps and images that do not belong together.
    """
    if len(raw) != len(tested):
        raise ValueError(f"{len(raw)} maps for {len(tested)} images")
    # An empty mask would call an anomaly nominal: without all of them there is nothing to measure.
    if any(image["anomalous"] and not image["mask_sha256"] for image in tested):
        return dict.fromkeys(FROM_PIXELS)
    size = cell.image_size
    maps = metrics.upsample_and_smooth(raw, size, sigma)
    if cell.evaluation == PER_IMAGE_MINMAX:
        maps = stretch(maps)
    files = [io.BytesIO(mask(i["mask_sha256"])) if i["anomalous"] else None for i in tested]
    masks = np.stack([load_mask(file, (size, size)) for file in files])
    found = metrics.pixel_metrics(maps, masks)
    return {"pixel_auroc": found.auroc, "pixel_ap": found.ap, "aupro": found.aupro}


_AT_THRESHOLD = ("precision", "recall", "f1")


def _removal(arrays: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    if "train_weights" not in arrays:
        return dict.fromkeys(("removal_precision", "removal_recall", "removed"))
    found = metrics.removal_metrics(arrays["train_weights"], arrays["train_injected"])
    return {
        "removal_precision": found.precision,
        "removal_recall": found.recall,
        "removed": found.removed,
    }
