"""Settings of GLASS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..simplenet.settings import Optimiser, PatchSettings, above_zero, at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassSettings(PatchSettings):
    """Settings; the defaults are those of the official code's script for MVTec AD.

    Attributes
    ----------
    epochs
        Passes over the training images (code: 640).
    image_limit
        Images after which an epoch ends (code: 392); None = all.
    global_branch, local_branch
        Whether anomalies are made in feature space and in image space.
    ascent_steps, ascent_rate, project_every
        Steps of gradient ascent, their length, and steps between projections (code: 20, 0.001, 5);
        0 steps leave the projection out too.
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

    epochs: int = 640
    image_limit: int | None = 392
    global_branch: bool = True
    local_branch: bool = True
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
    adaptor_decay: float = 1e-5
    discriminator_optimiser: Optimiser = "adamw"
    discriminator_decay: float = 0.01

    def __post_init__(self) -> None:
        PatchSettings.__post_init__(self)  # zero-argument super() fails in a class with slots
        if not (self.global_branch or self.local_branch):
            raise ValueError("global_branch and local_branch are both off: nothing to learn from")
        at_least("project_every", self.project_every, 1)
        if self.image_limit is not None:
            at_least("image_limit", self.image_limit, 2)
        for name in ("ascent_steps", "twin_bank"):
            at_least(name, getattr(self, name), 0)
        for name in ("ascent_rate", "radius"):
            above_zero(name, getattr(self, name))
        for name in ("radius_quantile", "hard_quantile"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected in [0, 1]")


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
