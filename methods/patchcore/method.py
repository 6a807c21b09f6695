"""PatchCore: image and pixel scores are distances to a coreset of nominal patch features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import Context, ImageSet, Method, Scores

if TYPE_CHECKING:
    import torch

CHUNK = 16  # images embedded at once; bounds memory, changes no value


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchCoreSettings:
    """Settings; the defaults are the paper's main configuration (10 % coreset).

    Attributes
    ----------
    strides
        Layers by stride; 8 and 16 are layer2 and layer3 of WideResNet-50-2 (section 4.1).
    patch
        Side of the neighbourhood that makes a feature locally aware (section 4.4.1: 3).
    layer_dim
        Length that each layer's neighbourhood is pooled to (official code: 1024).
    dim
        Length of the combined feature (official code: 1024).
    coreset_fraction
        Share of the training patches that is kept (table 1: 0.1; 0.25 and 0.01 are reported too).
    exact
        Start the greedy selection from distances to all points instead of ten random ones
        (official code: the approximation).
    neighbours
        Nearest neighbours whose squared distances are averaged (official code: 1).
    reweight
        Weight the image score by how crowded the bank is around its nearest entry (equation 7;
        not in the official code).
    reweight_neighbours
        Bank entries in that neighbourhood, b of equation 7 (9, as in anomalib).
    """

    strides: tuple[int, ...] = (8, 16)
    patch: int = 3
    layer_dim: int = 1024
    dim: int = 1024
    coreset_fraction: float = 0.1
    exact: bool = False
    neighbours: int = 1
    reweight: bool = False
    reweight_neighbours: int = 9

    def __post_init__(self) -> None:
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"strides={self.strides}: expected at least one positive stride")
        if self.patch < 1 or self.patch % 2 == 0:
            raise ValueError(f"patch={self.patch}: expected an odd side, e.g. 3")
        if not 0 < self.coreset_fraction <= 1:
            raise ValueError(f"coreset_fraction={self.coreset_fraction}: expected in (0, 1]")
        counts = ("layer_dim", "dim", "neighbours", "reweight_neighbours")
        if min(getattr(self, name) for name in counts) < 1:
            raise ValueError(f"{', '.join(counts)} must be at least 1")


class PatchCore(Method):
    """Patch features, greedy coreset, nearest neighbours."""

    name = "patchcore"
    title = "PatchCore"
    paper = "Roth et al., CVPR 2022, arXiv 2106.08265"
    backbone = "wide_resnet50_2"
    image_size = 256
    smoothing_sigma = 4.0
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # Three stages make up for the packaged network's thin ones.
        "quick": {"strides": (8, 16, 32), "layer_dim": 256, "dim": 256, "coreset_fraction": 0.01},
        "demo": {
            "image_size": 128,
            "backbone": "efficientnet_lite0",
            "layer_dim": 128,
            "dim": 128,
            "coreset_fraction": 0.02,
        },
    }
    departures = (
        "The whole image is squashed to a square; the official code resizes its shorter side to "
        "256 and crops the central 224 pixels, which cuts off defects near the border.",
    )
    Settings = PatchCoreSettings
    settings: PatchCoreSettings
    _bank: torch.Tensor

    def strides(self) -> tuple[int, ...]:
        """Return the strides of the layers that patches are made of."""
        return self.settings.strides

    def fit(self, train: ImageSet, context: Context) -> None:
        """Embed the training patches and keep a coreset of them."""
        import torch

        from .coreset import greedy_coreset, project

        patches = self._embed(train, context, lambda f: context.progress(f * 0.3, "patches"))
        generator = torch.Generator().manual_seed(context.seed("coreset"))
        count = max(1, int(len(patches) * self.settings.coreset_fraction))
        chosen = greedy_coreset(
            project(patches, generator),
            count,
            generator,
            exact=self.settings.exact,
            progress=lambda f: context.progress(0.3 + 0.7 * f, "coreset"),
        )
        self._bank = patches[chosen.to(patches.device)].clone()

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the largest patch distance; maps are squared distances on the patch grid."""
        import torch

        image_scores, maps = [], []
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images))))
            patches = self._embed(part, context)
            distances, indices = self._distances(patches)
            per_image = distances.reshape(len(part), -1)
            image_scores.append(self._image_scores(per_image, patches, indices))
            side = round(per_image.shape[1] ** 0.5)
            maps.append(per_image.reshape(len(part), side, side).cpu())
            context.progress(start / len(images), "distances")
        return Scores(
            image=torch.cat(image_scores).cpu().numpy(),
            maps=torch.cat(maps).numpy() if context.want_maps else None,
        )

    def _distances(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean squared distance to the neighbours and the nearest one's index."""
        from .coreset import nearest

        neighbours = min(self.settings.neighbours, len(self._bank))
        distances, indices = nearest(patches, self._bank, neighbours)
        return distances.mean(dim=1), indices[:, 0]

    def _image_scores(
        self, per_image: torch.Tensor, patches: torch.Tensor, indices: torch.Tensor
    ) -> torch.Tensor:
        import torch

        best, position = per_image.max(dim=1)
        if not self.settings.reweight:
            return best
        rows = torch.arange(len(position), device=position.device) * per_image.shape[1] + position
        return best.sqrt() * self._weights(patches[rows], self._bank[indices[rows]])

    def _weights(self, queries: torch.Tensor, matches: torch.Tensor) -> torch.Tensor:
        """Compute equation 7's factor: 1 − softmax of the distances around the match, at it."""
        from .coreset import nearest

        count = min(self.settings.reweight_neighbours, len(self._bank))
        _, around = nearest(matches, self._bank, count)  # the match itself comes first
        distances = (queries[:, None] - self._bank[around]).norm(dim=2)
        return 1 - distances.softmax(dim=1)[:, 0]

    def _embed(
        self,
        images: ImageSet,
        context: Context,
        progress: Any = lambda _fraction: None,
    ) -> torch.Tensor:
        """Return the patch features of images, ``float32 [N · H · W, dim]``."""
        import torch

        rows: torch.Tensor | None = None
        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images))))
            maps = {
                stride: torch.from_numpy(array).to(context.device)
                for stride, array in context.features.maps(part, self.settings.strides).items()
            }
            block = self._patches(maps)
            flat = block.reshape(-1, block.shape[-1])
            if rows is None:
                per_image = len(flat) // len(part)
                rows = flat.new_empty(len(images) * per_image, flat.shape[1])
            rows[start * per_image : start * per_image + len(flat)] = flat
            progress(start / len(images))
        assert rows is not None, "the feature provider refuses an empty set"
        return rows

    def _patches(self, maps: Mapping[int, torch.Tensor]) -> torch.Tensor:
        """Make patch features ``float32 [N, h, w, dim]`` of the layers' maps."""
        from .patches import patch_features

        chosen = self.settings
        return patch_features(maps, chosen.patch, chosen.layer_dim, chosen.dim)
