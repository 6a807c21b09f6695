"""What to run, before it is known which images lie on disk: a grid and its methods.

A `Grid` is the product datasets × categories × noise levels × seeds × methods, with everything a
cell's key needs in names and numbers. Presets change a grid in one documented way each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.errors import UnknownNameError, UsageError, WeightsError
from .contents import content_sha256, keyed_settings
from .evaluations import EVALUATION
from .presets import PRESETS

if TYPE_CHECKING:
    from .scorefolder import ScoreFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A product of axes.

    Attributes
    ----------
    target
        Name of what the grid makes, e.g. ``"rad/table1"``; for people, not part of any key.
    datasets
        Dataset names, or ``name=path``.
    categories
        Only these categories; None = all of each dataset.
    methods
        Method names, or ``module:Class``; ``name@variant`` for a variant.
    noise
        Label-noise levels in percent.
    seeds
        Number of repetitions.
    protocols
        Noise protocols, e.g. ``"fixed-test"`` or ``"fixed-test:total=60"``; each gives a table.
    evaluations
        Evaluation protocols; each gives a table.
    preset
        Name of the preset.
    backbone, weights, image_size
        Override of every method's own; None = the preset's or the method's.
    overrides
        ``method.key`` → text, settings given on the command line; a name without a variant
        means the method and all its variants.
    expected
        Dataset → categories that the target's table has rows for; what is not on disk is said.
    """

    target: str
    datasets: tuple[str, ...]
    categories: tuple[str, ...] | None
    methods: tuple[str, ...]
    noise: tuple[float, ...]
    seeds: int
    protocols: tuple[str, ...] = ("fixed-test",)
    evaluations: tuple[str, ...] = (EVALUATION,)
    preset: str = "paper"
    backbone: str | None = None
    weights: str | None = None
    image_size: int | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise UnknownNameError("preset", self.preset, PRESETS)
        if self.seeds < 1:
            raise UsageError(f"--seeds {self.seeds}: expected at least 1")
        if not (self.methods and self.datasets and self.noise and self.protocols):
            raise UsageError(
                "nothing to run: give at least one method, dataset, noise level and protocol"
            )
        if self.image_size is not None and not 32 <= self.image_size <= 2048:
            raise UsageError(f"--image-size {self.image_size}: expected 32 to 2048 pixels")

    def with_stand_ins(self) -> Grid:
        """Return the grid on the datasets that stand in for its own under its preset."""
        stand_ins = PRESETS[self.preset].datasets
        return replace(
            self,
            datasets=tuple(stand_ins.get(name, name) for name in self.datasets),
            expected={stand_ins.get(name, name): rows for name, rows in self.expected.items()},
        )

    def wants(self, dataset: str, category: str) -> bool:
        """Say whether a category is asked for: by name, else by the target's table, else all."""
        if self.categories is not None:
            return category in self.categories
        return dataset not in self.expected or category in self.expected[dataset]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPlan:
    """A method as the grid will run it.

    Attributes
    ----------
    name, title
        As in the grid, with the variant; as printed.
    base, variant
        Registered name or ``module:Class``, which goes into the key; the variant, or empty.
    settings
        An instance of the method's ``Settings``; ``settings_json`` is its canonical form, with
        hashes of content in place of paths (see `contents`).
    backbone
        Full name for the key; ``weights_sha256`` belongs to it (empty for ``"none"``).
    spec
        The backbone specification, or None.
    missing
        Why the weights cannot be had, where a plan was asked for all the same.
    scores
        The folder that the scores come from, where they come from files.
    """

    name: str
    base: str
    variant: str
    title: str
    cls: type
    settings: Any
    settings_json: str
    image_size: int
    backbone: str
    weights_sha256: str
    spec: Any
    source_sha256: str
    missing: str = ""
    scores: ScoreFolder | None = None

    @property
    def smoothing_sigma(self) -> float | None:
        """Return what its maps are smoothed with, in pixels; None where it has no maps."""
        made = self.cls(self.settings)
        return float(made.smoothing_sigma) if made.localises else None


def check_names(grid: Grid) -> None:
    """Refuse unknown datasets and methods before anything is loaded for the known ones."""
    from ..datasets.catalog import parse_dataset_spec
    from ..methods.registry import method_class
    from .scorefolder import is_scores, open_scores

    for text in grid.datasets:
        parse_dataset_spec(text)
    for name in grid.methods:
        open_scores(name) if is_scores(name) else method_class(name)
    check_overrides(grid)
    for name in grid.methods:
        if not is_scores(name):
            settings_of(grid, name)


