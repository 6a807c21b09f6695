"""SimpleNet: how far a patch's feature lies on the noisy side of a learned boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..base import Context, ImageSet, Variant
from .base import PatchDiscriminator
from .settings import SimpleNetSettings

if TYPE_CHECKING:
    import torch

    from .train import TrainingPlan


class SimpleNet(PatchDiscriminator):
    """Frozen patch features, a linear adaptor, and a discriminator trained on noise."""

    name = "simplenet"
    title = "SimpleNet"
    paper = "Liu et al., CVPR 2023, arXiv 2303.15140"
    embedding_time = 0.2
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "image_size": 256,
            "layer_dim": 256,
            "dim": 256,
            "hidden": 256,
            "epochs": 20,
            "patches_per_step": 1024,
        },
        "demo": {
            "image_size": 128,
            "backbone": "efficientnet_lite0",
            "layer_dim": 128,
            "dim": 128,
            "hidden": 128,
            "epochs": 20,
            "patches_per_step": 1024,
            "adaptor_rate": 1e-3,
            "discriminator_rate": 2e-3,
        },
    }
    variants: ClassVar[dict[str, Variant]] = {
        # Section 5.2 and 7 of the report; its text names no weight decay.
        "saha": Variant(
            title="SimpleNet (Saha)",
            settings={
                "epochs": 100,
                "adaptor_bias": False,
                "adaptor_optimiser": "adam",
                "adaptor_decay": 0.0,
                "discriminator_decay": 0.0,
            },
            # Without a bias it learns more slowly: 20 epochs of a few drawn images leave maps that
            # are lower on a defect than beside it.
            presets={"quick": {"epochs": presets["quick"]["epochs"]}, "demo": {"epochs": 40}},
            image_size=256,
        ),
    }
    departures = (
        "The last epoch's weights count; the official code keeps, of 40 evaluations, the one with "
        "the best test image AUROC.",
        "The whole image is squashed to a square; the official code resizes its shorter side to "
        "329 and crops the central 288, which cuts off defects near the border.",
        "With other weights than torchvision's first of WideResNet-50-2 (timm: tv_in1k), a file "
        "given with --weights included unless it is a copy of the published one, features are "
        "standardised, to the deviation at which the noise is as long as training patches lie from "
        "the nearest patch of another training image; a rule of our own, which no test image had a "
        "part in.",
    )
    Settings = SimpleNetSettings
    settings: SimpleNetSettings

    def _train(self, features: torch.Tensor, images: ImageSet, context: Context) -> None:
        import torch

        from .train import train as train_net

        train_net(
            self._net,
            features.flatten(1, 2),
            self.plan(),
            torch.Generator().manual_seed(context.seed("training")),
            lambda f, t: self._training_progress(f, t, context),
        )

    def _anomaly(self, outputs: torch.Tensor) -> torch.Tensor:
        return -outputs

    def plan(self) -> TrainingPlan:
        """Return how the network is trained."""
        from .train import TrainingPlan

        chosen = self.settings
        adaptor, discriminator = self._optimisers()
        return TrainingPlan(
            epochs=chosen.epochs,
            batch_images=chosen.batch_images,
            patches_per_step=chosen.patches_per_step,
            noise=chosen.noise,
            margin=chosen.margin,
            adaptor=adaptor,
            discriminator=discriminator,
        )
