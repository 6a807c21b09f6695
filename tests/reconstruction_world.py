"""A checkerboard world for methods that are trained from scratch on images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from adrepro.datasets.images import ImageSet
from adrepro.methods.base import Context
from adrepro.methods.checkdata import write_sets
from adrepro.methods.features import FeatureProvider


class World(NamedTuple):
    """Training and test images; labels ``bool [N]`` and masks ``bool [N, size, size]``."""

    train: ImageSet
    test: ImageSet
    labels: np.ndarray
    masks: np.ndarray


def make_world(folder: Path, size: int = 64) -> World:
    """Write 16 nominal training images and 12 test images, half of them with a red blot."""
    folder.mkdir(parents=True, exist_ok=True)
    return World(*write_sets(folder, size))


def scratch_context(seed: int = 0) -> Context:
    """Return a context on the CPU for a method without a backbone."""
    return Context(device="cpu", features=FeatureProvider(None), seed_axes=("test", seed))


def generator(seed: int = 0) -> torch.Generator:
    """Return a CPU generator."""
    return torch.Generator().manual_seed(seed)
