"""What to run, before it is known which images lie on disk: a grid and the presets.

A `Grid` is the product datasets × categories × noise levels × seeds × methods, with everything a
cell's key needs in names and numbers. Presets change a grid in one documented way each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..datasets.errors import UnknownNameError, UsageError

# A preset for which no weights need to be fetched uses the backbone that a package ships.
PACKAGED_BACKBONE = "efficientnet_lite0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One way to run a target.

    Attributes
    ----------
    name, summary
        As on the command line; one line of help.
    backbone
        Backbone of every method, or None: each method's own.
    datasets
        Which dataset stands in for which.
    """

    name: str
    summary: str
    backbone: str | None = None
    datasets: Mapping[str, str] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(name="paper", summary="the paper's settings and backbones"),
        Preset(
            name="quick",
            summary="real images, packaged backbone, reduced training",
            backbone=PACKAGED_BACKBONE,
        ),
        Preset(
            name="demo",
            summary="embedded synthetic images, packaged backbone, minutes on two cores",
            backbone=PACKAGED_BACKBONE,
            datasets={"mvtec_ad": "synthetic", "ksdd2": "synthetic_ksdd2"},
        ),
    )
}


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
        Method names, or ``module:Class``.
    noise
        Label-noise levels in percent.
    seeds
        Number of repetitions.
    protocol
        Noise protocol, e.g. ``"fixed-test"`` or ``"fixed-test:total=60"``.
    preset
        Name of the preset.
    backbone, weights, image_size
        Override of every method's own; None = the preset's or the method's.
    overrides
        ``method.key`` → text, settings given on the command line.
    expected
        Dataset → categories that the target's table has rows for; what is not on disk is said.
    """

    target: str
    datasets: tuple[str, ...]
    categories: tuple[str, ...] | None
    methods: tuple[str, ...]
    noise: tuple[float, ...]
    seeds: int
    protocol: str = "fixed-test"
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
        if not self.methods or not self.datasets or not self.noise:
            raise UsageError("nothing to run: give at least one method, dataset and noise level")
        if self.image_size is not None and not 32 <= self.image_size <= 2048:
            raise UsageError(f"--image-size {self.image_size}: expected 32 to 2048 pixels")

    def with_preset(self) -> Grid:
        """Return the grid with its preset's stand-ins filled in where nothing was given."""
        preset = PRESETS[self.preset]
        return replace(
            self,
            datasets=tuple(preset.datasets.get(name, name) for name in self.datasets),
            backbone=self.backbone or preset.backbone,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPlan:
    """A method as the grid will run it.

    Attributes
    ----------
    name
        Registered name or ``module:Class``.
    settings
        An instance of the method's ``Settings``; ``settings_json`` is its canonical form.
    backbone
        Full name for the key; ``weights_sha256`` belongs to it (empty for ``"none"``).
    spec
        The backbone specification, or None.
    """

    name: str
    title: str
    cls: type
    settings: Any
    settings_json: str
    image_size: int
    backbone: str
    weights_sha256: str
    spec: Any
    source_sha256: str


def plan_methods(grid: Grid) -> tuple[MethodPlan, ...]:
    """Resolve a grid's methods: settings, image size and backbone of each.

    Raises
    ------
    UsageError
        Unknown method, setting or backbone, wrong type, or weights that cannot be had.
    """
    known = set(grid.methods)
    for key in grid.overrides:
        method, dot, _ = key.rpartition(".")
        if not dot:
            raise UsageError(f"--set {key}: expected method.key=value")
        if method not in known:
            raise UnknownNameError("method in --set", method, known)
    return tuple(_plan_method(grid, name) for name in dict.fromkeys(grid.methods))


def _plan_method(grid: Grid, name: str) -> MethodPlan:
    from ..methods.backbones import parse_backbone
    from ..methods.registry import method_class
    from ..methods.settings import make_settings, preset_image_size
    from ..methods.sources import method_source_sha256

    cls = method_class(name)
    mine = {
        key.rpartition(".")[2]: value
        for key, value in grid.overrides.items()
        if key.rpartition(".")[0] == name
    }
    # A method that declares no reduced settings runs with its own under every preset.
    preset = grid.preset if grid.preset in cls.presets else "paper"
    settings, settings_json = make_settings(cls, preset, mine)
    spec, backbone, weights = None, "none", ""
    if cls.backbone is not None:
        spec = parse_backbone(grid.backbone or cls.backbone, grid.weights)
        backbone, weights = spec.identity(), spec.weights_sha256()
    return MethodPlan(
        name=name,
        title=cls.title,
        cls=cls,
        settings=settings,
        settings_json=settings_json,
        image_size=grid.image_size or preset_image_size(cls, preset),
        backbone=backbone,
        weights_sha256=weights,
        spec=spec,
        source_sha256=method_source_sha256(cls),
    )
