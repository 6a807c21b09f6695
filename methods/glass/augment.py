"""Random changes of a texture before it is pasted: three of nine operations (GLASS's code)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

CHOSEN = 3
STRENGTH = 0.2  # contrast, brightness and saturation change by a factor in 1 ± this
HUE = 0.2  # of the colour circle
ANGLE = 45.0  # degrees

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def augment(texture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Apply three different operations of `CHANGES` in random order.

    Parameters
    ----------
    texture
        ``uint8 [size, size, 3]``.
    generator
        Where all random numbers come from.

    Returns
    -------
    numpy.ndarray
        ``uint8 [size, size, 3]``.
    """
    picture = Image.fromarray(texture)
    for index in generator.choice(len(CHANGES), CHOSEN, replace=False):
        picture = CHANGES[index](picture, generator)
    return np.asarray(picture, dtype=np.uint8)


def _factor(generator: np.random.Generator) -> float:
    return float(generator.uniform(1 - STRENGTH, 1 + STRENGTH))


def _contrast(picture: Image.Image, generator: np.random.Generator) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(_factor(generator))


def _brightness(picture: Image.Image, generator: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(_factor(generator))


def _colour(picture: Image.Image, generator: np.random.Generator) -> Image.Image:
    vivid = ImageEnhance.Color(picture).enhance(_factor(generator))
    hue, saturation, value = vivid.convert("HSV").split()
    shift = round(float(generator.uniform(-HUE, HUE)) * 255)
    turned = Image.fromarray((np.asarray(hue).astype(int) + shift).astype(np.uint8))
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _mirror(picture: Image.Image, _generator: np.random.Generator) -> Image.Image:
    return ImageOps.mirror(picture)


def _flip(picture: Image.Image, _generator: np.random.Generator) -> Image.Image:
    return ImageOps.flip(picture)


def _grey(picture: Image.Image, _generator: np.random.Generator) -> Image.Image:
    return ImageOps.grayscale(picture).convert("RGB")


def _autocontrast(picture: Image.Image, _generator: np.random.Generator) -> Image.Image:
    return ImageOps.autocontrast(picture)


def _equalise(picture: Image.Image, _generator: np.random.Generator) -> Image.Image:
    return ImageOps.equalize(picture)


def _turn(picture: Image.Image, generator: np.random.Generator) -> Image.Image:
    return picture.rotate(float(generator.uniform(-ANGLE, ANGLE)))


CHANGES: tuple[Change, ...] = (
    _contrast,
    _brightness,
    _colour,
    _mirror,
    _flip,
    _grey,
    _autocontrast,
    _equalise,
    _turn,
)
