"""From a method's raw maps to the maps that are measured."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

__all__ = ["upsample_and_smooth"]


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
