"""SimpleNet: how far a patch's feature lies on the noisy side of a learned boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..base import Context, ImageSet, Method, Scores, Variant
from ..seeding import seeded

if TYPE_CHECKING:
    from .network import PatchNet
    from .patches import Embedding, Moments
    from .train import TrainingPlan

CHUNK = 16  # images scored at once; bounds memory, changes no value
EMBEDDING_TIME = 0.2  # share of the progress bar

Optimiser = Literal["adam", "adamw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleNetSettings:
    """Settings; the defaults are those of the official code's script for MVTec AD.

    Attributes
    ----------
    strides
        Layers by stride; 8 and 16 are layer2 and layer3 of WideResNet-50-2.
    patch
        Side of the neighbourhood that makes a feature locally aware (3).
    layer_dim, dim
        Length that each layer's neighbourhood is pooled to, and of the combined feature (1536).
    deviation
        Bring each feature to mean 0 and this deviation over the training patches. None leaves
        those of WideResNet-50-2 as they are, like the official code, and gives those of every
        other network the deviation at which the noise is as long as training patches lie, on
        average, from the nearest patch of another training image.
    adaptor_bias
        Whether the adaptor has a bias (code: yes; paper: no).
    hidden
        Width of the discriminator (1024).
    noise
        Standard deviation of the noise on each adapted feature (0.015).
    margin
        Truncation of the loss (0.5).
    epochs
        Passes over the training images (code: 40 × 4).
    batch_images
        Images per step (code: 8).
    patches_per_step
        Positions drawn from a step's images; None = all, as in the official code.
    adaptor_optimiser, adaptor_rate, adaptor_decay
        Of the adaptor (code: AdamW, 1e-4, 0.01).
    discriminator_optimiser, discriminator_rate, discriminator_decay
        Of the discriminator (code: Adam, 2e-4, 1e-5).
    """

    strides: tuple[int, ...] = (8, 16)
    patch: int = 3
    layer_dim: int = 1536
    dim: int = 1536
    deviation: float | None = None
    adaptor_bias: bool = True
    hidden: int = 1024
    noise: float = 0.015
    margin: float = 0.5
    epochs: int = 160
    batch_images: int = 8
    patches_per_step: int | None = None
    adaptor_optimiser: Optimiser = "adamw"
    adaptor_rate: float = 1e-4
    adaptor_decay: float = 0.01
    discriminator_optimiser: Optimiser = "adam"
    discriminator_rate: float = 2e-4
    discriminator_decay: float = 1e-5

    def __post_init__(self) -> None:
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"strides={self.strides}: expected at least one positive stride")
        if self.patch < 1 or self.patch % 2 == 0:
            raise ValueError(f"patch={self.patch}: expected an odd side, e.g. 3")
        for name in ("layer_dim", "dim", "hidden", "epochs", "batch_images"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if self.patches_per_step is not None and self.patches_per_step < 2:
            raise ValueError(f"patches_per_step={self.patches_per_step}: expected at least 2")
        for name in ("noise", "margin", "adaptor_rate", "discriminator_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)}: expected a positive number")
        if self.deviation is not None and self.deviation <= 0:
            raise ValueError(f"deviation={self.deviation}: expected a positive number")
        if min(self.adaptor_decay, self.discriminator_decay) < 0:
            raise ValueError("adaptor_decay and discriminator_decay must not be negative")


class SimpleNet(Method):
    """Frozen patch features, a linear adaptor, and a discriminator trained on noise."""

    name = "simplenet"
    title = "SimpleNet"
    paper = "Liu et al., CVPR 2023, arXiv 2303.15140"
    backbone = "wide_resnet50_2"
    image_size = 288
    smoothing_sigma = 4.0
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
        "The whole image is squashed to 288 pixels; the official code resizes its shorter side to "
        "329 and crops the central 288, which cuts off defects near the border.",
        "With another backbone than WideResNet-50-2 features are standardised, to the deviation "
        "at which the noise is as long as training patches lie from the nearest patch of another "
        "training image; a rule of our own, which no test image had a part in.",
    )
    Settings = SimpleNetSettings
    settings: SimpleNetSettings
    _net: PatchNet
    _moments: Moments

    def strides(self) -> tuple[int, ...]:
        """Return the strides of the layers that patches are made of."""
        return self.settings.strides

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train adaptor and discriminator on the frozen features."""
        import torch

        from .network import PatchNet
        from .patches import learn_moments
        from .train import train as train_net

        chosen = self.settings
        features = self._embedding().of_images(
            train, context, lambda f: context.progress(f * EMBEDDING_TIME, "patches")
        )
        self._moments = learn_moments(features, chosen.deviation, context)
        self._moments.apply(features)
        with seeded(context.seed("init"), context.device):
            net = PatchNet(chosen.dim, chosen.hidden, bias=chosen.adaptor_bias)
        self._net = net.to(context.device)
        train_net(
            self._net,
            features.flatten(1, 2),
            self.plan(),
            torch.Generator().manual_seed(context.seed("training")),
            lambda f, t: context.progress(EMBEDDING_TIME + (1 - EMBEDDING_TIME) * f, t),
        )

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the largest −D over the grid; maps are −D."""
        import torch

        from .network import grid_outputs

        grids = []
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images))))
            features = self._moments.apply(self._embedding().of_images(part, context))
            grids.append(-grid_outputs(self._net, features).cpu())
            context.progress(start / len(images), "patches")
        maps = torch.cat(grids)
        return Scores(
            image=maps.amax(dim=(1, 2)).numpy(),
            maps=maps.numpy() if context.want_maps else None,
        )

    def plan(self) -> TrainingPlan:
        """Return how the network is trained."""
        from .network import OptimiserSpec
        from .train import TrainingPlan

        chosen = self.settings
        return TrainingPlan(
            epochs=chosen.epochs,
            batch_images=chosen.batch_images,
            patches_per_step=chosen.patches_per_step,
            noise=chosen.noise,
            margin=chosen.margin,
            adaptor=OptimiserSpec(
                kind=chosen.adaptor_optimiser,
                rate=chosen.adaptor_rate,
                decay=chosen.adaptor_decay,
            ),
            discriminator=OptimiserSpec(
                kind=chosen.discriminator_optimiser,
                rate=chosen.discriminator_rate,
                decay=chosen.discriminator_decay,
            ),
        )

    def _embedding(self) -> Embedding:
        from .patches import Embedding

        chosen = self.settings
        return Embedding(
            strides=chosen.strides, patch=chosen.patch, layer_dim=chosen.layer_dim, dim=chosen.dim
        )
