"""PaDiM: a patch is as anomalous as it is unlikely among the patches at its position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...datasets.errors import CellError, UsageError
from ..base import Context, ImageSet, Method, Scores

if TYPE_CHECKING:
    import torch

CHUNK = 16  # images embedded at once; bounds memory, changes no value
# Channels that are drawn: the paper's two, and for networks it does not know ResNet-18's.
PAPER_DIMS = {"wide_resnet50_2": 550, "resnet18": 100}
OTHER_DIM = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PadimSettings:
    """Settings; the defaults are the paper's WR50-Rd550.

    Attributes
    ----------
    strides
        Layers by stride; 4, 8 and 16 are a ResNet's first three (section IV-B).
    dim
        Channels drawn at random from all layers together; None takes 550 of WideResNet-50-2's 1792
        and 100 of ResNet-18's 448 as the paper, and of every other network 100, or all where it
        has fewer.
    epsilon
        Added to the diagonal of the covariances (section III-B: 0.01).
    """

    strides: tuple[int, ...] = (4, 8, 16)
    dim: int | None = None
    epsilon: float = 0.01

    def __post_init__(self) -> None:
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"strides={self.strides}: expected at least one positive stride")
        if self.dim is not None and self.dim < 1:
            raise ValueError(f"dim={self.dim}: expected at least 1, or none for the paper's")
        if self.epsilon <= 0:
            raise ValueError(f"epsilon={self.epsilon}: expected a positive number")


class Padim(Method):
    """Random channels of three layers, one Gaussian per position, Mahalanobis distance."""

    name = "padim"
    title = "PaDiM"
    paper = "Defard et al., ICPR workshops 2020, arXiv 2011.08785"
    backbone = "wide_resnet50_2"
    image_size = 256
    smoothing_sigma = 4.0
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {},
        "demo": {"image_size": 128, "backbone": "efficientnet_lite0"},
    }
    departures = (
        "The whole image is squashed to a square; the paper resizes to 256 and crops the central "
        "224 pixels, which cuts off defects near the border.",
    )
    Settings = PadimSettings
    settings: PadimSettings
    _channels: torch.Tensor
    _means: torch.Tensor
    _factors: torch.Tensor

    def strides(self) -> tuple[int, ...]:
        """Return the strides of the layers that patches are made of."""
        return self.settings.strides

    def fit(self, train: ImageSet, context: Context) -> None:
        """Draw channels and estimate a Gaussian of them at every position.

        Raises
        ------
        CellError
            Fewer than two images, which have no covariance.
        UsageError
            More channels were asked for than the layers have.
        """
        from .gaussian import fit_gaussians

        if len(train) < 2:
            raise CellError(f"PaDiM was given {len(train)} training image, expected at least 2")
        first = context.features.maps(train.subset([0]), self.settings.strides)
        self._channels = self._draw(sum(a.shape[1] for a in first.values()), context)
        vectors = self._embed(train, context, lambda f: context.progress(f * 0.7, "patches"))
        self._means, self._factors = fit_gaussians(vectors, self.settings.epsilon)

    def _draw(self, available: int, context: Context) -> torch.Tensor:
        import torch

        dim = self.settings.dim
        if dim is None:
            known = PAPER_DIMS.get(context.features.spec.architecture)
            dim = known or min(OTHER_DIM, available)
        if dim > available:
            layers = ", ".join(map(str, self.settings.strides))
            raise UsageError(
                f"padim.dim={dim}: the layers of stride {layers} have {available} channels; "
                "take at most as many"
            )
        generator = torch.Generator().manual_seed(context.seed("channels"))
        return torch.randperm(available, generator=generator)[:dim].sort().values

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the largest distance of the smoothed map; maps are distances per position."""
        import torch

        from ..maps import smoothed_maximum
        from .gaussian import mahalanobis

        image_scores, maps = [], []
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images))))
            distances = mahalanobis(self._embed(part, context), self._means, self._factors)
            side = round(distances.shape[1] ** 0.5)
            found = distances.reshape(len(part), side, side)
            image_scores.append(smoothed_maximum(found, images.size, self.smoothing_sigma))
            maps.append(found.cpu())
            context.progress(start / len(images), "distances")
        return Scores(
            image=torch.cat(image_scores).numpy(),
            maps=torch.cat(maps).numpy() if context.want_maps else None,
        )

    def _embed(
        self,
        images: ImageSet,
        context: Context,
        progress: Callable[[float], None] = lambda _fraction: None,
    ) -> torch.Tensor:
        """Return the chosen channels at every position, ``float32 [P, N, D]``."""
        import torch

        from .gaussian import embed

        whole: torch.Tensor | None = None
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images))))
            maps = {
                stride: torch.from_numpy(array).to(context.device)
                for stride, array in context.features.maps(part, self.settings.strides).items()
            }
            if whole is None:
                finest = maps[min(maps)]
                positions = finest.shape[-2] * finest.shape[-1]
                whole = finest.new_empty(positions, len(images), len(self._channels))
            embed(maps, self._channels, whole[:, start : start + len(part)])
            progress(start / len(images))
        assert whole is not None, "the feature provider refuses an empty set"
        return whole
