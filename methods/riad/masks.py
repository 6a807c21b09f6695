"""The parts of an image that RIAD removes and inpaints."""

from __future__ import annotations

import torch


def disjoint_masks(size: int, cell: int, parts: int, generator: torch.Generator) -> torch.Tensor:
    """Divide an image's grid of square cells at random into parts of equal size.

    Parameters
    ----------
    size
        Side of the image in pixels, a multiple of ``cell``.
    cell
        Side of a cell in pixels.
    parts
        Number of parts; their numbers of cells differ by at most one.
    generator
        A CPU generator.

    Returns
    -------
    torch.Tensor
        ``bool [parts, size, size]``, True where removed; each pixel is True in one part.
    """
    side = size // cell
    order = torch.randperm(side * side, generator=generator)
    part = torch.empty(side * side, dtype=torch.int64)
    part[order] = torch.arange(side * side) % parts
    pixels = part.reshape(side, side).repeat_interleave(cell, 0).repeat_interleave(cell, 1)
    return pixels == torch.arange(parts)[:, None, None]


def inpaint(network: torch.nn.Module, images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Remove each part in turn and put the network's guesses together to one image.

    Parameters
    ----------
    network
        Maps ``float32 [M, 3, size, size]`` to the same shape.
    images
        ``float32 [N, 3, size, size]`` in [0, 1].
    masks
        From `disjoint_masks`, ``bool [P, size, size]``; removed pixels are black.

    Returns
    -------
    torch.Tensor
        ``float32 [N, 3, size, size]``; no pixel depends on its own value.
    """
    removed = masks[:, None, None]  # [P, 1, 1, size, size]
    guesses = network((images * ~removed).flatten(0, 1))
    return (guesses.reshape(len(masks), *images.shape) * removed).sum(dim=0)
