"""DRAEM's two networks: one paints anomalies over, the other says where they were."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import Conv2dNormActivation

# Channels of the levels as factors on the first, down from the finest and up from the coarsest.
REPAIR = ((1, 2, 4, 8, 8), (8, 4, 2, 1))
SEGMENT = ((1, 2, 4, 8, 8, 8), (8, 4, 2, 1, 1))
DEEPEST = 2 ** (len(SEGMENT[0]) - 1)  # stride of the coarsest level
DEVIATION = 0.02  # of the initial weights (official code)


class Hourglass(nn.Module):
    """Two convolutions per level, maximum pooling downwards, bilinear resizing upwards.

    Parameters
    ----------
    before, after
        Channels of input and output; the output is linear.
    down, up
        Channels of the levels on the way down and up.
    skips
        Whether each level's features are handed across (a U-Net) or everything has to pass the
        coarsest level (an autoencoder).
    """

    def __init__(
        self,
        before: int,
        after: int,
        down: tuple[int, ...],
        up: tuple[int, ...],
        *,
        skips: bool,
    ) -> None:
        super().__init__()
        self.skips = skips
        self.down = nn.ModuleList(
            [_pair(a, b, b) for a, b in zip((before, *down), down, strict=False)]
        )
        # Without skips the official network narrows at a level's end instead of its start.
        ends = up if skips else (*up[1:], up[-1])
        handed = down[-2::-1] if skips else (0,) * len(up)
        starts = (down[-1], *ends)
        self.widen = nn.ModuleList(
            [Conv2dNormActivation(a, b, 3) for a, b in zip(starts, up, strict=False)]
        )
        self.merge = nn.ModuleList(
            [_pair(a + b, a, c) for a, b, c in zip(up, handed, ends, strict=True)]
        )
        self.last = nn.Conv2d(ends[-1], after, 3, padding=1)
        self.apply(_initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``float32 [N, before, h, w]`` to ``[N, after, h, w]``."""
        levels: list[torch.Tensor] = []
        for block in self.down:
            levels.append(block(functional.max_pool2d(levels[-1], 2) if levels else x))
        x = levels.pop()
        for widen, merge in zip(self.widen, self.merge, strict=True):
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x, across = widen(x), levels.pop()
            x = merge(torch.cat([x, across], dim=1) if self.skips else x)
        return self.last(x)


def repair_network(width: int) -> Hourglass:
    """Return the reconstructive autoencoder, RGB to RGB; ``width`` is 128 in the official code."""
    down, up = (tuple(width * factor for factor in way) for way in REPAIR)
    return Hourglass(3, 3, down, up, skips=False)


def segmentation_network(width: int) -> Hourglass:
    """Return the discriminative U-Net, two RGB images to two logits; ``width`` is 64 there."""
    down, up = (tuple(width * factor for factor in way) for way in SEGMENT)
    return Hourglass(6, 2, down, up, skips=True)


def _pair(before: int, middle: int, after: int) -> nn.Sequential:
    """Return two 3 × 3 convolutions, each with batch normalisation and ReLU."""
    return nn.Sequential(
        Conv2dNormActivation(before, middle, 3, bias=True),
        Conv2dNormActivation(middle, after, 3, bias=True),
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, DEVIATION)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, DEVIATION)
