"""What the harness says and sets for a model of anomalib: its presets and its departures."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .catalogue import BATCH_SIZES, EPOCHS, FIXED, TEXTURE_ARGUMENTS, installed_version

# As the native methods' presets reduce theirs; layers are named by stride.
REDUCED: dict[str, dict[str, Any]] = {
    "Csflow": {"cross_conv_hidden_channels": 32},
    "Dfkde": {"n_pca_components": 8},
    "Dfm": {"layer": "16"},
    "Glass": {
        "layers": ("8", "16"),
        "pretrain_embed_dim": 256,
        "target_embed_dim": 256,
        "discriminator_hidden": 256,
        "step": 4,
    },
    "Padim": {"n_features": 100},
    "Patchcore": {"layers": ("8", "16", "32"), "coreset_sampling_ratio": 0.01},
}
# Preset → epochs and images per step; small batches, since few epochs of them are many steps.
SHORT = {"quick": (5, 4), "demo": (10, 4)}


def presets(
    name: str, settings: Collection[str], backbone: str | None
) -> dict[str, dict[str, Any]]:
    """Return the reduced settings of a model: few epochs, thin networks, the packaged backbone.

    Parameters
    ----------
    name
        anomalib's model.
    settings
        Names of its settings.
    backbone
        Its default backbone.
    """
    found = {}
    for preset, (epochs, batch_size) in SHORT.items():
        reduced = dict(REDUCED.get(name, {}))
        if "epochs" in settings:
            reduced["epochs"] = epochs
            reduced["batch_size"] = BATCH_SIZES.get(name, batch_size)
        if preset == "demo":
            reduced["image_size"] = 128
        if name in FIXED:
            # The harness's presets would put another network in its place.
            reduced["backbone"] = backbone
        found[preset] = reduced
    return found


def departures(name: str, argument: str | None, settings: Collection[str]) -> tuple[str, ...]:
    """Say where a model departs from anomalib's own way of running it."""
    said = [
        f"Run by anomalib {installed_version()} on this harness's images, which are squashed to a "
        "square; the model's own normalisation of colours is kept, its resizing and cropping is "
        "not.",
        "Scores and maps are those of the inner model: anomalib's normalisation, clamping and "
        "threshold, which look at validation data, are left out, and so are early stopping and "
        "the choice of an epoch.",
    ]
    if argument is not None:
        said.append(
            "Where the backbone has no layer of the names that anomalib asks for, its last layers "
            "of the same strides are taken."
        )
    if "epochs" in settings and name in EPOCHS:
        said.append("anomalib leaves the number of epochs to its user: the model's paper's here.")
    if any(key in settings for key in TEXTURE_ARGUMENTS):
        said.append(
            "Synthetic anomalies are painted with drawn textures unless a folder of pictures such "
            "as DTD is given."
        )
    return tuple(said)
