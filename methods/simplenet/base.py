"""What SimpleNet and GLASS share: patches → features → adaptor and discriminator → scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from ..base import Context, ImageSet, Method, Scores
from ..seeding import seeded

if TYPE_CHECKING:
    import torch

    from .network import OptimiserSpec, PatchNet
    from .patches import Embedding, Moments
    from .settings import PatchSettings

CHUNK = 16  # images scored at once; bounds memory, changes no value


class PatchDiscriminator(Method):
    """Frozen patch features, a linear adaptor, and a discriminator; without its training.

    Attributes
    ----------
    embedding_time
        Share of the progress bar before training.
    """

    backbone = "wide_resnet50_2"
    image_size = 288
    smoothing_sigma = 4.0
    embedding_time: ClassVar[float]
    settings: PatchSettings
    _net: PatchNet
    _moments: Moments

    def strides(self) -> tuple[int, ...]:
        """Return the strides of the layers that patches are made of."""
        return self.settings.strides

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train adaptor and discriminator on the frozen features."""
        from .network import PatchNet
        from .patches import learn_moments

        chosen = self.settings
        features = self._embedding().of_images(
            train, context, lambda f: context.progress(f * self.embedding_time, "patches")
        )
        self._moments = learn_moments(features, chosen.deviation, chosen.noise, context)
        self._moments.apply(features)
        with seeded(context.seed("init"), context.device):
            net = PatchNet(chosen.dim, chosen.hidden, bias=chosen.adaptor_bias)
        self._net = net.to(context.device)
        self._train(features, train, context)

    @abstractmethod
    def _train(self, features: torch.Tensor, images: ImageSet, context: Context) -> None:
        """Train the network on the images' features, ``float32 [N, H, W, D]``; in place."""

    @abstractmethod
    def _anomaly(self, outputs: torch.Tensor) -> torch.Tensor:
        """Turn the network's outputs into scores, higher = more anomalous; of any shape."""

    def _training_progress(self, fraction: float, text: str, context: Context) -> None:
        done = self.embedding_time + (1 - self.embedding_time) * fraction
        context.progress(done, text)

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the largest value over the grid; maps are the grid."""
        import torch

        from .network import grid_outputs

        grids = []
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images))))
            features = self._moments.apply(self._embedding().of_images(part, context))
            grids.append(self._anomaly(grid_outputs(self._net, features)).cpu())
            context.progress(start / len(images), "patches")
        maps = torch.cat(grids)
        return Scores(
            image=maps.amax(dim=(1, 2)).numpy(),
            maps=maps.numpy() if context.want_maps else None,
        )

    def _optimisers(self) -> tuple[OptimiserSpec, OptimiserSpec]:
        """Return the adaptor's and the discriminator's."""
        from .network import OptimiserSpec

        chosen = self.settings
        return (
            OptimiserSpec(
                kind=chosen.adaptor_optimiser,
                rate=chosen.adaptor_rate,
                decay=chosen.adaptor_decay,
            ),
            OptimiserSpec(
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
