"""Settings of GLASS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Optimiser = Literal["adam", "adamw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassSettings:
    """Settings; the defaults are those of the official code's script for MVTec AD.

    Attributes
    ----------
    strides, patch, layer_dim, dim, hidden
        As in SimpleNet (8 and 16, 3, 1536, 1536, 1024).
    deviation
        As in SimpleNet: None standardises the features of every network but WideResNet-50-2, by a
        rule on the training features.
    adaptor_bias
        Whether the adaptor has a bias (code: yes).
    epochs, batch_images
        Passes over the training images, and images per step (code: 640, 8).
    image_limit
        Images after which an epoch ends (code: 392); None = all.
    patches_per_step
        Positions drawn from a step's images; None = all, as in the official code.
    global_branch, local_branch
        Whether anomalies are made in feature space and in image space.
    noise
        Standard deviation of the noise on each adapted feature (0.015).
    ascent_steps, ascent_rate, project_every
        Steps of gradient ascent, their length, and steps between projections (code: 20, 0.001, 5).
    hypothesis
        ``"manifold"``: anomalies lie around their clean feature; ``"hypersphere"``: around the
        centre of all clean ones; ``"judged"``: decided from the mean training image by the rule
        that the official code has as an option. Its default is a file with a choice per category,
        which the rule need not reproduce (no. 71 of its tracker, on toothbrush).
    radius
        Least distance of a global anomaly from its clean feature, the largest being twice that
        (code: 0.5; the paper's equation has 1); for features of length 1536.
    radius_quantile
        Takes its place on the hypersphere: quantile of the clean distances (code: 0.75).
    foreground
        Confine defects to the object where it lies on a plain background.
    textures
        Folder of texture images, e.g. DTD's; None takes textures that need no download.
    twin_bank
        Defective twins per image that are drawn once and used again; 0 draws a new one in every
        epoch, as the official code does.
    hard_quantile
        Quantile of the squared errors from which a position of a twin counts (code: 0.5).
    adaptor_optimiser, adaptor_rate, adaptor_decay
        Of the adaptor (code: Adam, 1e-4, 1e-5).
    discriminator_optimiser, discriminator_rate, discriminator_decay
        Of the discriminator (code: AdamW, 2e-4, 0.01).
    """

    strides: tuple[int, ...] = (8, 16)
    patch: int = 3
    layer_dim: int = 1536
    dim: int = 1536
    hidden: int = 1024
    deviation: float | None = None
    adaptor_bias: bool = True
    epochs: int = 640
    batch_images: int = 8
    image_limit: int | None = 392
    patches_per_step: int | None = None
    global_branch: bool = True
    local_branch: bool = True
    noise: float = 0.015
    ascent_steps: int = 20
    ascent_rate: float = 0.001
    project_every: int = 5
    hypothesis: Literal["judged", "manifold", "hypersphere"] = "judged"
    radius: float = 0.5
    radius_quantile: float = 0.75
    foreground: bool = True
    textures: str | None = None
    twin_bank: int = 0
    hard_quantile: float = 0.5
    adaptor_optimiser: Optimiser = "adam"
    adaptor_rate: float = 1e-4
    adaptor_decay: float = 1e-5
    discriminator_optimiser: Optimiser = "adamw"
    discriminator_rate: float = 2e-4
    discriminator_decay: float = 0.01

    def __post_init__(self) -> None:
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"strides={self.strides}: expected at least one positive stride")
        if self.patch < 1 or self.patch % 2 == 0:
            raise ValueError(f"patch={self.patch}: expected an odd side, e.g. 3")
        if not (self.global_branch or self.local_branch):
            raise ValueError("global_branch and local_branch are both off: nothing to learn from")
        for name in ("layer_dim", "dim", "hidden", "epochs", "batch_images", "project_every"):
            _check(name, getattr(self, name), 1)
        for name in ("image_limit", "patches_per_step"):
            if getattr(self, name) is not None:
                _check(name, getattr(self, name), 2)
        for name in ("ascent_steps", "twin_bank", "adaptor_decay", "discriminator_decay"):
            _check(name, getattr(self, name), 0)
        for name in ("noise", "ascent_rate", "radius", "adaptor_rate", "discriminator_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)}: expected a positive number")
        if self.deviation is not None and self.deviation <= 0:
            raise ValueError(f"deviation={self.deviation}: expected a positive number")
        for name in ("radius_quantile", "hard_quantile"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected in [0, 1]")


def _check(name: str, value: float, least: int) -> None:
    if value < least:
        raise ValueError(f"{name}={value}: expected at least {least}")


# Radius and path of the ascent shrink with the root of the features' length, as the noise's does.
QUICK: dict[str, Any] = {
    "image_size": 256,
    "layer_dim": 256,
    "dim": 256,
    "hidden": 256,
    "epochs": 16,
    "patches_per_step": 1024,
    "ascent_steps": 4,
    "ascent_rate": 0.002,
    "project_every": 2,
    "radius": 0.2,
    "twin_bank": 1,
}
DEMO: dict[str, Any] = {
    **QUICK,
    "image_size": 128,
    "backbone": "efficientnet_lite0",
    "layer_dim": 128,
    "dim": 128,
    "hidden": 128,
    "epochs": 30,
    "radius": 0.15,
    "adaptor_rate": 1e-3,
    "discriminator_rate": 2e-3,
}
