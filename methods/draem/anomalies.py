"""Simulated anomalies: patches of changed texture, blended into nominal images."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from ..synthesis.perlin import perlin_mask
from ..synthesis.textures import TextureSource

ROTATED = 0.3  # share of images that are turned first
ROTATION = 90.0  # degrees, at most
CLEAN = 0.5  # share of images without an anomaly
OPACITY = 0.8  # of the image behind a texture, at most
OPERATIONS = 3  # changes made to a texture


def simulate(
    image: np.ndarray, textures: TextureSource, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a training example of a nominal image (section 3.3, with the official code's figures).

    Parameters
    ----------
    image
        ``uint8 [size, size, 3]``.
    textures
        What anomalies are made of.
    generator
        Where all random numbers come from.

    Returns
    -------
    tuple
        The image, turned or not, ``uint8 [size, size, 3]``; the same with an anomaly; and the
        anomaly's mask ``bool [size, size]``, which is empty for half of the images and more.
    """
    size = len(image)
    if generator.random() < ROTATED:
        image = _turn(image, generator.uniform(-ROTATION, ROTATION))
    if generator.random() < CLEAN:
        return image, image, np.zeros((size, size), dtype=bool)
    texture = change(textures.draw(size, generator), generator)
    mask = perlin_mask(size, generator)
    share = generator.uniform(0, OPACITY)
    blend = np.rint((1 - share) * texture + share * image).astype(np.uint8)
    return image, np.where(mask[:, :, None], blend, image), mask


def change(texture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Apply three different operations of `CHANGES`, in random order.

    Parameters
    ----------
    texture
        ``uint8 [size, size, 3]``.
    generator
        Which operations, and how strong they are.
    """
    for index in generator.choice(len(CHANGES), OPERATIONS, replace=False):
        texture = CHANGES[index](texture, generator)
    return texture


def _turn(image: np.ndarray, degrees: float) -> np.ndarray:
    turned = Image.fromarray(image).rotate(degrees, Image.Resampling.BILINEAR)
    return np.asarray(turned, dtype=np.uint8)


def _gamma(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    exponents = generator.uniform(0.5, 2.0, 3)
    return np.rint(255 * (image / 255) ** exponents).astype(np.uint8)


def _hsv(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).convert("HSV"), dtype=np.float64)


def _rgb(hsv: np.ndarray) -> np.ndarray:
    clipped = np.rint(np.clip(hsv, 0, 255)).astype(np.uint8)
    return np.asarray(Image.fromarray(clipped, mode="HSV").convert("RGB"))


def _brightness(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    hsv = _hsv(image)
    hsv[:, :, 2] = hsv[:, :, 2] * generator.uniform(0.8, 1.2) + generator.uniform(-30, 30)
    return _rgb(hsv)


def _hue_and_saturation(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    hsv = _hsv(image)
    hsv[:, :, 0] = (hsv[:, :, 0] + generator.uniform(-50, 50)) % 256
    hsv[:, :, 1] += generator.uniform(-50, 50)
    return _rgb(hsv)


def _sharpness(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    enhancer = ImageEnhance.Sharpness(Image.fromarray(image))
    return np.asarray(enhancer.enhance(generator.uniform(0, 2)))


def _solarise(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    if generator.random() < 0.5:
        return image
    threshold = int(generator.integers(32, 129))
    return np.asarray(ImageOps.solarize(Image.fromarray(image), threshold))


def _posterise(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.asarray(ImageOps.posterize(Image.fromarray(image), int(generator.integers(1, 9))))


def _invert(image: np.ndarray, _generator: np.random.Generator) -> np.ndarray:
    return 255 - image


def _autocontrast(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    cut = generator.uniform(0, 20)  # percent of the darkest and brightest pixels
    return np.asarray(ImageOps.autocontrast(Image.fromarray(image), cutoff=cut))


def _equalise(image: np.ndarray, _generator: np.random.Generator) -> np.ndarray:
    return np.asarray(ImageOps.equalize(Image.fromarray(image)))


def _rotate(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return _turn(image, generator.uniform(-45, 45))


CHANGES = (
    _gamma,
    _brightness,
    _sharpness,
    _hue_and_saturation,
    _solarise,
    _posterise,
    _invert,
    _autocontrast,
    _equalise,
    _rotate,
)
