"""The student of reverse distillation: bottleneck embedding and decoder (sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torchvision.models.resnet import Bottleneck

# Width of a block's inner convolution as a share of its output, in torchvision's unit of 64ths:
# that of WideResNet-50-2 (1024 channels, 512 inside).
BASE_WIDTH = 32


class Block(Bottleneck):
    """A residual bottleneck block whose ``planes`` are its output channels."""

    expansion = 1


class UpBlock(Block):
    """A block that doubles the side of its map, by 2 × 2 transposed convolutions."""

    def __init__(self, inplanes: int, planes: int) -> None:
        shortcut = nn.Sequential(
            nn.ConvTranspose2d(inplanes, planes, 2, stride=2, bias=False), nn.BatchNorm2d(planes)
        )
        super().__init__(inplanes, planes, downsample=shortcut, base_width=BASE_WIDTH)
        width = self.conv2.in_channels
        self.conv2 = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)  # type: ignore[assignment]


def _blocks(first: Block, planes: int, depth: int) -> nn.Sequential:
    rest = [Block(planes, planes, base_width=BASE_WIDTH) for _ in range(depth - 1)]
    return nn.Sequential(first, *rest)


class Embedding(nn.Module):
    """One-class bottleneck embedding: all scales in one small map (section 3.3).

    Finer scales are brought to the coarsest one's grid and channels by 3 × 3 convolutions of
    stride 2, all are concatenated, and a stage of residual blocks halves the side once more.

    Parameters
    ----------
    channels
        Of the teacher's maps, finest first; each map has half the side of the one before.
    depth
        Residual blocks.
    """

    def __init__(self, channels: Sequence[int], depth: int) -> None:
        super().__init__()
        self.shrink = nn.ModuleList(
            nn.Sequential(
                *(_halve(channels[i], channels[i + 1]) for i in range(k, len(channels) - 1))
            )
            for k in range(len(channels))
        )
        inplanes, planes = len(channels) * channels[-1], 2 * channels[-1]
        shortcut = nn.Sequential(
            nn.Conv2d(inplanes, planes, 1, stride=2, bias=False), nn.BatchNorm2d(planes)
        )
        first = Block(inplanes, planes, stride=2, downsample=shortcut, base_width=BASE_WIDTH)
        self.stage = _blocks(first, planes, depth)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return ``float32 [N, 2C, h/2, w/2]`` from maps whose coarsest is ``[N, C, h, w]``."""
        same = [shrink(m) for shrink, m in zip(self.shrink, maps, strict=True)]
        return self.stage(torch.cat(same, dim=1))


def _halve(inplanes: int, planes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inplanes, planes, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(planes),
        nn.ReLU(inplace=True),
    )


class Decoder(nn.Module):
    """The mirrored encoder: from the embedding back to the teacher's maps (section 3.2).

    Parameters
    ----------
    channels
        Of the teacher's maps, finest first.
    depths
        Residual blocks per stage, coarsest first.
    signed
        The teacher's maps have negative values: a 1 × 1 convolution ends every scale, because a
        residual block ends in a ReLU.
    """

    def __init__(self, channels: Sequence[int], depths: Sequence[int], *, signed: bool) -> None:
        super().__init__()
        stages, heads = [], []
        inplanes = 2 * channels[-1]
        for planes, depth in zip(reversed(channels), depths, strict=True):
            stages.append(_blocks(UpBlock(inplanes, planes), planes, depth))
            heads.append(nn.Conv2d(planes, planes, 1) if signed else nn.Identity())
            inplanes = planes
        self.stages, self.heads = nn.ModuleList(stages), nn.ModuleList(heads)

    def forward(self, embedding: torch.Tensor) -> list[torch.Tensor]:
        """Return the rebuilt maps, finest first."""
        rebuilt, current = [], embedding
        for stage, head in zip(self.stages, self.heads, strict=True):
            current = stage(current)
            rebuilt.append(head(current))
        return rebuilt[::-1]


class Student(nn.Module):
    """Embedding and decoder: the teacher's maps in, the rebuilt maps out, finest first.

    Weights are drawn from torch's global generator; build it inside `methods.seeding.seeded`.
    Convolutions start as the official code's (normal, He et al. 2015, by fan-out), transposed ones
    as torch's.
    """

    def __init__(
        self, channels: Sequence[int], depths: Sequence[int], embedding_depth: int, *, signed: bool
    ) -> None:
        super().__init__()
        self.embedding = Embedding(channels, embedding_depth)
        self.decoder = Decoder(channels, depths, signed=signed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Rebuild ``float32 [N, C, h, w]`` maps."""
        return self.decoder(self.embedding(maps))
