"""What is stored about one cell, image by image: what figures and detail views are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Evidence", "EvidenceSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything stored about one cell, image by image.

    Arrays are to be read, never written to. N test images, M training images.

    Attributes
    ----------
    key
        Of the cell.
    ids
        Of the test images, N.
    hashes
        Of their files, SHA-256, N.
    labels_N
        ``bool [N]``, True = anomalous.
    scores_N
        ``float64 [N]``, higher = more anomalous.
    threshold
        The label-free threshold; None where the cell has none.
    train_scores_M
        ``float64 [M]``, comparable with ``scores_N``; None where there are none.
    train_injected_M
        ``bool [M]``, True = an anomaly that was labelled nominal; None as ``train_scores_M``.
    maps_NHW
        ``float32 [N, h, w]``, raw maps at the method's resolution; None where the run kept none.
    image_size
        Side of the square images and of the measured maps, in pixels.
    measured_map
        Map of test image i as its pixel metrics are taken from it: ``float32 [S, S]``, brought to
        ``image_size``, smoothed, and stretched where the evaluation does so; None without maps, or
        where the store does not say how they were smoothed.
    image
        Test image i as ``uint8 [S, S, 3]``; None where the very file is not at hand.
    mask
        Ground truth of test image i as ``bool [S, S]``: empty for a nominal image; None where it is
        not at hand, or where the dataset has none for an anomalous image.
    """

    key: str
    ids: tuple[str, ...]
    hashes: tuple[str, ...]
    labels_N: np.ndarray  # noqa: N815
    scores_N: np.ndarray  # noqa: N815
    threshold: float | None
    train_scores_M: np.ndarray | None  # noqa: N815
    train_injected_M: np.ndarray | None  # noqa: N815
    maps_NHW: np.ndarray | None  # noqa: N815
    image_size: int
    measured_map: Callable[[int], np.ndarray | None]
    image: Callable[[int], np.ndarray | None]
    mask: Callable[[int], np.ndarray | None]


EvidenceSource = Callable[[str], Evidence | None]
"""Cell key → evidence; None where the store has no sound, finished result of it."""
