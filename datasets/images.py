"""Decoding and resizing: the only place where files become pixels.

Conversion rules, the same everywhere: EXIF orientation is applied, alpha is dropped, palettes are
expanded, single-channel images are repeated to three channels. More than 8 bits per channel:
single-channel integers within 0…65535 (stored in 16 or 32 bit) are scaled by 1/257, of 16-bit
colour the high byte is kept; integers beyond 16 bit and floating-point images are refused, since
nothing in the file says what their white is. An image that cannot be decoded raises `DataError`
naming the file; nothing is ever skipped or replaced.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar, overload

import numpy as np
from PIL import Image, ImageOps

from .errors import DataError
from .pixels import REMEMBERED
from .verified import read_verified

Made = TypeVar("Made")

# A bomb guard, not a quality limit: far above any industrial camera in the supported datasets.
MAX_PIXELS = 120_000_000

_DEEPEST = 65535
_TWELVE_BIT = 4096
# How Pillow's raw modes name 16-bit channels; "BGR;16" is 16 bits per pixel and does not match.
_WIDE_CHANNELS = re.compile(r";16[BLN]")

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


class DepthError(ValueError):
    """An image whose values have no agreed meaning in 8 bit."""


def decode(path: Path, sha256: str = "") -> Image.Image:
    """Decode an image file to 8-bit RGB at its own resolution.

    Parameters
    ----------
    path
        The file.
    sha256
        What its content must be, see `verified.read_verified`; empty = whatever it is.

    Raises
    ------
    DataError
        The file is missing, empty, truncated, not an image, not the one expected, larger than
        `MAX_PIXELS`, or has floating-point values or integers beyond 16 bit.
    """

    def read(source: Path | BinaryIO) -> Image.Image:
        with Image.open(source) as handle:
            if handle.width * handle.height > MAX_PIXELS:
                raise DataError(f"{path}: {handle.width}×{handle.height} pixels is over the limit")
            return to_rgb(handle)[0]

    try:
        return _read(path, sha256, read)
    except DepthError as err:
        raise DataError(f"{path}: {err}") from err
    except DECODE_ERRORS as err:
        raise DataError(f"{path}: not a readable image ({err})") from err


def _read(path: Path, sha256: str, read: Callable[[Path | BinaryIO], Made]) -> Made:
    return read_verified(path, sha256, read) if sha256 else read(path)


def to_rgb(handle: Image.Image) -> tuple[Image.Image, str | None]:
    """Convert an opened image to 8-bit RGB by the rules of this module.

    Parameters
    ----------
    handle
        As ``Image.open`` returned it, not loaded yet.

    Returns
    -------
    Image, str or None
        The RGB image, and how its depth was reduced if it had more than 8 bits per channel.

    Raises
    ------
    DepthError
        Floating-point values, or integers beyond 16 bit.
    DECODE_ERRORS
        The file is damaged.
    """
    wide_colour = _WIDE_CHANNELS.search(str(getattr(handle, "tile", "")))  # gone once loaded
    handle.load()
    image = ImageOps.exif_transpose(handle)
    if image.mode.startswith("F"):
        raise DepthError("floating-point image: convert to 8 or 16 bit")
    if image.mode.startswith("I"):
        return _scaled(image)
    rgb = image.convert("RGB")
    if not wide_colour:
        return rgb, None
    highest = int(np.asarray(rgb).max()) * 256 + 255
    return rgb, f"16-bit {image.mode}, high byte kept{_darkness(highest)}"


def _scaled(image: Image.Image) -> tuple[Image.Image, str]:
    wide = np.asarray(image, dtype=np.int64)
    lowest, highest = int(wide.min()), int(wide.max())
    if lowest < 0 or highest > _DEEPEST:
        raise DepthError(
            f"32-bit image with values from {lowest} to {highest}, beyond 0 to {_DEEPEST}:"
            " convert to 8 or 16 bit"
        )
    narrow = Image.fromarray(np.rint(wide / 257).astype(np.uint8))
    return narrow.convert("RGB"), f"mode {image.mode}, scaled by 1/257{_darkness(highest)}"


def _darkness(highest: int) -> str:
    if highest >= _TWELVE_BIT:
        return ""
    return f"; no value above {highest}: looks like 12-bit data and will be dark"


def mask_values(handle: Image.Image) -> np.ndarray:
    """Return a mask's values ``[H, W]``; non-zero is defective, at whatever depth it is stored."""
    direct = handle.mode == "1" or handle.mode.startswith(("I", "F"))
    return np.asarray(handle if direct else handle.convert("L"))


