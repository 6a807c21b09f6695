"""Textures that synthetic anomalies are painted with.

The papers take the Describable Textures Dataset (DTD, Cimpoi et al., CVPR 2014), 5640 photographs
which are not part of this package; give their folder where they are at hand. Without it, half of
the textures are crops of the photographs that scikit-image ships and half are drawn patterns,
see `patterns`: the same on every machine, and less varied than DTD.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ...datasets.errors import DataError
from ...datasets.images import decode
from ...datasets.verified import known_sha256
from .patterns import draw_pattern

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
# Names in skimage.data whose files lie in its wheel, so that nothing is downloaded.
PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "rocket",
    "text",
)
SMALLEST_CROP = 96  # pixels of a photograph; below, a crop shows nothing but blur


class TextureSource:
    """Random textures of any size.

    Parameters
    ----------
    folder
        A folder of JPEG or PNG files, searched through its subfolders, e.g. DTD's ``images``;
        None for the photographs and patterns that need no download.

    The files are hashed here, or known from before, and held against that whenever one is drawn:
    all that a source draws is of one state of the folder.

    Raises
    ------
    DataError
        The folder holds no such file, or one that cannot be read.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.files: tuple[Path, ...] = ()
        if folder is not None:
            self.files = _files(Path(folder))
        self._sha256 = {path: _hash(path) for path in self.files}

    def draw(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """Draw one texture.

        A file of the folder is resized to its shorter side and cropped in its centre; a shipped
        photograph is cropped at random, so that fifteen of them give many textures.

        Parameters
        ----------
        size
            Side in pixels.
        generator
            Where all random numbers come from; the same state gives the same texture.

        Returns
        -------
        numpy.ndarray
            ``uint8 [size, size, 3]``, RGB.

        Raises
        ------
        DataError
            The file that was drawn is no readable image, or has another content since.
        """
        if self.files:
            path = self.files[generator.integers(len(self.files))]
            picture = decode(path, self._sha256[path])
            fitted = ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR)
            return np.asarray(fitted, dtype=np.uint8)
        if generator.random() < 0.5:
            return draw_pattern(size, generator)
        return _crop(photograph(PHOTOGRAPHS[generator.integers(len(PHOTOGRAPHS))]), size, generator)


def _hash(path: Path) -> str:
    try:
        return known_sha256(path)
    except OSError as err:
        raise DataError(f"texture {path}: cannot be read ({err.strerror or err})") from err


def _files(folder: Path) -> tuple[Path, ...]:
    # Sorted: the order in which a file system lists files is not the same everywhere.
    found = sorted(
        (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES),
        key=lambda path: path.parts,
    )
    if not found:
        raise DataError(
            f"texture folder {folder}: no JPEG or PNG file in it; expected a folder of pictures "
            "such as DTD's 'images', or leave the setting out"
        )
    return tuple(folder / path for path in found)


@lru_cache(maxsize=len(PHOTOGRAPHS))
def photograph(name: str) -> np.ndarray:
    """Return a photograph that scikit-image ships, ``uint8 [H, W, 3]``; grey ones repeated."""
    import skimage.data

    pixels = np.asarray(getattr(skimage.data, name)())
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels[..., :3]


def _crop(pixels: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    side = int(generator.integers(SMALLEST_CROP, min(height, width) + 1))
    top = int(generator.integers(height - side + 1))
    left = int(generator.integers(width - side + 1))
    part = Image.fromarray(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    return np.asarray(part.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)
