"""Anomaly maps that lie in files of their own, an NPY or PNG per image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..datasets.errors import CellError
from ..datasets.images import DECODE_ERRORS
from .npz import read_npy
from .task import Sample

# Modes that Pillow opens grey PNG files in → the value that stands for 1.
GREY = {"L": 255.0, "I;16": 65535.0, "I;16B": 65535.0, "I;16L": 65535.0, "I": 65535.0}


def read_maps(files: Sequence[Path | None], samples: Sequence[Sample]) -> Iterator[np.ndarray]:
    """Read one map file after the other.

    Parameters
    ----------
    files
        One per image; None where its field is empty.
    samples
        The images.

    Yields
    ------
    numpy.ndarray
        Numbers ``[h, w]``, the same shape every time.

    Raises
    ------
    CellError
        A map is missing, cannot be read, or is of another kind or shape than the first.
    """
    given = [file for file in files if file is not None]
    for sample, file in zip(samples, files, strict=True):
        if file is None:
            count = f"{len(given)} of {len(files)}"
            raise CellError(f"maps for {count} images, none for {sample.id}; expected all or none")
    kinds = sorted({file.suffix.lower() for file in given})
    if len(kinds) > 1 or kinds[0] not in (".npy", ".png"):
        raise CellError(f"map files {' and '.join(kinds)}; expected all .npy or all .png")
    shape = None
    for file in given:
        found = _map_file(file)
        shape = shape or found.shape
        if found.shape != shape:
            raise CellError(
                f"map {file.name} is {list(found.shape)}, the first {list(shape)}; "
                "expected maps of one shape [h, w]"
            )
        yield found


def _map_file(file: Path) -> np.ndarray:
    """Return one map: what an NPY holds, or a PNG's grey values from 0 to 1."""
    try:
        if file.suffix.lower() == ".npy":
            found = read_npy(file)
            said = f"{found.dtype} {list(found.shape)}"
            fits = found.ndim == 2 and found.size and found.dtype.kind in "fiu"
        else:
            with Image.open(file) as image:
                said, fits = f"a PNG of mode {image.mode}", image.mode in GREY
                found = np.asarray(image, dtype=np.float64) / GREY.get(image.mode, 1.0)
    except DECODE_ERRORS as err:
        reason = getattr(err, "strerror", None) or "no such format"
        raise CellError(
            f"map {file.name} cannot be read ({reason}); expected .npy or .png"
        ) from err
    if not fits:
        raise CellError(f"map {file.name} is {said}; expected [h, w] numbers, or 8 or 16 bit grey")
    return found