def check_overrides(grid: Grid) -> None:
    """Refuse a setting of a method that is not in the grid."""
    known = {name for full in grid.methods for name in (full, full.partition("@")[0])}
    for key in grid.overrides:
        method, dot, _ = key.rpartition(".")
        if not dot:
            raise UsageError(f"--set {key}: expected method.key=value")
        if method not in known:
            raise UnknownNameError("method in --set", method, known)


def settings_of(grid: Grid, name: str) -> Any:
    """Return a method's settings in this grid."""
    from ..methods.registry import method_class, split_variant
    from ..methods.settings import make_settings

    cls = method_class(name)
    base, variant = split_variant(name)
    mine = _overrides(grid, base) | _overrides(grid, name)
    return make_settings(cls, _preset(grid, cls), mine, variant=variant)[0]


def _preset(grid: Grid, cls: Any) -> str:
    """Return the preset of a method; one without reduced settings runs with its own always."""
    return grid.preset if grid.preset in cls.presets else "paper"


def verify_backbones(methods: tuple[MethodPlan, ...]) -> None:
    """Load each backbone once: its weights must fit and it must have the maps a method asks for.

    Raises
    ------
    UsageError
        Weights that cannot be read or do not fit, an unknown network, or a stride it lacks.
    """
    from ..methods.backbones import load_backbone

    for method in methods:
        if method.spec is not None:
            network = load_backbone(method.spec, "cpu")
            strides = method.cls(method.settings).strides()
            if strides:
                network.check_strides(strides)


def plan_methods(grid: Grid, *, need_weights: bool = True) -> tuple[MethodPlan, ...]:
    """Resolve a grid's methods: settings, image size and backbone of each.

    Without ``need_weights``, weights that cannot be had are noted in `MethodPlan.missing`: what
    the data can give can be planned without them.

    Raises
    ------
    UsageError
        Unknown method, setting or backbone, wrong type, or weights or a folder that a setting
        names that cannot be had.
    """
    from .scorefolder import is_scores, plan_scores, refuse_namesakes

    check_overrides(grid)
    digest = cache(content_sha256)  # several methods may be given one folder of textures

    def plan(name: str) -> MethodPlan:
        return _plan_method(grid, name, digest, need_weights=need_weights)

    planned = tuple(
        plan_scores(grid, name) if is_scores(name) else plan(name)
        for name in dict.fromkeys(grid.methods)
    )
    refuse_namesakes(planned)
    return planned


def _plan_method(
    grid: Grid, name: str, digest: Callable[[Path], str], *, need_weights: bool
) -> MethodPlan:
    from ..methods.backbones import parse_backbone
    from ..methods.registry import method_class, split_variant
    from ..methods.settings import preset_image_size, variant_of
    from ..methods.sources import method_source_sha256

    cls = method_class(name)
    base, variant = split_variant(name)
    named = variant_of(cls, variant)
    preset = _preset(grid, cls)
    settings = settings_of(grid, name)
    spec, backbone, weights, missing = None, "none", "", ""
    if cls.backbone is not None:
        spec = parse_backbone(_backbone(grid, cls, preset), grid.weights)
        backbone = spec.identity()
        try:
            weights = spec.weights_sha256()
        except WeightsError as err:
            if need_weights:
                raise
            missing = str(err)
    return MethodPlan(
        name=name,
        base=base,
        variant=variant,
        title=named.title if named else cls.title,
        cls=cls,
        settings=settings,
        settings_json=keyed_settings(cls, settings, digest),
        image_size=grid.image_size or preset_image_size(cls, preset, variant),
        backbone=backbone,
        weights_sha256=weights,
        spec=spec,
        source_sha256=method_source_sha256(cls),
        missing=missing,
    )


def _overrides(grid: Grid, name: str) -> dict[str, str]:
    """Return setting → text as given for exactly this name."""
    split = {key: key.rpartition(".") for key in grid.overrides}
    return {key: grid.overrides[full] for full, (own, _, key) in split.items() if own == name}


def _backbone(grid: Grid, cls: Any, preset: str) -> str:
    """Return the backbone's name: as given, else the method's for the preset, else the preset's."""
    own = cls.presets.get(preset, {}).get("backbone")
    return grid.backbone or own or PRESETS[grid.preset].backbone or cls.backbone
