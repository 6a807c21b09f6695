"""Reverse distillation: what a student cannot rebuild of the teacher's features is anomalous."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from ...datasets.errors import UsageError
from ..base import Context, ImageSet, Method, Scores
from ..seeding import seeded

if TYPE_CHECKING:
    import torch

    from .networks import Student

CHUNK = 16  # images scored at once; bounds memory, changes no value
# A tenth of the epochs needs more and larger steps: batch and rate by the loss on held-out training
# images of MVTec AD's capsule.
QUICK: dict[str, Any] = {
    "depths": (1, 1, 1),
    "embedding_depth": 1,
    "epochs": 20,
    "batch_images": 4,
    "learning_rate": 0.01,
}
DEMO: dict[str, Any] = {**QUICK, "image_size": 128, "backbone": "efficientnet_lite0", "epochs": 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class RD4ADSettings:
    """Settings; the defaults are those of the paper and its official code.

    Attributes
    ----------
    strides
        The teacher's layers by stride, each twice the one before; 4, 8 and 16 are a ResNet's first
        three (section 4.1).
    depths
        Residual blocks of the decoder's stages, coarsest first (official code: 3, 4, 6).
    embedding_depth
        Residual blocks of the bottleneck embedding (official code: 3).
    epochs, batch_images
        Passes over the training images, images per step (section 4.1: 200, 16).
    learning_rate, betas
        Of Adam (section 4.1: 0.005, (0.5, 0.999)).
    """

    strides: tuple[int, ...] = (4, 8, 16)
    depths: tuple[int, ...] = (3, 4, 6)
    embedding_depth: int = 3
    epochs: int = 200
    batch_images: int = 16
    learning_rate: float = 0.005
    betas: tuple[float, float] = (0.5, 0.999)

    def __post_init__(self) -> None:
        doubling = all(b == 2 * a for a, b in pairwise(self.strides))
        if not self.strides or min(self.strides) < 1 or not doubling:
            raise ValueError(f"strides={self.strides}: expected each twice the one before")
        if len(self.depths) != len(self.strides):
            raise ValueError(f"depths={self.depths}: expected {len(self.strides)}, one per stride")
        counts = (*self.depths, self.embedding_depth, self.epochs, self.batch_images)
        if min(counts) < 1 or self.learning_rate <= 0:
            raise ValueError("depths, epochs, batch_images and learning_rate must be positive")


class ReverseDistillation(Method):
    """A decoder, trained on nominal images, rebuilds a frozen teacher's maps from an embedding."""

    name = "rd4ad"
    title = "RevDist"
    paper = "Deng and Li, CVPR 2022, arXiv 2201.10703"
    backbone = "wide_resnet50_2"
    image_size = 256
    smoothing_sigma = 4.0
    presets: ClassVar[dict[str, dict[str, Any]]] = {"quick": QUICK, "demo": DEMO}
    departures = (
        "For a network that is no ResNet the student is made of the same residual blocks, with "
        "that network's channels; where its maps have negative values, a 1 × 1 convolution ends "
        "each scale, since a residual block cannot rebuild them.",
    )
    Settings = RD4ADSettings
    settings: RD4ADSettings
    _student: Student

    def strides(self) -> tuple[int, ...]:
        """Return the strides of the teacher's maps."""
        return self.settings.strides

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train the student on the teacher's maps, all of which are held in memory.

        Raises
        ------
        UsageError
            An image size that the embedding cannot halve and the decoder double again.
        CellError
            Training diverged.
        """
        import torch

        from .distil import train_student
        from .networks import Student

        chosen = self.settings
        step = 2 * chosen.strides[-1]
        if train.size % step:
            raise UsageError(f"rd4ad: images of {train.size} px, expected a multiple of {step}")
        maps = self._teacher(train, context)
        with seeded(context.seed("init"), context.device):
            student = Student(
                [m.shape[1] for m in maps],
                chosen.depths,
                chosen.embedding_depth,
                signed=any(bool((m < 0).any()) for m in maps),
            )
        self._student = student.to(context.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.enable_grad():
            train_student(
                self._student,
                maps,
                epochs=chosen.epochs,
                batch_images=chosen.batch_images,
                learning_rate=chosen.learning_rate,
                betas=chosen.betas,
                generator=torch.Generator().manual_seed(context.seed("order")),
                progress=context.progress,
            )

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the maximum of the smoothed map; maps are sums of cosine distances."""
        import torch

        from ..maps import smoothed_maximum
        from .distil import anomaly_map

        image_scores, maps = [], []
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images))))
            teacher = [m.to(context.device) for m in self._teacher(part, context)]
            with torch.no_grad():
                found = anomaly_map(teacher, self._student(teacher), images.size)
            image_scores.append(smoothed_maximum(found, images.size, self.smoothing_sigma))
            maps.append(found.cpu())
            context.progress(start / len(images), "cosine distances")
        return Scores(
            image=torch.cat(image_scores).numpy(),
            maps=torch.cat(maps).numpy() if context.want_maps else None,
        )

    def _teacher(self, images: ImageSet, context: Context) -> list[torch.Tensor]:
        """Return the teacher's maps on the CPU, per scale ``float32 [N, C, h, w]``."""
        import torch

        found = context.features.maps(images, self.settings.strides)
        return [
            torch.from_numpy(found[stride]).to(memory_format=torch.channels_last)
            for stride in self.settings.strides
        ]
