"""CS-Flow: an image is as anomalous as its maps of three scales are unlikely under one flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...datasets.errors import UsageError
from ..base import Context, ImageSet, Method, Scores
from ..seeding import seeded

if TYPE_CHECKING:
    import torch
    from FrEIA.framework import GraphINN

CHUNK = 16  # images embedded and scored at once; bounds memory, changes no value
LAST_STRIDE = 32
PAPER_WEIGHTS = "timm/tf_efficientnet_b5.aa_in1k"


@dataclass(frozen=True, slots=True, kw_only=True)
class CSFlowSettings:
    """Settings; the defaults are those of the official code.

    Attributes
    ----------
    scales
        Divisors of the image size, each twice the one before (official code: 768, 384 and 192
        pixels).
    standardise
        Whether each channel of each scale is brought to mean 0 and deviation 1 over the training
        images; None does so for all weights but timm's aa_in1k of EfficientNet-B5: the official
        code takes the paper's as they are.
    hidden
        Channels inside the subnetworks (official code: 1024).
    kernels
        Side of the convolutions, one per coupling block (official code: 3, 3, 3, 5).
    clamp
        Bound of the log-scales (official code: 3).
    epochs, batch_images
        Passes over the training images, images per step (official code: 4 · 60, 16).
    learning_rate, epsilon, weight_decay
        Of Adam (official code: 2e-4, 1e-4, 1e-5).
    """

    scales: tuple[int, ...] = (1, 2, 4)
    standardise: bool | None = None
    hidden: int = 1024
    kernels: tuple[int, ...] = (3, 3, 3, 5)
    clamp: float = 3.0
    epochs: int = 240
    batch_images: int = 16
    learning_rate: float = 2e-4
    epsilon: float = 1e-4
    weight_decay: float = 1e-5

    def __post_init__(self) -> None:
        if not self.scales or self.scales != tuple(2**k for k in range(len(self.scales))):
            raise ValueError(f"scales={self.scales}: expected 1, 2, 4 and so on")
        if not self.kernels or min(self.kernels) < 1 or any(k % 2 == 0 for k in self.kernels):
            raise ValueError(f"kernels={self.kernels}: expected odd sides, one per block")
        for name in ("hidden", "epochs", "batch_images"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if min(self.clamp, self.learning_rate, self.epsilon) <= 0 or self.weight_decay < 0:
            raise ValueError("clamp, learning_rate, epsilon must be positive, weight_decay ≥ 0")


class CSFlow(Method):
    """A flow over three scales whose couplings exchange information between the scales."""

    name = "cs-flow"
    title = "CS-Flow"
    paper = "Rudolph et al., WACV 2022, arXiv 2110.02855"
    backbone = PAPER_WEIGHTS
    image_size = 768
    smoothing_sigma = 0.0
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # Few epochs need large steps, since the flow starts as the identity: rate, width and
        # epochs by the likelihood of held-out training images of MVTec AD's capsule.
        "quick": {"image_size": 256, "hidden": 32, "epochs": 15, "learning_rate": 1e-2},
        "demo": {
            "image_size": 128,
            "backbone": "efficientnet_lite0",
            "hidden": 32,
            "epochs": 15,
            "learning_rate": 1e-2,
        },
    }
    departures = (
        "The official code's ImageNet weights come from the package efficientnet_pytorch; timm's "
        "AutoAugment weights of the same network stand in for them, and were not compared.",
        "Of networks that are no EfficientNet the last map of stride 32 is taken, and features of "
        "all weights but these, a file given with --weights included, are standardised, because "
        "theirs have other scales.",
        "Outputs of the flow are not cut off at ±1e6: a flow that diverges is a failed cell.",
    )
    Settings = CSFlowSettings
    settings: CSFlowSettings
    _flow: GraphINN
    _moments: list[tuple[torch.Tensor, torch.Tensor]]

    def strides(self) -> tuple[int, ...]:
        """Return the stride that the network must have."""
        return (LAST_STRIDE,)

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train the flow on the maps of all scales, which are held in memory.

        Raises
        ------
        UsageError
            An image size that the scales cannot halve down to stride 32.
        CellError
            The flow diverged.
        """
        import torch

        from .flow import build_flow
        from .train import train_flow

        chosen = self.settings
        step = LAST_STRIDE * chosen.scales[-1]
        if train.size % step:
            raise UsageError(f"cs-flow: images of {train.size} px, expected a multiple of {step}")
        maps = self._maps(train, context, lambda f: context.progress(0.2 * f, "features"))
        self._moments = [self._moments_of(m, context) for m in maps]
        maps = self._standardised(maps)
        with seeded(context.seed("init"), context.device):
            flow = build_flow(
                [tuple(m.shape[1:]) for m in maps],
                hidden=chosen.hidden,
                kernels=chosen.kernels,
                clamp=chosen.clamp,
            )
        self._flow = flow.to(context.device)
        with torch.enable_grad():
            train_flow(
                self._flow,
                maps,
                epochs=chosen.epochs,
                batch_images=chosen.batch_images,
                learning_rate=chosen.learning_rate,
                epsilon=chosen.epsilon,
                weight_decay=chosen.weight_decay,
                generator=torch.Generator().manual_seed(context.seed("order")),
                progress=lambda f, text: context.progress(0.2 + 0.8 * f, text),
            )

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the mean square of the latent maps of all scales; maps show the finest."""
        import torch

        from .train import latent_scores

        image_scores, maps = [], []
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images))))
            with torch.no_grad():
                latents, _ = self._flow(self._standardised(self._maps(part, context)), jac=False)
                scores, finest = latent_scores(latents)
            image_scores.append(scores.cpu())
            maps.append(finest.cpu())
            context.progress(start / len(images), "latent maps")
        return Scores(
            image=torch.cat(image_scores).numpy(),
            maps=torch.cat(maps).numpy() if context.want_maps else None,
        )

    def _maps(
        self, images: ImageSet, context: Context, progress: Any = lambda _fraction: None
    ) -> list[torch.Tensor]:
        """Return the backbone's maps, per scale ``float32 [N, C, h, w]`` on the cell's device."""
        import numpy as np
        import torch

        from .features import scale_maps

        parts = []
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            rows = range(start, min(start + chunk, len(images)))
            pixels = np.stack([np.asarray(images[i]) for i in rows])
            parts.append(scale_maps(context.features.backbone, pixels, self.settings.scales))
            progress(start / len(images))
        return [torch.cat(scale) for scale in zip(*parts, strict=True)]

    def _moments_of(
        self, maps: torch.Tensor, context: Context
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and deviation of every channel, ``float32 [1, C, 1, 1]`` each."""
        import torch

        wanted = self.settings.standardise
        if wanted is None:
            # By identity, as in the cell's key: other weights of the network scale otherwise.
            wanted = context.features.spec.identity() != PAPER_WEIGHTS
        mean = maps.mean(dim=(0, 2, 3), keepdim=True)
        if not wanted:
            return torch.zeros_like(mean), torch.ones_like(mean)
        # A channel that never varies stays at zero instead of blowing up.
        return mean, maps.std(dim=(0, 2, 3), keepdim=True).clamp(min=1e-6)

    def _standardised(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        return [
            (m - mean) / deviation for m, (mean, deviation) in zip(maps, self._moments, strict=True)
        ]
