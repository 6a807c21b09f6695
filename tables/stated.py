"""What a paper states of its protocol and of the datasets, in numbers: ``[[protocol]]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .tomlcheck import Key, Lines, nearest

# Number of images that a paper may state → the counts of a category that it sums.
COUNTS: Mapping[str, tuple[str, ...]] = {
    "images": ("train_nominal", "train_anomalous", "test_nominal", "test_anomalous"),
    "train": ("train_nominal", "train_anomalous"),
    "test": ("test_nominal", "test_anomalous"),
    "nominal": ("train_nominal", "test_nominal"),
    "anomalous": ("train_anomalous", "test_anomalous"),
}
CATEGORIES = "categories"

PROTOCOL = {
    "dataset": Key(kind="text"),
    "where": Key(kind="text"),
    "train_images": Key(kind="integer", required=False, at_least=1),
    "noise": Key(kind="numbers", required=False, at_least=0),
    "trials": Key(kind="integer", required=False, at_least=1),
    "deviation": Key(kind="number", required=False, at_least=0),
    "counts": Key(
        kind="table",
        required=False,
        table={
            name: Key(kind="integer", required=False, at_least=1) for name in (*COUNTS, CATEGORIES)
        },
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedProtocol:
    """What a paper states about one dataset.

    Attributes
    ----------
    dataset
        Registered name.
    where
        Where in the paper.
    train_images
        Training images per category.
    noise
        Levels of label noise in percent.
    trials, deviation
        Trials that a printed number is the mean of, and the bound that the paper gives for the
        standard deviation of the image AUROC over them, in percentage points.
    counts
        Key of `COUNTS`, or ``"categories"`` → the number that the paper gives.
    """

    dataset: str
    where: str
    train_images: int | None = None
    noise: tuple[float, ...] = ()
    trials: int | None = None
    deviation: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def read_protocols(items: Sequence[Mapping[str, Any]], at: Lines) -> tuple[StatedProtocol, ...]:
    """Read what a paper states; a dataset without official counts is a `SpecError`."""
    from ..datasets.entries import CATALOG

    known = [info.name for info in CATALOG.values() if info.counts and not info.synthetic]
    for index, item in enumerate(items):
        if item["dataset"] not in known:
            hint = nearest(item["dataset"], known)
            message = f"no counts of dataset '{item['dataset']}': {hint}"
            raise at.error(message, "protocol", index, "dataset")
    return tuple(
        StatedProtocol(
            dataset=item["dataset"],
            where=item["where"],
            train_images=item.get("train_images"),
            noise=tuple(item.get("noise", ())),
            trials=item.get("trials"),
            deviation=item.get("deviation"),
            counts=dict(item.get("counts", {})),
        )
        for item in items
    )
