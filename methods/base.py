"""The contract between a method and the harness. Everything a method author needs is here.

A method is one class::

    class MyMethod(Method):
        name = "my-method"                 # as on the command line and in tables
        title = "MyMethod"                 # as printed

        def fit(self, train, context): ... # learn from images that all claim to be nominal
        def score(self, images, context):  # higher = more anomalous
            return Scores(image=..., maps=...)

A method MUST

- take its settings as one frozen dataclass ``Settings`` whose defaults are its paper's;
- in ``fit`` treat ``train`` (an `ImageSet`: uint8 RGB ``[size, size, 3]`` each) as nominal images
  of one category, some of which may be mislabelled; it never sees a label, a name or a folder;
- in ``score`` return one finite float32 per image, higher = more anomalous, independent of which
  other images are scored with it; scoring twice gives the same values;
- draw every random number from ``context.seed(...)``; the same cell gives the same scores;
- use only ``context.device`` and leave global state (seeds, threads, working folder) alone.

A method CAN

- return anomaly maps ``float32 [N, h, w]`` at its own resolution, raw: the harness upsamples
  (bilinear), smooths (Gaussian, ``smoothing_sigma``) and measures them for every method alike;
- ask ``context.features`` for frozen backbone features, computed once and shared by noise levels,
  seeds and methods;
- report ``context.progress(fraction, text)``;
- declare reduced settings for the presets in ``presets``, and what departs from its paper in
  ``departures``: both are printed with the results.

The harness, never the method, upsamples, smooths, picks the threshold, computes metrics and takes
the time. There is no way to choose an epoch by test scores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..datasets.images import ImageSet
from ..datasets.seeds import derive_seed

if TYPE_CHECKING:
    from .features import FeatureProvider

__all__ = ["Context", "ImageSet", "Method", "NoSettings", "Scores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What ``Method.score`` returns.

    Attributes
    ----------
    image
        ``float32 [N]``, higher = more anomalous, finite.
    maps
        ``float32 [N, h, w]`` at the method's own resolution, finite; None if it does not localise.
    """

    image: np.ndarray
    maps: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the harness hands to a method.

    Attributes
    ----------
    device
        A torch device string, ``"cpu"`` or ``"cuda:0"``.
    features
        Frozen features of the cell's backbone, cached.
    seed_axes
        The axes that identify the cell's random draws; use `seed`.
    want_maps
        False where the harness needs image scores only (training images, for the threshold): a
        method may then return ``maps=None`` and save the work.
    progress
        Called with a fraction in [0, 1] and a short text.
    """

    device: str
    features: FeatureProvider
    seed_axes: tuple[str | int, ...]
    want_maps: bool = True
    progress: Callable[[float, str], None] = field(default=lambda _fraction, _text: None)

    def seed(self, purpose: str) -> int:
        """Return the seed for one purpose, e.g. ``"coreset"`` or ``"init"``; in [0, 2**63)."""
        return derive_seed(purpose, *self.seed_axes)


@dataclass(frozen=True, slots=True)
class NoSettings:
    """Settings of a method that has none."""


class Method(ABC):
    """Base class of every method; see the module docstring for the contract.

    Attributes
    ----------
    name, title
        Name on the command line and in keys; name as printed in tables.
    paper
        Short citation, e.g. ``"Roth et al., CVPR 2022, arXiv 2106.08265"``.
    backbone
        Name of the paper's backbone as ``methods.backbones`` knows it; None if it uses none.
    image_size
        Side of the square input in pixels, the paper's.
    smoothing_sigma
        Gaussian sigma in pixels at ``image_size`` that the harness smooths the upsampled maps
        with; 0 = none.
    localises
        Whether ``score`` returns maps; a method may also set it per instance, from its settings.
    presets
        Preset name → overrides of settings, of ``image_size`` and of ``backbone``, for the
        ``quick`` and ``demo`` presets.
    departures
        One sentence each: where this implementation departs from the paper or official code.
    settings
        An instance of ``Settings``.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str] = ""
    backbone: ClassVar[str | None] = None
    image_size: ClassVar[int] = 256
    smoothing_sigma: ClassVar[float] = 4.0
    localises: bool = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    departures: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type] = NoSettings

    def __init__(self, settings: Any = None) -> None:
        self.settings = self.Settings() if settings is None else settings

    def strides(self) -> tuple[int, ...]:
        """Return the strides of the feature maps that will be asked for.

        Optional: the harness checks before anything runs that the backbone has them.
        """
        return ()

    @abstractmethod
    def fit(self, train: ImageSet, context: Context) -> None:
        """Learn from ``train``, images that all claim to be nominal."""

    @abstractmethod
    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score images; higher = more anomalous."""
