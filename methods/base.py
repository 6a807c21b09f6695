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
- use only ``context.device`` and leave global state (seeds, threads, working folder) alone;
- name in ``content_settings`` every setting that is the path of a folder or file it reads: results
  are known by what lies there, not by where it lies.

A method CAN

- return anomaly maps ``float32 [N, h, w]`` at its own resolution, raw: the harness upsamples
  (bilinear), smooths (Gaussian, ``smoothing_sigma``) and measures them for every method alike;
- ask ``context.features`` for frozen backbone features, computed once and shared by noise levels,
  seeds and methods;
- report ``context.progress(fraction, text)``;
- take ``context.batch(n)`` images at once where it would take ``n`` for scoring: half as many when
  the cell has run out of memory;
- declare reduced settings for the presets in ``presets``, named settings such as ablations in
  ``variants`` (``rad@no-meta`` on the command line), and what departs from its paper in
  ``departures``: all are printed with the results;
- set ``self.train_weights`` in ``fit``: how much each training image counted in the end, 0 =
  removed. The harness holds it against the truth, which the method never sees;
- ask for tuning (`wants_tuning`, `tune`, `use_tuning`): done once per dataset and noise level,
  kept as an artifact, shared by cells;
- train the cells of one group together (`stacks`, `fit_stack`).

The harness, never the method, upsamples, smooths, picks the threshold, computes metrics and takes
the time. There is no way to choose an epoch by test scores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..datasets.images import ImageSet
from ..datasets.seeds import derive_seed

if TYPE_CHECKING:
    from .features import FeatureProvider

__all__ = [
    "Context",
    "ImageSet",
    "Method",
    "NoSettings",
    "OracleSet",
    "Scores",
    "TuningResult",
    "TuningSet",
    "Variant",
]


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
    batch_scale
        Below 1 where the cell ran out of memory before: what a method scores at once is to be
        multiplied with it, see `batch`. The batches that it trains with are its paper's and stay.
    progress
        Called with a fraction in [0, 1] and a short text.
    """

    device: str
    features: FeatureProvider
    seed_axes: tuple[str | int, ...]
    want_maps: bool = True
    batch_scale: float = 1.0
    progress: Callable[[float, str], None] = field(default=lambda _fraction, _text: None)

    def seed(self, purpose: str) -> int:
        """Return the seed for one purpose, e.g. ``"coreset"`` or ``"init"``; in [0, 2**63)."""
        return derive_seed(purpose, *self.seed_axes)

    def batch(self, count: int) -> int:
        """Return how many images to take at once where a method would take ``count``; ≥ 1."""
        return max(1, int(count * self.batch_scale))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A named set of settings, e.g. an ablation: ``rad@no-meta``.

    Attributes
    ----------
    title
        As printed.
    settings
        Setting → value; wins over a preset, yields to ``--set``.
    presets
        Preset of the method → settings that win over the variant's own under it, where these would
        undo a reduction.
    image_size
        Side of the square input in pixels where no preset reduces it; None = the method's.
    """

    title: str
    settings: Mapping[str, Any]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    image_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleSet:
    """Test images with their labels: handed over only to a tuning whose name says *oracle*.

    Attributes
    ----------
    images
        The cell's test images.
    labels
        ``bool [N]``, True = anomalous.
    """

    images: ImageSet
    labels: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningSet:
    """One category that a tuning may look at: the training images of its seed 0.

    Attributes
    ----------
    train
        Images that all claim to be nominal, as in `Method.fit`.
    context
        As in `Method.fit`.
    oracle
        None unless `Method.wants_oracle`.
    """

    train: ImageSet
    context: Context
    oracle: OracleSet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningResult:
    """What a tuning found; plain values that JSON can hold.

    Attributes
    ----------
    chosen
        What `Method.use_tuning` is given.
    objective
        What was optimised, in words, with its direction.
    trials
        One mapping per evaluation: the parameters tried and the objective's ``value``.
    """

    chosen: Mapping[str, float]
    objective: str
    trials: tuple[Mapping[str, float], ...]


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
    gradient_maps
        Whether the maps are gradients at the input, which need not be high where the defect is:
        the contract check then does not ask for it.
    presets
        Preset name → overrides of settings, of ``image_size`` and of ``backbone``, for the
        ``quick`` and ``demo`` presets.
    variants
        Variant name → settings and title.
    departures
        One sentence each: where this implementation departs from the paper or official code.
    stacks
        Whether `fit_stack` gains something over fitting one by one.
    deterministic
        Whether nothing is drawn in ``fit`` and ``score``: no surprise then that seeds which share
        their training images agree.
    content_settings
        Settings that are None or the path of a folder or file. Before anything runs, the harness
        refuses one that is missing or empty; the hash of the content takes the path's place in the
        cell's key.
    settings
        An instance of ``Settings``.
    train_weights
        ``float32 [N]`` in [0, 1], set by ``fit`` in the order of its images: the share of an image
        that training used in the end, 0 = removed, 1 = kept in full. None = the method removes
        nothing.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str] = ""
    backbone: ClassVar[str | None] = None
    image_size: ClassVar[int] = 256
    smoothing_sigma: ClassVar[float] = 4.0
    localises: bool = True
    gradient_maps: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    variants: ClassVar[Mapping[str, Variant]] = {}
    departures: ClassVar[tuple[str, ...]] = ()
    stacks: ClassVar[bool] = False
    deterministic: ClassVar[bool] = False
    content_settings: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type] = NoSettings
    train_weights: np.ndarray | None = None

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

    @classmethod
    def fit_stack(
        cls, methods: Sequence[Self], trains: Sequence[ImageSet], contexts: Sequence[Context]
    ) -> None:
        """Fit several cells of one category together; the same as ``fit`` on each in turn.

        Called with instances of equal settings (but for what tuning chose) and training sets of
        one size. Results must equal those of ``fit`` up to the rounding of float32 sums.
        """
        for method, train, context in zip(methods, trains, contexts, strict=True):
            method.fit(train, context)

    def wants_tuning(self) -> bool:
        """Say whether these settings ask for tuning before ``fit``."""
        return False

    def wants_oracle(self) -> bool:
        """Say whether the tuning looks at test labels; its setting's name must say *oracle*."""
        return False

    def tune(self, sets: Sequence[TuningSet], seed: int) -> TuningResult:
        """Search settings on one dataset at one noise level.

        Parameters
        ----------
        sets
            One per category.
        seed
            For whatever the search draws.
        """
        raise NotImplementedError(f"{type(self).__name__} wants tuning but has no tune()")

    def use_tuning(self, chosen: Mapping[str, float]) -> None:
        """Take over what `tune` chose; called before ``fit``."""
        raise NotImplementedError(f"{type(self).__name__} wants tuning but has no use_tuning()")
