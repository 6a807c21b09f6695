"""The classifier that tells nominal images, patches and scars apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops import MLP, Conv2dNormActivation

WIDTHS = (1, 2, 4, 8)  # channels of ResNet-18's stages as factors on the first
CLASSES = 3


class ThreeWayClassifier(nn.Module):
    """ResNet-18, a projection head and a linear layer, all from scratch.

    Parameters
    ----------
    width
        Channels of the first stage (ResNet-18: 64).
    head
        Lengths of the projection head's layers.
    """

    def __init__(self, width: int, head: Sequence[int]) -> None:
        super().__init__()
        self.encoder = resnet18(width)
        # Every layer but the last is followed by batch normalisation and ReLU.
        self.head = MLP(WIDTHS[-1] * width, [*head, CLASSES], norm_layer=nn.BatchNorm1d)

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Return the pooled features of ``float32 [N, 3, S, S]`` in [0, 1], ``[N, 8 · width]``."""
        return self.encoder(2 * images - 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of the three classes, ``[N, 3]``."""
        return self.head(self.embed(images))


def resnet18(width: int) -> nn.Sequential:
    """Return ResNet-18 up to its pooled features, of any width; torchvision's has 64 only."""
    layers: list[nn.Module] = [
        Conv2dNormActivation(3, width, 7, stride=2),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    before = width
    for factor in WIDTHS:
        after = factor * width
        shortcut = None
        if after != before:
            shortcut = Conv2dNormActivation(before, after, 1, stride=2, activation_layer=None)
        layers += [BasicBlock(before, after, after // before, shortcut), BasicBlock(after, after)]
        before = after
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
