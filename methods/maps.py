"""Image scores that are read off a finished anomaly map."""

from __future__ import annotations

import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional


def smoothed_maximum(maps: torch.Tensor, size: int, sigma: float) -> torch.Tensor:
    """Return the largest value of each map once it is upsampled and smoothed.

    The image score of methods whose official code takes the maximum after smoothing; done as the
    harness does it to the maps that it measures.

    Parameters
    ----------
    maps
        ``float32 [N, h, w]``.
    size
        Side in pixels that maps are brought to, bilinearly.
    sigma
        Of the Gaussian in pixels at ``size``, mirrored at the border; 0 = none.

    Returns
    -------
    torch.Tensor
        ``float32 [N]``, on the CPU.
    """
    full = maps[:, None]
    if maps.shape[-2:] != (size, size):
        full = functional.interpolate(full, size=(size, size), mode="bilinear")
    smooth = full[:, 0].cpu()
    if sigma > 0:
        smooth = torch.from_numpy(gaussian_filter(smooth.numpy(), (0, sigma, sigma)))
    return smooth.flatten(1).amax(dim=1)
