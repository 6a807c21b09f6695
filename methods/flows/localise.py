"""Gradient maps: how much each pixel lowers an image's likelihood (DifferNet, section 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate as rotate_tensor

from ...datasets.images import ImageSet
from ..features import FeatureProvider, pooled_scales
from ..views import rotate
from .flow import negative_log_likelihood
from .graphs import Graphs

TRUNCATE = 4.0  # the blur's kernel ends after so many sigma, as scipy's does
BATCH_PIXELS = 2**17  # pixels per forward and backward pass; more is slower on CPU (cache misses)


def gradient_maps(
    images: ImageSet,
    provider: FeatureProvider,
    flow: torch.nn.Module,
    standardise: Callable[[torch.Tensor], torch.Tensor],
    *,
    sizes: Sequence[int],
    stride: int,
    angles: Sequence[float],
    sigma: float,
    batch_scale: float = 1.0,
) -> np.ndarray:
    """Compute anomaly maps from the gradient of the training loss at the input pixels.

    Per rotated view the gradient is rotated back, blurred and made absolute; the mean over views
    and colour channels is squared. Nothing is scaled per image, so maps of different images can be
    compared, and an image's map does not depend on the others.

    Parameters
    ----------
    images
        The images, of side ``sizes[0]``.
    provider
        Of the frozen network. Forward passes through it are kept where they fit into memory, and
        are not part of what scoring takes, as all frozen features.
    flow
        The trained flow, without parameter gradients.
    standardise
        What training did to the features before the flow.
    sizes, stride
        As in `features.pooled_scales`.
    angles
        Rotation of the views in degrees.
    sigma
        Of the Gaussian blur, in pixels.
    batch_scale
        What the number of images in a pass is multiplied with, see `Context.batch_scale`.

    Returns
    -------
    numpy.ndarray
        ``float32 [N, H, W]``.
    """
    maps: list[torch.Tensor] = []
    backbone, side = provider.backbone, max(sizes)
    step = max(1, int(batch_scale * BATCH_PIXELS) // side**2)
    seen = (images.hashes, tuple(sizes), stride, step, tuple(angles))
    share = min(step, len(images)) / max(1, len(images) * len(angles))
    graphs = Graphs(provider, seen, share)
    for start in range(0, len(images), step):
        indices = range(start, min(start + step, len(images)))
        total = torch.zeros(len(indices), side, side, device=backbone.device)
        for angle in angles:

            def make(
                indices: range = indices, angle: float = angle
            ) -> tuple[torch.Tensor, torch.Tensor]:
                views = np.stack([rotate(np.asarray(images[i]), angle) for i in indices])
                pixels = backbone.normalise(views).requires_grad_()
                return pixels, pooled_scales(backbone, pixels, sizes, stride)

            forward = graphs.forward((start, angle), make)
            features = forward.features.detach().requires_grad_()
            # A sum, not a mean: the gradient of an image is the same in every batch.
            loss = negative_log_likelihood(flow, standardise(features)).sum()
            gradient = forward.pull_back(torch.autograd.grad(loss, features)[0])
            total += blur(_rotate_back(gradient, angle), sigma).abs().sum(dim=1)
        maps.append((total / (3 * len(angles))).square())
    return torch.cat(maps).cpu().numpy()


def _rotate_back(gradient: torch.Tensor, angle: float) -> torch.Tensor:
    if angle % 360 == 0:
        return gradient
    return rotate_tensor(gradient, -angle, interpolation=InterpolationMode.BILINEAR)


def blur(maps: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur ``float32 [N, C, H, W]`` with a Gaussian, mirrored at the border, one axis at a time."""
    count, channels, height, width = maps.shape
    radius = min(int(TRUNCATE * sigma + 0.5), height - 1, width - 1)
    if radius < 1:
        return maps
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device=maps.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    flat = maps.reshape(count * channels, 1, height, width)
    flat = functional.pad(flat, (radius, radius, radius, radius), mode="reflect")
    flat = functional.conv2d(flat, kernel.view(1, 1, 1, -1))
    flat = functional.conv2d(flat, kernel.view(1, 1, -1, 1))
    return flat.reshape(count, channels, height, width)
