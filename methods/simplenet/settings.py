"""Settings of SimpleNet, and those that GLASS shares with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Optimiser = Literal["adam", "adamw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchSettings:
    """Settings of an adaptor and a discriminator on patch features.

    Attributes
    ----------
    strides
        Layers by stride; 8 and 16 are layer2 and layer3 of WideResNet-50-2.
    patch
        Side of the neighbourhood that makes a feature locally aware (3).
    layer_dim, dim
        Length that each layer's neighbourhood is pooled to, and of the combined feature (1536).
    hidden
        Width of the discriminator (1024).
    deviation
        Bring each feature to mean 0 and this deviation over the training patches. None leaves
        those of WideResNet-50-2 with torchvision's first weights (timm: tv_in1k) as they are, like
        the official code, and gives those of every other network, and of other weights, the
        deviation at which the noise is as long as training patches lie, on average, from the
        nearest patch of another training image.
    adaptor_bias
        Whether the adaptor has a bias (code of both methods: yes; SimpleNet's paper: no).
    noise
        Standard deviation of the noise on each adapted feature (0.015). Where ``deviation`` is
        None and features are standardised, they grow with it; set both to change their ratio.
    epochs, batch_images
        Passes over the training images, and images per step (code of both methods: 8).
    patches_per_step
        Positions drawn from a step's images; None = all, as in the official code.
    adaptor_optimiser, adaptor_rate, adaptor_decay
        Of the adaptor.
    discriminator_optimiser, discriminator_rate, discriminator_decay
        Of the discriminator.
    """

    strides: tuple[int, ...] = (8, 16)
    patch: int = 3
    layer_dim: int = 1536
    dim: int = 1536
    hidden: int = 1024
    deviation: float | None = None
    adaptor_bias: bool = True
    noise: float = 0.015
    epochs: int
    batch_images: int = 8
    patches_per_step: int | None = None
    adaptor_optimiser: Optimiser
    adaptor_rate: float = 1e-4
    adaptor_decay: float
    discriminator_optimiser: Optimiser
    discriminator_rate: float = 2e-4
    discriminator_decay: float

    def __post_init__(self) -> None:
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"strides={self.strides}: expected at least one positive stride")
        if self.patch < 1 or self.patch % 2 == 0:
            raise ValueError(f"patch={self.patch}: expected an odd side, e.g. 3")
        for name in ("layer_dim", "dim", "hidden", "epochs", "batch_images"):
            at_least(name, getattr(self, name), 1)
        if self.patches_per_step is not None:
            at_least("patches_per_step", self.patches_per_step, 2)
        for name in ("adaptor_decay", "discriminator_decay"):
            at_least(name, getattr(self, name), 0)
        for name in ("noise", "adaptor_rate", "discriminator_rate"):
            above_zero(name, getattr(self, name))
        if self.deviation is not None:
            above_zero("deviation", self.deviation)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleNetSettings(PatchSettings):
    """Settings; the defaults are those of the official code's script for MVTec AD.

    Attributes
    ----------
    margin
        Truncation of the loss (0.5).
    epochs
        Passes over the training images (code: 40 × 4).
    adaptor_optimiser, adaptor_rate, adaptor_decay
        Of the adaptor (code: AdamW, 1e-4, 0.01).
    discriminator_optimiser, discriminator_rate, discriminator_decay
        Of the discriminator (code: Adam, 2e-4, 1e-5).
    """

    margin: float = 0.5
    epochs: int = 160
    adaptor_optimiser: Optimiser = "adamw"
    adaptor_decay: float = 0.01
    discriminator_optimiser: Optimiser = "adam"
    discriminator_decay: float = 1e-5

    def __post_init__(self) -> None:
        PatchSettings.__post_init__(self)  # zero-argument super() fails in a class with slots
        above_zero("margin", self.margin)


def at_least(name: str, value: float, least: int) -> None:
    """Raise ValueError where a setting is below its least value."""
    if value < least:
        raise ValueError(f"{name}={value}: expected at least {least}")


def above_zero(name: str, value: float) -> None:
    """Raise ValueError where a setting is not positive."""
    if value <= 0:
        raise ValueError(f"{name}={value}: expected a positive number")
