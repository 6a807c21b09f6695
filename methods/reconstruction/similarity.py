"""How alike two images are at every pixel: SSIM and gradient magnitude similarity."""

from __future__ import annotations

import torch
from kornia.filters import median_blur
from kornia.metrics import ssim
from torch.nn import functional

WINDOW = 11  # pixels, with σ = 1.5: Wang et al., 2004
# Xue et al. (GMSD, 2014): 170 for values up to 255, here for values up to 1.
GRADIENT_CONSTANT = 0.0026
SCALES = 4
EPSILON = 1e-12  # inside the root, whose slope at zero is infinite


def ssim_error(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return 1 − SSIM at every pixel, averaged over channels.

    An 11 × 11 Gaussian window with σ = 1.5, K₁ = 0.01 and K₂ = 0.03; the border is mirrored.

    Parameters
    ----------
    first, second
        ``float32 [N, C, h, w]`` in [0, 1], sides of at least 6 pixels.

    Returns
    -------
    torch.Tensor
        ``float32 [N, h, w]`` in [0, 2].
    """
    return 1 - ssim(first, second, window_size=WINDOW).mean(dim=1)


def gradient_magnitude(images: torch.Tensor) -> torch.Tensor:
    """Return the length of the Prewitt gradient of the channels' mean, ``float32 [N, 1, h, w]``.

    Speckles are taken out by a 3 × 3 median first. Borders are repeated, so that a constant image
    has no gradient anywhere.
    """
    grey = median_blur(images.mean(dim=1, keepdim=True), (3, 3))
    slope = torch.tensor([-1.0, 0.0, 1.0], device=images.device, dtype=images.dtype) / 3
    across = slope.repeat(3, 1)
    kernel = torch.stack([across, across.T])[:, None]
    padded = functional.pad(grey, (1, 1, 1, 1), mode="replicate")
    gradient = functional.conv2d(padded, kernel)
    return (gradient.square().sum(dim=1, keepdim=True) + EPSILON).sqrt()


def gms_error(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return 1 − gradient magnitude similarity, ``float32 [N, 1, h, w]`` in [0, 1].

    Parameters
    ----------
    first, second
        ``float32 [N, C, h, w]`` in [0, 1].
    """
    a, b = gradient_magnitude(first), gradient_magnitude(second)
    return 1 - (2 * a * b + GRADIENT_CONSTANT) / (a.square() + b.square() + GRADIENT_CONSTANT)


def multiscale_gms_errors(first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
    """Return `gms_error` at four scales, each half the one before (RIAD, equation 4)."""
    errors = [gms_error(first, second)]
    for _ in range(SCALES - 1):
        first, second = functional.avg_pool2d(first, 2), functional.avg_pool2d(second, 2)
        errors.append(gms_error(first, second))
    return errors


def multiscale_gms_loss(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the mean over scales of the mean error, a scalar in [0, 1]."""
    return torch.stack([error.mean() for error in multiscale_gms_errors(first, second)]).mean()


def multiscale_gms_map(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the mean over scales of the errors, resized to the finest: ``float32 [N, h, w]``."""
    size = first.shape[-2:]
    resized = [
        functional.interpolate(error, size=size, mode="bilinear", align_corners=False)
        for error in multiscale_gms_errors(first, second)
    ]
    return torch.stack(resized).mean(dim=0)[:, 0]


def mean_filter(maps: torch.Tensor, side: int) -> torch.Tensor:
    """Average each pixel's ``side`` × ``side`` neighbourhood, zeros beyond the border.

    Parameters
    ----------
    maps
        ``float32 [N, h, w]``.
    side
        Odd; 1 changes nothing.
    """
    return functional.avg_pool2d(maps[:, None], side, stride=1, padding=side // 2)[:, 0]
