"""Patch features of whole image sets, and their standardisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from ..base import Context, ImageSet
from ..patchcore.patches import patch_features

CHUNK = 16  # images embedded at once; bounds memory, changes no value
PAPER_NETWORK = "wide_resnet50_2"
# The noise has one size, σ = 0.015, so features need one too. Of deviations from 0.015 to 0.3,
# tried with the packaged EfficientNet-Lite0 on MVTec AD's bottle, where SimpleNet found most.
OTHER_DEVIATION = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """How feature maps become one vector per position, see `patch_features`.

    Attributes
    ----------
    strides
        Layers by stride; the finest sets the grid.
    patch
        Side of the neighbourhood.
    layer_dim, dim
        Length per layer, and of the combined vector D.
    """

    strides: tuple[int, ...]
    patch: int
    layer_dim: int
    dim: int

    def combine(self, maps: Mapping[int, torch.Tensor]) -> torch.Tensor:
        """Return ``float32 [N, H, W, D]`` of feature maps by stride."""
        return patch_features(maps, self.patch, self.layer_dim, self.dim)

    def of_images(
        self,
        images: ImageSet,
        context: Context,
        progress: Callable[[float], None] = lambda _fraction: None,
    ) -> torch.Tensor:
        """Return ``float32 [N, H, W, D]`` on the cell's device, from the cached feature maps."""
        whole: torch.Tensor | None = None
        for start in range(0, len(images), CHUNK):
            part = images.subset(range(start, min(start + CHUNK, len(images))))
            maps = context.features.maps(part, self.strides)
            block = self.combine(
                {s: torch.from_numpy(m).to(context.device) for s, m in maps.items()}
            )
            if whole is None:
                whole = block.new_empty(len(images), *block.shape[1:])
            whole[start : start + len(part)] = block
            progress((start + len(part)) / len(images))
        assert whole is not None, "the feature provider refuses an empty set"
        return whole


@dataclass(frozen=True, slots=True)
class Moments:
    """What features are standardised by: mean and divisor per feature, ``float32 [D]`` each."""

    mean: torch.Tensor
    divisor: torch.Tensor

    def apply(self, features: torch.Tensor) -> torch.Tensor:
        """Standardise in place, the last axis being the features; return the same tensor."""
        return features.sub_(self.mean).div_(self.divisor)


def learn_moments(features: torch.Tensor, deviation: float | None, context: Context) -> Moments:
    """Return what brings each feature to mean 0 and a given deviation.

    Parameters
    ----------
    features
        Training features, ``float32 [N, H, W, D]``.
    deviation
        The deviation over all positions of all images. None leaves the features of
        `PAPER_NETWORK` as they are, and brings those of other networks to `OTHER_DEVIATION`.
    context
        Names the network.
    """
    flat = features.flatten(0, -2)
    if deviation is None and context.features.spec.architecture == PAPER_NETWORK:
        return Moments(torch.zeros_like(flat[0]), torch.ones_like(flat[0]))
    # A feature that never varies stays at zero instead of blowing up.
    spread = flat.std(dim=0).clamp(min=1e-6)
    return Moments(flat.mean(dim=0), spread / (OTHER_DEVIATION if deviation is None else deviation))
