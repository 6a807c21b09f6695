"""CutPaste: a density over features that learnt to spot cut and pasted patches."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..base import Context, ImageSet, Method, Scores
from ..seeding import seeded

if TYPE_CHECKING:
    import torch

    from .network import ThreeWayClassifier


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPasteSettings:
    """Settings; the defaults are the paper's 3-way model.

    Attributes
    ----------
    width
        Channels of the ResNet-18's first stage (64).
    head
        Lengths of the projection head's layers (third-party implementation: 512, 128).
    steps
        Gradient steps (256 "epochs" of 256).
    batch
        Nominal images per step; each also gives a patched and a scarred one (32 of 96).
    learning_rate, momentum, weight_decay
        Of stochastic gradient descent (0.03, 0.9, 3e-5), the rate falling along half a cosine.
    jitter
        Strength of the colour jitter on patches, and on all images beforehand (0.1).
    translation
        How far images are moved, in pixels for 256 (10; the paper gives no figure).
    """

    width: int = 64
    head: tuple[int, ...] = (512, 128)
    steps: int = 65_536
    batch: int = 32
    learning_rate: float = 0.03
    momentum: float = 0.9
    weight_decay: float = 3e-5
    jitter: float = 0.1
    translation: float = 10.0

    def __post_init__(self) -> None:
        if not self.head or min(self.width, self.steps, self.batch, *self.head) < 1:
            raise ValueError("width, head, steps and batch must be at least 1")
        if not 0 <= self.jitter < 0.5:
            raise ValueError(f"jitter={self.jitter}: expected in [0, 0.5)")
        if self.translation < 0:
            raise ValueError(f"translation={self.translation}: expected 0 or more pixels")


class CutPaste(Method):
    """Self-supervised 3-way classification, then a Gaussian over the pooled features."""

    name = "cutpaste"
    title = "CutPaste (3-way)"
    paper = "Li et al., CVPR 2021, arXiv 2104.04015"
    image_size = 256
    localises = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "image_size": 128,
            "width": 8,
            "head": (64, 32),
            "steps": 300,
            "batch": 8,
        },
        "demo": {"image_size": 64, "width": 8, "head": (64, 32), "steps": 60, "batch": 8},
    }
    departures = (
        "No maps: the paper localises by a second model, trained on 64-pixel crops.",
        "One model scores; the paper's best figure is an ensemble of five.",
        "The Gaussian's covariance is shrunk after Ledoit and Wolf, as in third-party code: there "
        "are fewer training images than features.",
        "The three images of a step come from the same nominal one, and a patch's contrast changes "
        "about the mean of the whole image; the jitter's four changes have a fixed order.",
        "The projection head's lengths and how far images are moved, which the paper leaves open, "
        "are third-party code's and a guess.",
    )
    Settings = CutPasteSettings
    settings: CutPasteSettings
    _network: ThreeWayClassifier
    _mean: np.ndarray
    _precision: np.ndarray

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train the classifier, then estimate the density of the nominal features."""
        import torch
        from torch.nn import functional

        from ..reconstruction.pixels import pixels, shuffled_batches, unit
        from ..reconstruction.training import train as train_network
        from .augment import jitter, three_way, translate

        chosen = self.settings
        network = self._new_network(context)
        pool = pixels(train, context.device)
        generator = torch.Generator().manual_seed(context.seed("augmentation"))
        batches = shuffled_batches(len(pool), chosen.batch, generator)

        def loss() -> torch.Tensor:
            images = unit(pool[next(batches).to(pool.device)])
            images = jitter(
                translate(images, chosen.translation, generator), chosen.jitter, generator
            )
            augmented, classes = three_way(images, chosen.jitter, generator)
            return functional.cross_entropy(network(augmented), classes)

        optimiser = torch.optim.SGD(
            network.parameters(),
            lr=chosen.learning_rate,
            momentum=chosen.momentum,
            weight_decay=chosen.weight_decay,
        )
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, chosen.steps)
        train_network([network], optimiser, cosine, loss, chosen.steps, context.progress)
        self._network = network
        self._mean, self._precision = gaussian(self._features(train, context))

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the negative log density up to a constant: half the squared distance."""
        offset = self._features(images, context) - self._mean
        distances = np.einsum("nd,de,ne->n", offset, self._precision, offset)
        return Scores(image=(distances / 2).astype(np.float32))

    def _features(self, images: ImageSet, context: Context) -> np.ndarray:
        """Return pooled features, ``float64 [N, D]``."""
        import torch

        from ..reconstruction.pixels import chunks

        with torch.no_grad():
            found = [self._network.embed(batch).cpu() for batch in chunks(images, context)]
        return torch.cat(found).double().numpy()

    def _new_network(self, context: Context) -> ThreeWayClassifier:
        from .network import ThreeWayClassifier

        with seeded(context.seed("init"), context.device):
            network = ThreeWayClassifier(self.settings.width, self.settings.head)
        return network.to(context.device)


def gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimate a Gaussian's mean ``[D]`` and inverse covariance ``[D, D]`` from ``[N, D]``."""
    state = random.getstate()
    from sklearn.covariance import LedoitWolf

    # What this imports names its objects by draws from Python's generator: leave no trace of it.
    random.setstate(state)
    estimate = LedoitWolf().fit(features)
    return np.asarray(estimate.location_), np.asarray(estimate.get_precision())
