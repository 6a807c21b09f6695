"""The protocol fingerprint of a result: everything between an image file and a metric by name.

It is a text rather than a hash, so that two that differ say in what. What one evaluation version
fixes is written out here; a new version must be described before its results can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .evaluations import EVALUATION, PER_IMAGE_MINMAX

# Parts that the version of the evaluation decides, in words; see `metrics` and `datasets.images`.
_COMMON = {
    "crop": "none",
    "mask rule": "any value above zero, then nearest neighbour to the image size",
    "false-positive limit": "0.3",
}
EVALUATIONS: Mapping[str, Mapping[str, str]] = {
    EVALUATION: _COMMON
    | {"threshold rule": "Q3 + 1.5 IQR of training scores", "map scale": "common to all images"},
    PER_IMAGE_MINMAX: _COMMON | {"threshold rule": "none", "map scale": "each image by itself"},
}
# What the harness did not see: how somebody else's program prepared its images.
ELSEWHERE = "unknown (made elsewhere)"


def fingerprint(cell: Mapping[str, Any]) -> str:
    """Return the fingerprint of a cell, ``"part=value; part=value; …"``.

    Parameters
    ----------
    cell
        A row as `frames.record_row` gives it: fields of a `cell.Cell`, and ``smoothing_sigma`` in
        pixels (None where there are no maps) and ``made_elsewhere``.

    Returns
    -------
    str
        The evaluation, noise definition, resizing, smoothing, and all that the evaluation fixes.
        Of an evaluation that is not described here only its name is known, which differs from all
        others. How scores from a file came about is unknown, whatever their evaluation.
    """
    evaluation, size = str(cell["evaluation"]), int(cell["image_size"])
    parts = {
        "evaluation": evaluation,
        "noise definition": str(cell["protocol"]),
        "resize": f"whole image to {size} px square, bilinear",
        **EVALUATIONS.get(evaluation, {}),
        "smoothing": _smoothing(cell),
    }
    if cell.get("made_elsewhere"):
        parts |= {"resize": ELSEWHERE, "crop": ELSEWHERE, "maps": f"measured at {size} px square"}
    return "; ".join(f"{name}={value}" for name, value in parts.items())


def _smoothing(cell: Mapping[str, Any]) -> str:
    if "smoothing_sigma" not in cell:
        return "not recorded"
    sigma = cell["smoothing_sigma"]
    if sigma is None:
        return "no maps"
    return f"Gaussian, sigma {sigma:g} px" if sigma else "none"