def load_mask(path: Path | BinaryIO | None, size: tuple[int, int], sha256: str = "") -> np.ndarray:
    """Read a mask as ``uint8 [H, W]`` in {0, 1} at ``size`` = (H, W).

    Any non-zero pixel is defective; resizing is nearest neighbour (facts: interpolating and
    casting would erode the defect). ``None`` gives an all-zero mask. ``sha256`` is what a file's
    content must be, as for `decode`.

    Raises
    ------
    DataError
        The file is missing, is not the one expected or cannot be decoded.
    """

    def read(source: Path | BinaryIO) -> np.ndarray:
        with Image.open(source) as handle:
            return mask_values(handle) != 0

    height, width = size
    if path is None:
        return np.zeros((height, width), dtype=np.uint8)
    try:
        full = _read(path, sha256, read) if isinstance(path, Path) else read(path)
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
        sha256 of each file, hexadecimal: what cached features are keyed by, and what a file must
        contain when it is decoded. Empty = whatever it contains.
    size
        Side of the square in pixels that every image is squashed to (bilinear, antialiased; no
        crop, so border defects stay in).
    remember
        Whether the process may keep decoded pixels, see `pixels.REMEMBERED`; equal either way.
    """

    def __init__(
        self, paths: Sequence[Path], hashes: Sequence[str], size: int, *, remember: bool = True
    ) -> None:
        if len(paths) != len(hashes):
            raise ValueError(f"{len(paths)} images but {len(hashes)} hashes")
        self._paths = tuple(paths)
        self.hashes = tuple(hashes)
        self.size = size
        self._remember = remember

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> ImageSet: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | ImageSet:
        """Return image ``index`` as ``uint8 [size, size, 3]``, or a sub-sequence for a slice.

        The pixels are read-only.
        """
        if isinstance(index, slice):
            return self.subset(range(*index.indices(len(self))))
        key = (str(self._paths[index]), self.hashes[index], self.size)
        pixels = REMEMBERED.get(key) if self._remember else None
        if pixels is None:
            image = decode(self._paths[index], self.hashes[index])
            square = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
            pixels = np.asarray(square, dtype=np.uint8)
            if self._remember:
                REMEMBERED.put(key, pixels.copy())
        else:
            pixels = pixels.copy()
        # A copy, since a flag does not keep a method from writing through a torch tensor.
        pixels.flags.writeable = False
        return pixels

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def subset(self, indices: Sequence[int]) -> ImageSet:
        """Return the images at ``indices``, in that order."""
        return ImageSet(
            [self._paths[i] for i in indices],
            [self.hashes[i] for i in indices],
            self.size,
            remember=self._remember,
        )

    def resized(self, size: int) -> ImageSet:
        """Return the same images at another size."""
        return ImageSet(self._paths, self.hashes, size, remember=self._remember)

    def uncached(self) -> ImageSet:
        """Return the same images, decoded from their files each time; to time the whole path."""
        return ImageSet(self._paths, self.hashes, self.size, remember=False)

    def array(self) -> np.ndarray:
        """Return all images as ``uint8 [N, size, size, 3]``."""
        if not self:
            return np.zeros((0, self.size, self.size, 3), dtype=np.uint8)
        return np.stack(list(self))
