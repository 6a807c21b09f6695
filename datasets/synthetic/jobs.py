"""Which images a drawn dataset holds, and where each of them goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..seeds import derive_seed
from ..types import GOOD
from .scene import defects, draw, draw_strip

_TEST_GOOD, _TEST_ANOMALOUS, _PER_DEFECT = 1_000_000, 2_000_000, 10_000
_KSDD2_FIRST = {"train": 10_000, "test": 20_000}
_SIZES = 7  # strips come in a few slightly different heights, as the real ones do


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many images to draw of a category.

    Attributes
    ----------
    train
        Nominal training images.
    train_anomalous
        Anomalous training images; only KolektorSDD2's layout has such.
    test_good, test_anomalous
        Test images; the anomalous ones are shared out evenly among the category's defects.
    """

    train: int = 60
    train_anomalous: int = 30
    test_good: int = 15
    test_anomalous: int = 45

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 0 if name == "train_anomalous" else 1
            if not least <= value <= _PER_DEFECT:
                raise DataError(
                    f"synthetic counts: {name} = {value}; give {least} to {_PER_DEFECT:,}"
                )


Maker = Callable[[], tuple[np.ndarray, np.ndarray]]


class Job(NamedTuple):
    """One image: where it goes, where its mask goes (or None), and how it is drawn."""

    image: str
    mask: str | None
    make: Maker


def mvtec_jobs(category: str, size: int, counts: Counts, seed: int) -> Iterator[Job]:
    """List the images of a category in the layout of MVTec AD.

    Every image has an index of its own, also across splits and defects: no scene that is trained
    on comes back in the test set.
    """

    def make(index: int, defect: str | None = None) -> Maker:
        return lambda: draw(category, index, defect=defect, size=size, seed=seed)

    for i in range(counts.train):
        yield Job(f"train/{GOOD}/{i:03}.png", None, make(i))
    for i in range(counts.test_good):
        yield Job(f"test/{GOOD}/{i:03}.png", None, make(_TEST_GOOD + i))
    names = defects(category)
    for k in range(counts.test_anomalous):
        i, which = divmod(k, len(names))
        index = _TEST_ANOMALOUS + which * _PER_DEFECT + i
        stem = f"{names[which]}/{i:03}"
        yield Job(f"test/{stem}.png", f"ground_truth/{stem}_mask.png", make(index, names[which]))


def ksdd2_jobs(size: int, counts: Counts, seed: int) -> Iterator[Job]:
    """List the strips in the layout of KolektorSDD2, defective and flawless ones mixed."""

    def make(index: int, defective: bool) -> Maker:
        tall = derive_seed("synthetic-height", index, seed) % _SIZES - _SIZES // 2
        height, width = round(size * (2.46 + 0.02 * tall)), round(0.9 * size)
        return lambda: draw_strip(index, defective=defective, height=height, width=width, seed=seed)

    shares = {
        "train": (counts.train, counts.train_anomalous, 0),
        "test": (counts.test_good, counts.test_anomalous, _TEST_GOOD),
    }
    for split, (nominal, anomalous, first) in shares.items():
        rng = np.random.Generator(np.random.PCG64(derive_seed("synthetic-order", split, seed)))
        order = rng.permutation(np.arange(nominal + anomalous) < anomalous)
        for i, defective in enumerate(order):
            stem = f"{split}/{_KSDD2_FIRST[split] + i}"
            yield Job(f"{stem}.png", f"{stem}_GT.png", make(first + i, bool(defective)))


def file_count(jobs: Iterable[Job]) -> int:
    """Count the files that the jobs write: images and masks."""
    return sum(1 if job.mask is None else 2 for job in jobs)
