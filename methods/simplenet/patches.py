"""Patch features of whole image sets, and their standardisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from ..base import Context, ImageSet
from ..patchcore.patches import patch_features

CHUNK = 16  # images embedded at once; bounds memory, changes no value
# The weights of SimpleNet and GLASS, one file under two names; their noise has the size that suits
# these features. Other weights of WideResNet-50-2 give features of another size.
PAPER_WEIGHTS = ("timm/wide_resnet50_2.tv_in1k", "torchvision/wide_resnet50_2.IMAGENET1K_V1")
QUERIES = 256  # patches whose nearest neighbour is looked up


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
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images))))
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


def learn_moments(
    features: torch.Tensor, deviation: float | None, noise: float, context: Context
) -> Moments:
    """Return what brings each feature to mean 0 and a given deviation.

    Parameters
    ----------
    features
        Training features, ``float32 [N, H, W, D]``.
    deviation
        The deviation over all positions of all images. None leaves the features of
        `PAPER_WEIGHTS` as they are, and brings those of all others to `noise_deviation`.
    noise
        Standard deviation of the noise that training adds to each adapted feature.
    context
        Names the network and its weights, and seeds the draw of patches.
    """
    flat = features.flatten(0, -2)
    # By identity, as in the cell's key: a local copy of the published file is that backbone.
    if deviation is None and context.features.spec.identity() in PAPER_WEIGHTS:
        return Moments(torch.zeros_like(flat[0]), torch.ones_like(flat[0]))
    # A feature that never varies stays at zero instead of blowing up.
    mean, spread = flat.mean(dim=0), flat.std(dim=0).clamp(min=1e-6)
    if deviation is None:
        generator = torch.Generator().manual_seed(context.seed("deviation"))
        deviation = noise_deviation(features.flatten(1, 2), Moments(mean, spread), noise, generator)
    return Moments(mean, spread / deviation)


def noise_deviation(
    features: torch.Tensor, moments: Moments, noise: float, generator: torch.Generator
) -> float:
    """Return the deviation at which noise leads as far as the nearest patch of another image.

    The noise of SimpleNet and GLASS has one size, so features need one too. Noise of deviation σ
    on each of D features is a step of length σ√D. It should lead out of what is nominal but not
    far: as far as a training patch lies on average from the nearest patch of any other training
    image. Ours, not the papers'; it looks at training images only.

    Parameters
    ----------
    features
        Training features, ``float32 [N, P, D]``: images × positions × length.
    moments
        What brings each feature to mean 0 and deviation 1.
    noise
        The noise's deviation σ.
    generator
        A CPU generator, for the `QUERIES` patches that are looked at.
    """
    images, positions, dim = features.shape
    drawn = torch.randperm(images * positions, generator=generator)[:QUERIES].to(features.device)
    queries = moments.apply(features.flatten(0, 1)[drawn])
    nearest = torch.full_like(queries[:, 0], torch.inf)  # squared, less the query's own square
    for image in range(images):
        others = moments.apply(features[image].clone())
        squares = torch.addmm(others.square().sum(dim=1), queries, others.T, alpha=-2)
        own = drawn // positions == image
        if images > 1:
            squares[own] = torch.inf
        else:  # no other image: the nearest of the other patches
            squares[own, drawn[own] % positions] = torch.inf
        nearest = torch.minimum(nearest, squares.amin(dim=1))
    distances = (nearest + queries.square().sum(dim=1)).clamp(min=0).sqrt()
    typical = float(distances.mean().clamp(min=1e-6)) / dim**0.5  # per feature, in its deviations
    return noise / typical
