"""The documented ways to run a target: which backbone, and which data stand in for which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
            summary="embedded synthetic images (real ones where --datasets names them), packaged "
            "backbone, minutes on two cores",
            backbone=PACKAGED_BACKBONE,
            datasets={"mvtec_ad": "synthetic", "ksdd2": "synthetic_ksdd2"},
        ),
    )
}
