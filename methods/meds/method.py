"""MeDS' first stage as a filter: suspect training images are removed before another method fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..base import Context, ImageSet, Method, Scores, Variant
from ..differnet.method import DifferNet, DifferNetSettings
from ..patchcore.method import PatchCore, PatchCoreSettings

if TYPE_CHECKING:
    import torch

CHUNK = 16  # images whose maps are asked for at once; bounds memory, changes no value
FILTER_TIME = 0.3  # share of the progress bar

FILTER_PAPER = "MeDS (ICML 2026, arXiv 2605.26676)"
FILTER_DEPARTURES = (
    "Only the first of MeDS' three stages runs: no network is distilled from the scores, and "
    "images are selected once instead of anew during training.",
    "The cut starts at the median, as MeDS does, and relaxes on the scores of what it kept "
    "(meds_cut=relaxed) instead of over training time; chosen over the median cut by removal "
    "precision and recall on bottle, screw and capsule of MVTec AD.",
    "Patches come from the method's own backbone (one map, meds_stride) instead of DINOv2; the "
    "stride was compared on bottle, screw and capsule of MVTec AD.",
    "Memories that hold an image's own patches do not count for it; in the official code its "
    "distance to them is zero.",
)
VARIANTS = {
    "median": Variant(title="median cut", settings={"meds_cut": "median"}),
    "mad": Variant(title="median + 3 MAD", settings={"meds_cut": "mad"}),
}


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """Settings of the filter; the defaults are MeDS' but for the cut.

    Attributes
    ----------
    meds_stride
        Which feature map the patches come from.
    meds_memories
        How many random memories a patch is compared with (100).
    meds_share
        Share of the training images that a memory holds (0.1).
    meds_top
        Share of an image's patches, the highest, that its score is the mean of (0.01).
    meds_cut
        Where to cut, see `bootstrap.select`. The default was chosen by what the cuts remove, not
        by AUROC: bottle, screw and capsule of MVTec AD, packaged backbone, three draws each. At 0 %
        label noise ``"relaxed"`` lost 12 % of the nominal images, ``"median"`` 50 %, ``"mad"`` 8 %.
        Where scores tell the two apart (bottle), they removed 99, 99 and 10 % of the anomalous
        images at 50 %; where they hardly do (screw), 9, 60 and 9 %, the median cut 40 % of the
        nominal ones with them.
    meds_factor
        Multiple of the median absolute deviation (3).
    """

    meds_stride: int = 16
    meds_memories: int = 100
    meds_share: float = 0.1
    meds_top: float = 0.01
    meds_cut: Literal["relaxed", "median", "mad"] = "relaxed"
    meds_factor: float = 3.0

    def check_filter(self) -> None:
        """Raise ``ValueError`` where a value means nothing."""
        if self.meds_stride < 1 or self.meds_memories < 1:
            raise ValueError("meds_stride and meds_memories must be at least 1")
        for name in ("meds_share", "meds_top"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected in (0, 1]")
        if self.meds_factor < 0:
            raise ValueError(f"meds_factor={self.meds_factor}: expected at least 0")


@dataclass(frozen=True, kw_only=True)
class MedsPatchCoreSettings(PatchCoreSettings, FilterSettings):
    """PatchCore's settings, and those of the filter (``meds_…``)."""

    def __post_init__(self) -> None:
        PatchCoreSettings.__post_init__(self)
        self.check_filter()


@dataclass(frozen=True, kw_only=True)
class MedsDifferNetSettings(DifferNetSettings, FilterSettings):
    """DifferNet's settings, and those of the filter (``meds_…``)."""

    def __post_init__(self) -> None:
        DifferNetSettings.__post_init__(self)
        self.check_filter()


class FilteredMethod(Method):
    """Another method, fitted on the training images that the filter keeps.

    Attributes
    ----------
    Inner
        The method behind the filter; ``Settings`` extend its settings.
    """

    Inner: ClassVar[type[Method]]
    settings: FilterSettings

    def __init__(self, settings: FilterSettings | None = None) -> None:
        super().__init__(settings)
        self._inner = self.Inner(self.settings)
        self.localises = self._inner.localises

    def strides(self) -> tuple[int, ...]:
        """Return the strides that the filter and the method behind it ask for."""
        return tuple(sorted({self.settings.meds_stride, *self._inner.strides()}))

    def fit(self, train: ImageSet, context: Context) -> None:
        """Remove suspect images and fit the method behind the filter on the others."""
        from .bootstrap import select

        kept = select(
            self._suspicion(train, context), self.settings.meds_cut, self.settings.meds_factor
        )
        self.train_weights = kept.astype(np.float32)
        rest = replace(
            context,
            progress=lambda f, t: context.progress(FILTER_TIME + (1 - FILTER_TIME) * f, t),
        )
        self._inner.fit(train.subset([int(i) for i in np.flatnonzero(kept)]), rest)

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score as the method behind the filter does."""
        return self._inner.score(images, context)

    def _suspicion(self, train: ImageSet, context: Context) -> np.ndarray:
        """Return the score that images are removed by, ``float32 [N]``."""
        import torch

        from .bootstrap import image_scores, patch_scores

        patches = patch_scores(
            self._tokens(train, context),
            torch.Generator().manual_seed(context.seed("meds-memories")),
            memories=self.settings.meds_memories,
            share=self.settings.meds_share,
            progress=lambda f: context.progress(FILTER_TIME * f, "filter"),
        )
        return image_scores(patches, self.settings.meds_top).cpu().numpy()

    def _tokens(self, train: ImageSet, context: Context) -> torch.Tensor:
        """Return one map as patches, ``float32 [N, h · w, C]`` on the cell's device."""
        import torch

        parts = []
        chunk = context.batch(CHUNK)
        for start in range(0, len(train), chunk):
            part = train.subset(range(start, min(start + chunk, len(train))))
            # What the method behind the filter will ask for, where it asks: computed once.
            maps = context.features.maps(part, self.strides())[self.settings.meds_stride]
            parts.append(torch.from_numpy(maps).to(context.device).flatten(2).transpose(1, 2))
        return torch.cat(parts)


class MedsPatchCore(FilteredMethod):
    """PatchCore on the images that MeDS' first stage keeps."""

    name = "meds-patchcore"
    title = "MeDS filter + PatchCore"
    paper = f"{FILTER_PAPER} before {PatchCore.paper}"
    backbone = PatchCore.backbone
    image_size = PatchCore.image_size
    smoothing_sigma = PatchCore.smoothing_sigma
    presets = PatchCore.presets
    variants = VARIANTS
    departures = (*FILTER_DEPARTURES, *PatchCore.departures)
    Inner = PatchCore
    Settings = MedsPatchCoreSettings


class MedsDifferNet(FilteredMethod):
    """DifferNet on the images that MeDS' first stage keeps."""

    name = "meds-differnet"
    title = "MeDS filter + DifferNet"
    paper = f"{FILTER_PAPER} before {DifferNet.paper}"
    backbone = DifferNet.backbone
    image_size = DifferNet.image_size
    smoothing_sigma = DifferNet.smoothing_sigma
    gradient_maps = DifferNet.gradient_maps
    presets = DifferNet.presets
    variants = VARIANTS
    departures = (*FILTER_DEPARTURES, *DifferNet.departures)
    Inner = DifferNet
    Settings = MedsDifferNetSettings
