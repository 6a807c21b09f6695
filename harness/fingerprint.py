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
    | {
        "threshold rule": "Q3 + 1.5 IQR of training scores",
        "smoothing": "Gaussian, the method's own sigma",
        "map scale": "common to all images",
    },
    PER_IMAGE_MINMAX: _COMMON
    | {
        "threshold rule": "none",
        "smoothing": "Gaussian, the method's own sigma",
        "map scale": "each image by itself",
    },
}


def fingerprint(cell: Mapping[str, Any]) -> str:
    """Return the fingerprint of a cell, ``"part=value; part=value; …"``.

    Parameters
    ----------
    cell
        Fields of a `cell.Cell`, or a row of a frame.

    Returns
    -------
    str
        The evaluation, noise definition, resizing, and all that the evaluation fixes. Of an
        evaluation that is not described here only its name is known, which differs from all others.
    """
    evaluation = str(cell["evaluation"])
    parts = {
        "evaluation": evaluation,
        "noise definition": str(cell["protocol"]),
        "resize": f"whole image to {int(cell['image_size'])} px square, bilinear",
        **EVALUATIONS.get(evaluation, {}),
    }
    return "; ".join(f"{name}={value}" for name, value in parts.items())
