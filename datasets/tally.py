"""How many images a copy of a dataset has, from its folders alone: no image is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .entries import DatasetInfo, Layout
from .errors import DataError
from .layout import entries, is_image_name

_SPLITS = ("train", "test")
# Masks of KolektorSDD2 lie beside their images, and stray copies of some, too.
_NO_IMAGES = ("_GT", "(copy)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Number of categories, and of images in each split over all of them."""

    categories: int
    train: int
    test: int

    def as_dict(self) -> dict[str, int]:
        """Return the fields as plain values."""
        return {"categories": self.categories, "train": self.train, "test": self.test}


def official(info: DatasetInfo) -> Tally | None:
    """Return the official numbers of a dataset; None where it has none."""
    if not info.counts:
        return None
    counts = info.counts.values()
    return Tally(
        categories=len(counts),
        train=sum(each.train_nominal + each.train_anomalous for each in counts),
        test=sum(each.test_nominal + each.test_anomalous for each in counts),
    )


def tally(info: DatasetInfo, root: Path) -> Tally:
    """Count the image files of a copy; ``reproduce data verify`` compares them one by one.

    Parameters
    ----------
    info
        The catalogue's entry; its layout says where images lie.
    root
        The copy's folder. What cannot be read has none.
    """
    if info.layout is Layout.KSDD2:
        train, test = (len(_images(root / split)) for split in _SPLITS)
        return Tally(categories=int(train + test > 0), train=train, test=test)
    found = [[_deep(folder / split) for split in _SPLITS] for folder in _folders(root)]
    there = [(train, test) for train, test in found if train + test]
    train, test = (sum(pair[i] for pair in there) for i in range(2))
    return Tally(categories=len(there), train=train, test=test)


def _deep(split: Path) -> int:
    """Count the images of a split, a folder per kind of defect."""
    return sum(len(_images(folder)) for folder in _folders(split))


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _images(folder: Path) -> list[Path]:
    return [p for p in _entries(folder) if is_image_name(p) and not p.stem.endswith(_NO_IMAGES)]


def _entries(folder: Path) -> list[Path]:
    try:
        return entries(folder)
    except DataError:
        return []
