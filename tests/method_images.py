"""Drawn image sets and a context, for tests of methods and features."""

from pathlib import Path

import numpy as np
from PIL import Image

from adrepro.datasets.images import ImageSet, file_sha256
from adrepro.methods.base import Context
from adrepro.methods.features import FeatureProvider


def drawn_set(folder: Path, count: int = 5, size: int = 64, seed: int = 0) -> ImageSet:
    """Write ``count`` random images and return them as a set."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = []
    for index in range(count):
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        path = folder / f"{index}.png"
        Image.fromarray(coarse).resize((size, size)).save(path)
        paths.append(path)
    return ImageSet(paths, [file_sha256(path) for path in paths], size)


def make_context(provider: FeatureProvider, seed: int = 0) -> Context:
    """Return a context on the CPU."""
    return Context(device="cpu", features=provider, seed_axes=("test", seed))
