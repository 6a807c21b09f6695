"""Images as tensors, and the order in which training sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from ..base import Context, ImageSet

CHUNK = 8  # images scored at once; bounds memory


def pixels(images: ImageSet, device: str) -> torch.Tensor:
    """Return images as ``uint8 [N, 3, size, size]`` on a device."""
    return torch.from_numpy(images.array()).permute(0, 3, 1, 2).contiguous().to(device)


def unit(values: torch.Tensor) -> torch.Tensor:
    """Scale uint8 values to float32 in [0, 1]."""
    return values.float() / 255


def chunks(images: ImageSet, context: Context) -> Iterator[torch.Tensor]:
    """Yield all images in order as ``float32 [≤ CHUNK, 3, size, size]`` in [0, 1]."""
    chunk = context.batch(CHUNK)
    for start in range(0, len(images), chunk):
        part = images.subset(range(start, min(start + chunk, len(images))))
        yield unit(pixels(part, context.device))


def steps_per_epoch(count: int, batch: int) -> int:
    """Return how many batches cover ``count`` images."""
    return math.ceil(count / batch)


def shuffled_batches(count: int, batch: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield index batches for ever: every image once per epoch, in a new order each time.

    Parameters
    ----------
    count
        Number of images.
    batch
        Indices per batch; an epoch's last batch may be smaller.
    generator
        A CPU generator.
    """
    while True:
        yield from torch.randperm(count, generator=generator).split(batch)
