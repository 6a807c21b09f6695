"""Images for the contract check: a plain pattern, and the same with an obvious defect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..datasets.images import ImageSet, file_sha256

TRAIN, TEST = 16, 6


def draw(rng: np.random.Generator, size: int, *, defect: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image and its mask.

    Returns
    -------
    tuple
        ``uint8 [size, size, 3]``: a grey checkerboard with sensor noise and varying light, with
        ``defect`` a red blot of a quarter of its side. ``bool [size, size]``: where the blot is.
    """
    rows, columns = np.mgrid[:size, :size]
    board = ((rows * 8 // size + columns * 8 // size) % 2) * 40 + 90
    image = np.repeat(board[:, :, None], 3, axis=2) * rng.uniform(0.95, 1.05)
    image = image + rng.normal(0, 4, image.shape)
    mask = np.zeros((size, size), dtype=bool)
    if defect:
        side = size // 4
        top, left = rng.integers(size // 8, size - size // 8 - side, 2)
        mask[top : top + side, left : left + side] = True
        image[mask] = (230, 20, 20)
    return np.clip(image, 0, 255).astype(np.uint8), mask


def write_sets(folder: Path, size: int) -> tuple[ImageSet, ImageSet, np.ndarray, np.ndarray]:
    """Write a training and a test set; the test set is half nominal, half defective.

    Returns
    -------
    tuple
        Training images, test images, labels ``bool [N]`` and masks ``bool [N, size, size]``.
    """
    rng = np.random.default_rng(0)
    paths, masks = [], []
    labels = [False] * (TRAIN + TEST) + [True] * TEST
    for index, defect in enumerate(labels):
        image, mask = draw(rng, size, defect=defect)
        path = folder / f"{index:03}.png"
        Image.fromarray(image).save(path)
        paths.append(path)
        masks.append(mask)
    everything = ImageSet(paths, [file_sha256(path) for path in paths], size)
    train = everything.subset(range(TRAIN))
    test = everything.subset(range(TRAIN, len(everything)))
    return train, test, np.array(labels[TRAIN:]), np.stack(masks[TRAIN:])
