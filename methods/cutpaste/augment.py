"""CutPaste and its scar, drawn for a whole batch at once on its device.

Axis suffixes: N images, S the side in pixels. Lengths are given for an image of `REFERENCE` pixels
and grow with the image.
"""

from __future__ import annotations

import math

import torch
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_hue,
    adjust_saturation_with_gray_subtraction,
)
from torch.nn import functional

REFERENCE = 256  # pixels, the paper's image size
AREA = (0.02, 0.15)  # of a patch, as a share of the image
ASPECT = 0.3  # of a patch, or its reciprocal, up to 1
SCAR_WIDTH, SCAR_LENGTH = (2.0, 16.0), (10.0, 25.0)  # pixels
SCAR_DEGREES = 45.0


def jitter(images: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Change brightness, contrast, saturation and hue of each image at random.

    Parameters
    ----------
    images
        ``float32 [N, 3, S, S]`` in [0, 1].
    strength
        The three factors lie within 1 ± strength, the hue moves by up to this share of its circle.
    generator
        A CPU generator.

    Returns
    -------
    torch.Tensor
        As ``images``.
    """
    if strength == 0:
        return images
    change = strength * (2 * torch.rand(4, len(images), generator=generator) - 1)
    change = change.to(images.device)
    images = adjust_brightness_accumulative(images, 1 + change[0])
    images = adjust_contrast_with_mean_subtraction(images, 1 + change[1])
    images = adjust_saturation_with_gray_subtraction(images, 1 + change[2])
    return adjust_hue(images, 2 * math.pi * change[3])


def translate(images: torch.Tensor, reach: float, generator: torch.Generator) -> torch.Tensor:
    """Move each image by whole pixels, up to ``reach`` for 256; the border is mirrored."""
    side = images.shape[-1]
    most = round(reach * side / REFERENCE)
    if most == 0:
        return images
    offset = torch.randint(-most, most + 1, (len(images), 1, 1, 2), generator=generator)
    return _sample(images, _pixel_centres(side) + offset)


def patch_sizes(count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Draw width and height of CutPaste's patches in pixels, ``float32 [count, 2]``.

    The area is uniform in `AREA`; the aspect ratio is, with equal chance, uniform in (0.3, 1) or
    in (1, 1 / 0.3).
    """
    area = _uniform(*AREA, count, generator) * side**2
    flat = _uniform(ASPECT, 1.0, count, generator)
    upright = _uniform(1.0, 1 / ASPECT, count, generator)
    aspect = torch.where(torch.rand(count, generator=generator) < 0.5, flat, upright)
    return torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=1).round()


def scar_sizes(count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Draw width and length of scars in pixels, ``float32 [count, 2]``; at least one each."""
    drawn = [_uniform(*bounds, count, generator) for bounds in (SCAR_WIDTH, SCAR_LENGTH)]
    return (torch.stack(drawn, dim=1) * side / REFERENCE).round().clamp(min=1)


def paste(
    images: torch.Tensor,
    sources: torch.Tensor,
    sizes: torch.Tensor,
    angles: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Cut a rectangle out of each source and paste it, turned, somewhere into its image.

    Parameters
    ----------
    images, sources
        ``float32 [N, 3, S, S]``; the sources are the same images with their colours changed.
    sizes
        Width and height in pixels, ``float32 [N, 2]``.
    angles
        In radians, ``float32 [N]``.
    generator
        A CPU generator, for where it is cut and where it is pasted: uniform, and inside the image.

    Returns
    -------
    torch.Tensor
        ``float32 [N, 3, S, S]``.
    """
    side = images.shape[-1]
    cosine, sine = angles.cos(), angles.sin()
    turned = torch.stack([cosine, sine, sine, cosine], dim=1).abs().reshape(-1, 2, 2)
    cut = _corners(sizes, side, generator) + sizes / 2
    box = (turned @ sizes[:, :, None])[:, :, 0].ceil()
    put = _corners(box, side, generator) + box / 2
    offset = _pixel_centres(side) - put[:, None, None]
    x, y = offset.unbind(dim=3)
    cosine, sine = cosine[:, None, None], sine[:, None, None]
    local = torch.stack([cosine * x + sine * y, cosine * y - sine * x], dim=3)
    inside = (local.abs() <= sizes[:, None, None] / 2).all(dim=3)
    patches = _sample(sources, local + cut[:, None, None])
    return torch.where(inside[:, None].to(images.device), patches, images)


def three_way(
    images: torch.Tensor, strength: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images as they are, with a patch and with a scar, and their classes.

    Parameters
    ----------
    images
        ``float32 [N, 3, S, S]`` in [0, 1].
    strength
        Of the `jitter` on what is pasted.
    generator
        A CPU generator.

    Returns
    -------
    tuple
        ``float32 [3N, 3, S, S]`` and ``int64 [3N]``: 0 nominal, 1 patch, 2 scar.
    """
    count, side = len(images), images.shape[-1]
    sizes = patch_sizes(count, side, generator)
    patched = paste(
        images, jitter(images, strength, generator), sizes, torch.zeros(count), generator
    )
    sizes = scar_sizes(count, side, generator)
    limit = math.radians(SCAR_DEGREES)
    angles = _uniform(-limit, limit, count, generator)
    scarred = paste(images, jitter(images, strength, generator), sizes, angles, generator)
    classes = torch.arange(3, device=images.device).repeat_interleave(count)
    return torch.cat([images, patched, scarred]), classes


def _uniform(low: float, high: float, count: int, generator: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _corners(sizes: torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    """Draw whole corners so that a rectangle lies inside the image."""
    room = (side - sizes + 1).clamp(min=1)
    return (torch.rand(len(sizes), 2, generator=generator) * room).floor()


def _pixel_centres(side: int) -> torch.Tensor:
    """Return x and y of every pixel's centre, ``float32 [side, side, 2]``."""
    line = torch.arange(side) + 0.5
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=2)


def _sample(images: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Read images at points in pixels, ``[N, S, S, 2]``, bilinearly, mirrored at the border."""
    grid = (points * (2 / images.shape[-1]) - 1).to(images)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
