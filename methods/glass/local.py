"""Local anomaly synthesis: textures blended into images under Perlin masks (GLASS, section 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ...datasets.errors import CellError
from ..backbones import Backbone
from ..synthesis.perlin import perlin_mask
from ..synthesis.textures import TextureSource
from .augment import augment
from .foreground import foreground_mask

ATTEMPTS = 1000  # masks drawn for one image before giving up
BLEND_MEAN, BLEND_DEVIATION = 0.5, 0.1  # of β (section 3.4)
BLEND_RANGE = (0.2, 0.8)  # β is clipped to it (official code)


@dataclass(frozen=True, slots=True)
class Twin:
    """What turns an image into its defective twin.

    Attributes
    ----------
    texture
        ``uint8 [size, size, 3]``.
    mask
        ``bool [size, size]``, where it is pasted.
    beta
        Share of the image that stays visible under the mask.
    """

    texture: np.ndarray
    mask: np.ndarray
    beta: float


def draw_mask(foreground: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw a mask within a foreground, ``bool [size, size]``, never empty.

    Two Perlin masks make their union, their intersection or the first of them, each with
    probability 1/3 (GLASS, equation 6).

    Raises
    ------
    CellError
        The foreground is so small that no mask meets it.
    """
    size = len(foreground)
    for _ in range(ATTEMPTS):
        first, second = perlin_mask(size, generator), perlin_mask(size, generator)
        whole = (first | second, first & second, first)[generator.integers(3)]
        mask = whole & foreground
        if mask.any():
            return mask
    raise CellError(
        f"no synthetic defect fits on a foreground of {int(foreground.sum())} pixels; "
        "expected a larger object, or set foreground=false"
    )


def draw_twin(
    foreground: np.ndarray, source: TextureSource, generator: np.random.Generator
) -> Twin:
    """Draw mask, texture and transparency of one twin."""
    mask = draw_mask(foreground, generator)
    texture = augment(source.draw(len(foreground), generator), generator)
    beta = float(np.clip(generator.normal(BLEND_MEAN, BLEND_DEVIATION), *BLEND_RANGE))
    return Twin(texture, mask, beta)


def blend(backbone: Backbone, images: np.ndarray, twins: Sequence[Twin]) -> torch.Tensor:
    """Paste textures into images, ``uint8 [N, size, size, 3]`` → ``float32 [N, 3, size, size]``.

    Done on the network's normalised input, so that nothing is rounded to grey levels.
    """
    nominal = backbone.normalise(images)
    textures = backbone.normalise(np.stack([twin.texture for twin in twins]))
    masks = torch.from_numpy(np.stack([twin.mask for twin in twins]))[:, None].to(nominal.device)
    betas = nominal.new_tensor([twin.beta for twin in twins])[:, None, None, None]
    return torch.where(masks, betas * nominal + (1 - betas) * textures, nominal)


class LocalAnomalies:
    """Features of defective twins of the training images.

    A twin depends on the seed, the epoch and its image alone, not on the order of images.

    Parameters
    ----------
    images
        ``uint8 [N, size, size, 3]``.
    backbone
        The frozen network.
    strides, combine
        Which maps, and how they become vectors.
    source
        Textures.
    foreground
        Whether defects are confined to the object.
    bank
        Twins per image that are drawn once and used again; 0 draws a new one in every epoch.
    seed
        For everything that is drawn.
    """

    def __init__(
        self,
        images: np.ndarray,
        backbone: Backbone,
        *,
        strides: tuple[int, ...],
        combine: Callable[[dict[int, torch.Tensor]], torch.Tensor],
        source: TextureSource,
        foreground: bool,
        bank: int,
        seed: int,
    ) -> None:
        self._images, self._backbone, self._source = images, backbone, source
        self._strides, self._combine = strides, combine
        self._bank, self._seed = bank, seed
        everywhere = np.ones(images.shape[1:3], dtype=bool)
        self.foregrounds = [foreground_mask(one) if foreground else everywhere for one in images]
        self._kept: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def batch(self, indices: Sequence[int], epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features and masks of the twins of some images.

        Returns
        -------
        tuple
            ``float32 [B, H, W, D]`` and ``bool [B, H, W]``, True where any pixel is defective.
        """
        if not self._bank:
            return self._compute(indices, epoch)
        slot = epoch % self._bank
        missing = [i for i in indices if (i, slot) not in self._kept]
        if missing:
            for i, *pair in zip(missing, *self._compute(missing, slot), strict=True):
                self._kept[i, slot] = (pair[0].clone(), pair[1].clone())
        features, masks = zip(*(self._kept[i, slot] for i in indices), strict=True)
        return torch.stack(features), torch.stack(masks)

    def _compute(self, indices: Sequence[int], epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
        twins = [
            draw_twin(
                self.foregrounds[i],
                self._source,
                np.random.default_rng([self._seed, epoch, i]),
            )
            for i in indices
        ]
        with torch.no_grad():
            batch = blend(self._backbone, self._images[list(indices)], twins)
            features = self._combine(self._backbone.maps(batch, self._strides))
        masks = torch.from_numpy(np.stack([twin.mask for twin in twins])).to(features.device)
        pooled = functional.adaptive_max_pool2d(masks[:, None].float(), features.shape[1:3])
        return features, pooled[:, 0] > 0
