"""Tiny datasets drawn with Pillow, for the tests of the datasets room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def noise(seed: int, size: tuple[int, int] = (16, 12), channels: int = 3) -> Image.Image:
    """Return a random image; ``size`` is (width, height)."""
    width, height = size
    shape = (height, width, channels) if channels > 1 else (height, width)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values)


def spot(size: tuple[int, int] = (16, 12), value: int = 255) -> Image.Image:
    """Return a mask with one rectangle of ``value``."""
    mask = Image.new("L", size, 0)
    mask.paste(value, (2, 2, 6, 5))
    return mask


def save(image: Image.Image, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def mvtec(root: Path, categories: tuple[str, ...] = ("bottle",)) -> Path:
    """Draw 3 training, 2 good test and 2 anomalous images with masks per category."""
    for number, name in enumerate(categories):
        seed = 100 * number
        for i in range(3):
            save(noise(seed + i), root / name / "train" / "good" / f"{i:03}.png")
        for i in range(2):
            save(noise(seed + 10 + i), root / name / "test" / "good" / f"{i:03}.png")
            save(noise(seed + 20 + i), root / name / "test" / "crack" / f"{i:03}.png")
            save(spot(), root / name / "ground_truth" / "crack" / f"{i:03}_mask.png")
    return root


def ksdd2(root: Path) -> Path:
    """Draw train 3 ok + 1 defective, test 2 ok + 2 defective, in KolektorSDD2's layout."""
    plan = {"train": (10000, [0, 0, 255, 0]), "test": (20000, [0, 255, 0, 255])}
    for split, (first, values) in plan.items():
        for i, value in enumerate(values):
            save(noise(first + i), root / split / f"{first + i}.png")
            save(spot(value=value), root / split / f"{first + i}_GT.png")
    return root
