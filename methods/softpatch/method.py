"""SoftPatch: PatchCore that distrusts training patches which other images do not confirm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..base import Context, ImageSet, Variant
from ..patchcore.method import PatchCore, PatchCoreSettings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftPatchSettings(PatchCoreSettings):
    """PatchCore's settings and those of the noise discriminator; the defaults are the paper's.

    Attributes
    ----------
    discriminator
        What tells noise, per position: ``"lof"`` (local outlier factor), ``"nearest"`` or
        ``"gaussian"``, see `noise.outlier_weights` (paper: LOF).
    lof_neighbours
        k of the local outlier factor (official code's command line: 6).
    remove
        τ: share of all training patches, those of highest weight, that the coreset never takes
        (official code: 0.15); 0 switches the hard step off.
    soft
        Multiply a test patch's distance by the weight of the coreset member it is nearest to.
    """

    discriminator: Literal["lof", "nearest", "gaussian"] = "lof"
    lof_neighbours: int = 6
    remove: float = 0.15
    soft: bool = True

    def __post_init__(self) -> None:
        PatchCoreSettings.__post_init__(self)
        if self.lof_neighbours < 1:
            raise ValueError(f"lof_neighbours={self.lof_neighbours}: expected at least 1")
        if not 0 <= self.remove < 1:
            raise ValueError(f"remove={self.remove}: expected a share in [0, 1)")


class SoftPatch(PatchCore):
    """PatchCore with outlying patches kept out of the coreset and the others weighted."""

    name = "softpatch"
    title = "SoftPatch"
    paper = "Jiang et al., NeurIPS 2022, arXiv 2403.14233"
    variants: ClassVar[dict[str, Variant]] = {
        "nearest": Variant(title="SoftPatch-nearest", settings={"discriminator": "nearest"}),
        "gaussian": Variant(title="SoftPatch-Gaussian", settings={"discriminator": "gaussian"}),
        "no-hard": Variant(title="SoftPatch without removal", settings={"remove": 0.0}),
        "no-soft": Variant(title="SoftPatch without weights", settings={"soft": False}),
    }
    departures = (
        *PatchCore.departures,
        "Removed patches take no part in the coreset selection at all; in the official code the "
        "first pick, made before the removal takes effect, may be one of them, and the random "
        "start points are drawn from them too.",
    )
    Settings = SoftPatchSettings
    settings: SoftPatchSettings
    _bank_weights: torch.Tensor

    def fit(self, train: ImageSet, context: Context) -> None:
        """Embed the training patches, weight them, and keep a coreset of the trusted ones."""
        import torch

        from ..patchcore.coreset import greedy_coreset, project

        patches = self._embed(train, context, lambda f: context.progress(f * 0.3, "patches"))
        generator = torch.Generator().manual_seed(context.seed("coreset"))
        projected = project(patches, generator)
        weights = self._outlier_weights(projected, len(train))
        kept = weights.cpu().numpy() <= np.quantile(weights.cpu().numpy(), 1 - self.settings.remove)
        self.train_weights = kept.reshape(len(train), -1).mean(axis=1).astype(np.float32)
        trusted = torch.from_numpy(np.flatnonzero(kept)).to(patches.device)
        count = max(1, int(len(patches) * self.settings.coreset_fraction))
        chosen = greedy_coreset(
            projected[trusted],
            min(count, len(trusted)),
            generator,
            exact=self.settings.exact,
            progress=lambda f: context.progress(0.3 + 0.7 * f, "coreset"),
        )
        chosen = trusted[chosen.to(patches.device)]
        self._bank = patches[chosen].clone()
        self._bank_weights = weights[chosen].clone()

    def _outlier_weights(self, projected: torch.Tensor, images: int) -> torch.Tensor:
        """Weigh patches ``[N · H · W, D]`` among those at their position: ``[N · H · W]``."""
        from .noise import outlier_weights

        by_position = projected.reshape(images, -1, projected.shape[1]).transpose(0, 1)
        chosen = self.settings
        weights = outlier_weights(by_position, chosen.discriminator, chosen.lof_neighbours)
        return weights.T.reshape(-1)

    def _distances(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weighted squared distances and the nearest bank entry's index."""
        distances, indices = super()._distances(patches)
        if self.settings.soft:
            distances = distances * self._bank_weights[indices]
        return distances, indices
