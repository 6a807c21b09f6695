"""Checking what a method returned before anything is computed from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..datasets.errors import ContractError
from .base import Scores

# Anything larger cannot be told from overflow and would swamp a plot or a threshold.
LARGEST = 1e30


def validate_scores(
    scores: Any, n_images: int, localises: bool, *, hook: str = "score"
) -> tuple[Scores, tuple[str, ...]]:
    """Check the return value of ``Method.score``.

    Parameters
    ----------
    scores
        What the method returned.
    n_images
        How many images it was given.
    localises
        Whether maps are expected; where they are not, maps that came anyway are dropped.
    hook
        Name of the hook for the message.

    Returns
    -------
    tuple
        The scores as contiguous float32, and one line per thing that is allowed but suspicious.

    Raises
    ------
    ContractError
        Wrong type, shape or dtype, a value that is not finite, or maps missing; one line naming
        the hook and the field.
    """
    if not isinstance(scores, Scores):
        raise ContractError(
            f"{hook} returned {type(scores).__name__}, expected adrepro.methods.base.Scores"
        )
    image = _checked(scores.image, f"{hook}: Scores.image", (n_images,))
    if localises and scores.maps is None:
        raise ContractError(
            f"{hook}: Scores.maps is None, expected float32 [{n_images}, h, w]; "
            "a method without maps says localises = False"
        )
    warnings: list[str] = []
    if n_images > 1 and np.ptp(image) == 0:
        warnings.append(f"{hook}: all {n_images} image scores are equal ({image[0]:g})")
    if not localises:
        return Scores(image=image), tuple(warnings)
    maps = _checked(scores.maps, f"{hook}: Scores.maps", (n_images, None, None))
    if n_images > 1 and np.ptp(maps) == 0:
        warnings.append(f"{hook}: all anomaly maps are constant")
    return Scores(image=image, maps=maps), tuple(warnings)


def validate_weights(weights: Any, n_images: int, *, hook: str = "fit") -> np.ndarray | None:
    """Check what ``fit`` left in ``Method.train_weights``.

    Parameters
    ----------
    weights
        ``float32 [N]`` in [0, 1], or None where the method removes nothing.
    n_images
        Number of training images, N.
    hook
        Name of the hook for the message.

    Returns
    -------
    numpy.ndarray or None
        The weights as contiguous float32; a copy, so that later calls cannot change them.

    Raises
    ------
    ContractError
        Wrong type, shape or dtype, or a value outside [0, 1]; one line.
    """
    if weights is None:
        return None
    checked = _checked(weights, f"{hook}: train_weights", (n_images,))
    outside = (checked < 0) | (checked > 1)
    if outside.any():
        first = int(np.argmax(outside))
        raise ContractError(
            f"{hook}: train_weights holds {int(outside.sum())} values outside [0, 1], "
            f"first {checked[first]:g} at [{first}]; expected 0 = removed to 1 = kept"
        )
    return checked.copy()


def _checked(array: Any, what: str, shape: tuple[int | None, ...]) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        raise ContractError(f"{what} is {type(array).__name__}, expected a numpy array of float32")
    if array.dtype.kind != "f":
        raise ContractError(f"{what} has dtype {array.dtype}, expected float32")
    fits = array.ndim == len(shape) and all(
        have == want if want is not None else have >= 1
        for have, want in zip(array.shape, shape, strict=False)
    )
    if not fits:
        expected = "[" + ", ".join("any" if s is None else str(s) for s in shape) + "]"
        raise ContractError(f"{what} has shape {list(array.shape)}, expected {expected}")
    bad = ~(np.abs(array) < LARGEST)  # also true for NaN
    if bad.any():
        first = np.unravel_index(int(np.argmax(bad)), array.shape)
        where = ", ".join(map(str, first))
        value = array[first]
        raise ContractError(
            f"{what} holds {int(bad.sum())} values that are not finite, first {value} at [{where}]"
        )
    return np.ascontiguousarray(array, dtype=np.float32)
