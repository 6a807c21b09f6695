"""Where an object is, so that synthetic defects lie on it and not beside it."""

from __future__ import annotations

import numpy as np

SMOOTH = 2.0  # pixels of a 256-pixel image; sensor noise and fine texture are no objects
BORDER = 0.03  # share of the side that counts as border
CLEAR_BORDER = 0.9  # share of the border that has to be background
SMALLEST, LARGEST = 0.03, 0.95  # share of the image that an object covers
CONTRAST = 3.0  # object's distance from the border colour, in those of the background


def foreground_mask(image: np.ndarray) -> np.ndarray:
    """Find the object on a plain background; the whole image where there is none.

    Every pixel's distance to the border's median colour is split by Otsu's threshold. A texture,
    or an object that touches the border all around, has no plain background: its mask is full.

    Parameters
    ----------
    image
        ``uint8 [size, size, 3]``.

    Returns
    -------
    numpy.ndarray
        ``bool [size, size]``, never empty.
    """
    from scipy.ndimage import binary_closing, binary_fill_holes, gaussian_filter
    from skimage.filters import threshold_otsu

    size = len(image)
    smooth = gaussian_filter(image.astype(np.float32), (SMOOTH * size / 256,) * 2 + (0,))
    edge = np.ones((size, size), dtype=bool)
    inset = max(1, round(BORDER * size))
    edge[inset:-inset, inset:-inset] = False
    distance = np.abs(smooth - np.median(smooth[edge], axis=0)).max(axis=2)
    full = np.ones((size, size), dtype=bool)
    if np.ptp(distance) == 0:
        return full
    mask = distance > threshold_otsu(distance)
    if (~mask[edge]).mean() < CLEAR_BORDER:
        return full
    if np.median(distance[mask]) < CONTRAST * np.median(distance[~mask]):
        return full
    closed = binary_closing(mask, iterations=max(1, size // 64)) | mask
    mask = np.asarray(binary_fill_holes(closed), dtype=bool)
    return mask if SMALLEST <= mask.mean() <= LARGEST else full
