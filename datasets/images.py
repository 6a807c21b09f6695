"""Decoding and resizing: the only place where files become pixels.

Conversion rules, the same everywhere: EXIF orientation is applied, alpha is dropped, palettes are
expanded, single-channel images are repeated to three channels, 16-bit images are scaled by
1/257 to 8 bit. An image that cannot be decoded raises `DataError` naming the file; nothing is
ever skipped or replaced.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image, ImageOps

from .errors import DataError

# A bomb guard, not a quality limit: far above any industrial camera in the supported datasets.
MAX_PIXELS = 120_000_000

# Pillow wraps most but not all of what its format plug-ins raise on damaged files.
DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def decode(path: Path) -> Image.Image:
    """Decode an image file to 8-bit RGB at its own resolution.

    Raises
    ------
    DataError
        The file is missing, empty, truncated, not an image, or larger than `MAX_PIXELS`.
    """
    try:
        with Image.open(path) as handle:
            if handle.width * handle.height > MAX_PIXELS:
                raise DataError(f"{path}: {handle.width}×{handle.height} pixels is over the limit")
            return to_rgb(handle)
    except DECODE_ERRORS as err:
        raise DataError(f"{path}: not a readable image ({err})") from err


def to_rgb(handle: Image.Image) -> Image.Image:
    """Convert an opened image to 8-bit RGB by the rules of this module; raises `DECODE_ERRORS`."""
    handle.load()
    image = ImageOps.exif_transpose(handle)
    if image.mode.startswith("I"):
        wide = np.asarray(image, dtype=np.int64)
        image = Image.fromarray(np.clip(np.rint(wide / 257), 0, 255).astype(np.uint8))
    return image.convert("RGB")


def load_mask(path: Path | None, size: tuple[int, int]) -> np.ndarray:
    """Read a mask as ``uint8 [H, W]`` in {0, 1} at ``size`` = (H, W).

    Any non-zero pixel is defective; resizing is nearest neighbour (facts: interpolating and
    casting would erode the defect). ``None`` gives an all-zero mask.

    Raises
    ------
    DataError
        The file is missing or cannot be decoded.
    """
    height, width = size
    if path is None:
        return np.zeros((height, width), dtype=np.uint8)
    try:
        with Image.open(path) as handle:
            full = np.asarray(handle.convert("L") if handle.mode != "1" else handle) != 0
    except DECODE_ERRORS as err:
        raise DataError(f"{path}: not a readable mask ({err})") from err
    small = Image.fromarray(full.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(small, dtype=np.uint8)


def file_sha256(path: Path) -> str:
    """Hash a file's bytes; hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


class ImageSet(Sequence[np.ndarray]):
    """An immutable sequence of images at one square size, as a method sees it.

    A method gets pixels and content hashes, nothing else: names, folders and labels would tell it
    which training images are mislabelled.

    Parameters
    ----------
    paths
        Image files.
    hashes
        sha256 of each file, hexadecimal: what cached features are keyed by.
    size
        Side of the square in pixels that every image is squashed to (bilinear, antialiased; no
        crop, so border defects stay in).
    """

    def __init__(self, paths: Sequence[Path], hashes: Sequence[str], size: int) -> None:
        if len(paths) != len(hashes):
            raise ValueError(f"{len(paths)} images but {len(hashes)} hashes")
        self._paths = tuple(paths)
        self.hashes = tuple(hashes)
        self.size = size

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> ImageSet: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | ImageSet:
        """Return image ``index`` as ``uint8 [size, size, 3]``, or a sub-sequence for a slice."""
        if isinstance(index, slice):
            return self.subset(range(*index.indices(len(self))))
        image = decode(self._paths[index])
        square = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.asarray(square, dtype=np.uint8)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def subset(self, indices: Sequence[int]) -> ImageSet:
        """Return the images at ``indices``, in that order."""
        return ImageSet(
            [self._paths[i] for i in indices], [self.hashes[i] for i in indices], self.size
        )

    def resized(self, size: int) -> ImageSet:
        """Return the same images at another size."""
        return ImageSet(self._paths, self.hashes, size)

    def array(self) -> np.ndarray:
        """Return all images as ``uint8 [N, size, size, 3]``."""
        if not self:
            return np.zeros((0, self.size, self.size, 3), dtype=np.uint8)
        return np.stack(list(self))
