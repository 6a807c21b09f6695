"""Base class of the methods that score images by a flow over pooled multi-scale features."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..base import Context, ImageSet, Method, Scores
from ..seeding import seeded
from ..views import View, apply_view, bank
from .settings import DEMO, QUICK, FlowSettings

if TYPE_CHECKING:
    import torch
    from FrEIA.framework import SequenceINN

    from .plan import TrainingPlan

PAPER_NETWORK = "alexnet"
PAPER_WEIGHTS = "torchvision/alexnet.IMAGENET1K_V1"
LAST_MAP_OF_ALEXNET = 32
# Of the packaged EfficientNet-Lite0's strides, the best on MVTec AD's bottle (99.4; 8: 94.0).
BEST_OF_OTHERS = 16
SCORE_ROWS = 128  # vectors per forward pass of scoring

BASE_DEPARTURES = (
    "Training draws its views from a bank of fixed angles instead of drawing new angles, so that "
    "the frozen features are computed once.",
    "Gradients are rotated back bilinearly (DifferNet's code: cubic spline), and blurred with a "
    "mirrored border.",
    "With another backbone than AlexNet the stride-16 map is pooled, and quick localises with one "
    "view: both were chosen on the test set of MVTec AD's bottle.",
    "With other weights than torchvision's of AlexNet, a file given with --weights included unless "
    "it is a copy of the published one, features are standardised, because their scales differ.",
    "Outputs of the flow are not cut off at ±1e6: a flow that diverges is a failed cell.",
)


class FlowMethod(Method):
    """DifferNet's features, flow, score and gradient maps; subclasses say how it is trained.

    A subclass overrides `plan`, and what it needs to know about a training set `prepare`.
    """

    backbone = PAPER_NETWORK
    image_size = 448
    smoothing_sigma = 0.0  # the gradients are blurred already
    presets: ClassVar[dict[str, dict[str, Any]]] = {"quick": QUICK, "demo": DEMO}
    gradient_maps = True
    departures = BASE_DEPARTURES
    stacks = True
    Settings = FlowSettings
    settings: FlowSettings
    _flow: SequenceINN
    _mean: torch.Tensor
    _deviation: torch.Tensor

    def __init__(self, settings: FlowSettings | None = None) -> None:
        super().__init__(settings)
        self.localises = self.settings.localise

    def plan(self) -> TrainingPlan:
        """Return how the flow is trained; the base class: maximum likelihood, nothing else."""
        from .plan import TrainingPlan

        chosen = self.settings
        return TrainingPlan(
            epochs=chosen.epochs,
            batch_images=chosen.batch_images,
            views_per_step=chosen.views_per_step,
            rate=chosen.learning_rate,
            betas=chosen.betas,
            epsilon=chosen.epsilon,
            weight_decay=chosen.weight_decay,
        )

    def strides(self) -> tuple[int, ...]:
        """Return the stride that is pooled, where one was given."""
        return () if self.settings.stride is None else (self.settings.stride,)

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train the flow on the bank of views."""
        self.fit_stack([self], [train], [context])

    @classmethod
    def fit_stack(
        cls, methods: Sequence[Self], trains: Sequence[ImageSet], contexts: Sequence[Context]
    ) -> None:
        """Train several flows as one computation, those of equal outer learning rate together."""
        groups: dict[float, list[int]] = defaultdict(list)
        for index, method in enumerate(methods):
            groups[method.plan().rate].append(index)
        for members in groups.values():
            cls._fit_together(
                [methods[i] for i in members],
                [trains[i] for i in members],
                [contexts[i] for i in members],
            )

    @classmethod
    def _fit_together(
        cls, methods: Sequence[Self], trains: Sequence[ImageSet], contexts: Sequence[Context]
    ) -> None:
        import torch

        from .stack import FlowStack
        from .train import Training

        features = [
            m.learn_features(t, c) for m, t, c in zip(methods, trains, contexts, strict=True)
        ]
        with torch.enable_grad():
            training = Training(
                FlowStack(
                    [
                        m.new_flow(f.shape[-1], c)
                        for m, f, c in zip(methods, features, contexts, strict=True)
                    ]
                ),
                torch.stack(features),
                [method.plan() for method in methods],
                [context.seed("order") for context in contexts],
            )
            training.run(contexts[0].progress)
        for index, method in enumerate(methods):
            method.take(training, index)

    def take(self, training: Any, index: int) -> None:
        """Take over one flow of a finished `train.Training`, and what it made of the images."""
        self._flow = training.stack.flow(index)
        if training.plans[index].refinement is not None:
            self.train_weights = training.weights[index].cpu().numpy()

    def new_flow(self, dim: int, context: Context) -> SequenceINN:
        """Return an untrained flow, initialised from the cell's seed."""
        from .flow import build_flow

        chosen = self.settings
        with seeded(context.seed("init"), context.device):
            return build_flow(
                dim,
                blocks=chosen.blocks,
                hidden=chosen.hidden,
                hidden_layers=chosen.hidden_layers,
                clamp=chosen.clamp,
            ).to(context.device)

    def learn_features(self, train: ImageSet, context: Context) -> torch.Tensor:
        """Return the standardised training features, ``float32 [N, V, D]``; keep their moments."""
        features = self._features(train, self.settings.train_views, context)
        self._mean, self._deviation = self._moments(features, context)
        return self._standardise(features)

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the flow's output, averaged over views; maps are gradient maps."""
        image = self.score_features(self.test_features(images, context)).cpu().numpy()
        wanted = self.localises and context.want_maps
        return Scores(image=image, maps=self._maps(images, context) if wanted else None)

    def test_features(self, images: ImageSet, context: Context) -> torch.Tensor:
        """Return standardised features of the views that scoring uses, ``float32 [N, V, D]``."""
        return self._standardise(self._features(images, self.settings.test_views, context))

    def pixel_features(self, pixels: np.ndarray, context: Context) -> torch.Tensor:
        """Return what `test_features` does, for ``uint8 [N, H, W, 3]`` that lie in no file."""
        import torch

        from ..features import pooled_scales

        backbone, size = context.features.backbone, pixels.shape[1]
        sizes = tuple(max(1, size // divisor) for divisor in sorted(self.settings.scales))
        views = self._views(self.settings.test_views)
        found = []
        with torch.no_grad():
            for image in pixels:
                batch = backbone.normalise(np.stack([apply_view(image, view) for view in views]))
                found.append(pooled_scales(backbone, batch, sizes, self._stride(context)))
        return self._standardise(torch.stack(found))

    def score_features(self, features: torch.Tensor, scoring: str | None = None) -> torch.Tensor:
        """Score standardised features ``[N, V, D]``: ``float32 [N]``, a mean over the V views.

        ``scoring`` is as in `FlowSettings`; None takes that of the settings.
        """
        import torch
        from torch.nn import functional

        scoring = scoring or self.settings.scoring

        count, views, dim = features.shape
        rows = features.reshape(-1, dim)
        found = []
        with torch.no_grad():
            for part in rows.split(SCORE_ROWS):
                # Always the same number of rows, so that an image's score does not depend on
                # how many others are scored with it.
                z, log_det = self._flow(functional.pad(part, (0, 0, 0, SCORE_ROWS - len(part))))
                z2 = z.square().mean(dim=1)[: len(part)]
                nll = 0.5 * z2 - log_det[: len(part)] / dim
                found.append({"z2": z2, "nll": nll, "hybrid": (z2 + nll) / 2}[scoring])
        return torch.cat(found).reshape(count, views).mean(dim=1)

    def _maps(self, images: ImageSet, context: Context) -> Any:
        import torch

        from .localise import gradient_maps

        sizes = self._sizes(images)
        with torch.enable_grad():
            return gradient_maps(
                images.resized(sizes[0]),
                context.features,
                self._flow,
                self._standardise,
                sizes=sizes,
                stride=self._stride(context),
                angles=tuple(view.angle for view in bank(self.settings.localise_views)),
                sigma=self.settings.blur_sigma,
                batch_scale=context.batch_scale,
            )

    def _features(self, images: ImageSet, views: int, context: Context) -> torch.Tensor:
        """Return ``float32 [N, V, D]`` on the cell's device."""
        import torch

        pooled = context.features.pooled(
            images,
            sizes=self._sizes(images),
            stride=self._stride(context),
            views=self._views(views),
        )
        return torch.from_numpy(pooled).to(context.device)

    def _views(self, count: int) -> tuple[View, ...]:
        return bank(count, flips=self.settings.flips, shift=self.settings.shift)

    def _sizes(self, images: ImageSet) -> tuple[int, ...]:
        return tuple(max(1, images.size // divisor) for divisor in sorted(self.settings.scales))

    def _stride(self, context: Context) -> int:
        if self.settings.stride is not None:
            return self.settings.stride
        # Which map it is depends on the architecture alone, how its features scale on the weights.
        alexnet = context.features.spec.architecture == PAPER_NETWORK
        return LAST_MAP_OF_ALEXNET if alexnet else BEST_OF_OTHERS

    def _moments(
        self, features: torch.Tensor, context: Context
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        wanted = self.settings.standardise
        if wanted is None:
            # By identity, as in the cell's key: a copy of the published file is that backbone.
            wanted = context.features.spec.identity() != PAPER_WEIGHTS
        flat = features.flatten(0, 1)
        if wanted:
            # A feature that never varies stays at zero instead of blowing up.
            return flat.mean(dim=0), flat.std(dim=0).clamp(min=1e-6)
        return torch.zeros_like(flat[0]), torch.ones_like(flat[0])

    def _standardise(self, features: torch.Tensor) -> torch.Tensor:
        return (features - self._mean) / self._deviation
