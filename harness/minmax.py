"""An evaluation that no method should be judged by: each map stretched to [0, 1] by itself.

It makes a known fault visible. A map's own minimum and maximum are lost, so that the background of
a nominal image reaches as high as a defect; all that is left for the image score is the range of
the map. Its cells stand beside the ordinary ones and share their fits and their scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .smoothing import upsample_and_smooth

if TYPE_CHECKING:
    from ..methods.base import Method, Scores

__all__ = ["stretch", "stretched_scores"]

# Keeps a flat map from a division by zero, and an image's score from being just 1.
EPSILON = np.float32(1e-6)


def stretch(maps: np.ndarray) -> np.ndarray:
    """Stretch every map by itself: ``(m - min m) / (max m - min m + 1e-6)``.

    Parameters
    ----------
    maps
        ``float32 [N, H, W]``.

    Returns
    -------
    numpy.ndarray
        ``float32 [N, H, W]`` in [0, 1]. Computed in float32, as the notebook of Saha's study does:
        the largest value is 1 but for its last bits, and these are the image's score.
    """
    maps = np.asarray(maps, dtype=np.float32)
    low = maps.min(axis=(1, 2), keepdims=True)
    high = maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / (high - low + EPSILON)


def stretched_scores(scores: Scores, method: Method, size: int) -> Scores:
    """Return image scores and maps after stretching, at the evaluated resolution.

    Parameters
    ----------
    scores
        As the method returned them.
    method
        Declares the smoothing, which comes first.
    size
        Side of the evaluated maps in pixels.

    Raises
    ------
    ValueError
        There are no maps.
    """
    from ..methods.base import Scores

    if scores.maps is None:
        raise ValueError(f"{method.name} returned no maps; expected them from one that localises")
    maps = stretch(upsample_and_smooth(scores.maps, size, method.smoothing_sigma))
    return Scores(image=maps.max(axis=(1, 2)), maps=maps)
