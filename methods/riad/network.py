"""The inpainting network: a U-Net whose skip connections carry what is not removed."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torchvision.ops import Conv2dNormActivation

WIDTHS = (1, 2, 4, 8, 8)  # channels of the levels as factors on the first


class InpaintingUNet(nn.Module):
    """Five levels of two convolutions; strided convolutions go down, transposed ones up.

    Parameters
    ----------
    width
        Channels of the first level; those of the others follow `WIDTHS`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = [factor * width for factor in WIDTHS]
        self.down = nn.ModuleList(
            [_pair(3, channels[0], 3, 1)] + [_pair(a, b, 4, 2) for a, b in pairwise(channels)]
        )
        upward = channels[::-1]
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(upward)]
        )
        self.merge = nn.ModuleList([_pair(2 * b, b, 3, 1) for _, b in pairwise(upward)])
        self.last = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map ``float32 [N, 3, h, w]`` to the same shape; sides are multiples of 16."""
        levels = [images]
        for block in self.down:
            levels.append(block(levels[-1]))
        x = levels.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([up(x), levels.pop()], dim=1))
        return self.last(x)


def _pair(before: int, after: int, kernel: int, stride: int) -> nn.Sequential:
    """Return two convolutions, each with batch normalisation and ReLU; the first may shrink."""
    return nn.Sequential(
        Conv2dNormActivation(before, after, kernel, stride, padding=1),
        Conv2dNormActivation(after, after, 3),
    )
