"""Whether nominal features are taken to lie on a manifold or inside a hypersphere.

GLASS decides this per category, from the spectrum of the mean training image: where it is smooth
and simple, as of objects that lie at any angle, features are taken to surround one centre. Near
the thresholds the answer depends on which images the mean is taken of.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE, BLUR = 289, 39  # pixels (official code)
# 20 · ln of the magnitude that makes a frequency count (official code).
BRIGHT = 170.0
DENSE, WIDE, MANY = 0.21, 12.0, 60  # (official code)


def is_hypersphere(mean_image: np.ndarray) -> bool:
    """Judge a category by its mean training image, as GLASS's official code can be told to.

    The blurred grey image's bright frequencies have to be many, reach far, and fill the diamond
    or the disc that they span.

    Parameters
    ----------
    mean_image
        ``uint8 [H, W, 3]``.
    """
    from scipy.ndimage import uniform_filter

    square = Image.fromarray(mean_image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    grey = np.asarray(square.convert("L"), dtype=np.float32)
    # "mirror" is how OpenCV's blur continues an image behind its border; it rounds to grey levels.
    blurred = np.rint(uniform_filter(grey, BLUR, mode="mirror"))
    magnitude = np.abs(np.fft.fftshift(np.fft.fft2(blurred)))
    rows, columns = np.nonzero(20 * np.log(magnitude + 1e-12) > BRIGHT)
    down, right = np.abs(rows - SIDE // 2), np.abs(columns - SIDE // 2)
    reach = float(np.hypot(down, right).max(initial=0))
    diamond = 4 * max(right.max(initial=0), 1) * max(down.max(initial=0), 1)
    grid = np.hypot(*np.mgrid[-SIDE:SIDE, -SIDE:SIDE])
    filled = max(len(rows) / diamond, len(rows) / (grid <= reach).sum())
    return bool(filled > DENSE and reach > WIDE and len(rows) > MANY)
