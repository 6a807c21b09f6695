"""What a table may show: every quantity with its title, unit and way of being averaged.

A quantity is a column of result frames, or (`training_h`) is derived from several. Measures of
quality are fractions in [0, 1] in frames and percent in tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Unit(Enum):
    """Unit that a quantity is printed in: its short name for heads and sentences."""

    PERCENT = "percent"
    HOURS = "h"
    MILLISECONDS = "ms"
    IMAGES = "images"
    MEGABYTES = "MB"


class Pooling(Enum):
    """How the values of seeds and categories become one."""

    MEAN = "mean"  # over seeds; over a dataset, of the per-seed mean over categories
    RATIO = "ratio"  # sum of numerators by sum of denominators, over seeds and categories
    ALONE = "alone"  # mean of the runs that had the device for themselves
    ALONE_SUM = "alone-sum"  # the same, summed over a dataset's categories


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One quantity.

    Attributes
    ----------
    title
        As printed in sentences and legends.
    unit
        Unit that it is printed in.
    pooling
        How it is averaged.
    lower_is_better
        Which end a bold entry stands for.
    parts
        Columns of the frame that it is computed from, where it is no column itself; of a ratio the
        column that its value is weighted with.
    """

    title: str
    unit: Unit = Unit.PERCENT
    pooling: Pooling = Pooling.MEAN
    lower_is_better: bool = False
    parts: tuple[str, ...] = ()


QUANTITIES: Mapping[str, Quantity] = {
    "image_auroc": Quantity(title="image AUROC"),
    "image_ap": Quantity(title="image AP"),
    "pixel_auroc": Quantity(title="pixel AUROC"),
    "pixel_ap": Quantity(title="pixel AP"),
    "aupro": Quantity(title="AUPRO"),
    "precision": Quantity(title="precision"),
    "recall": Quantity(title="recall"),
    "f1": Quantity(title="F1"),
    "f1_max": Quantity(title="F1-max"),
    "precision_f1max": Quantity(title="precision at F1-max"),
    "recall_f1max": Quantity(title="recall at F1-max"),
    "precision_balanced": Quantity(title="precision, balanced"),
    "recall_balanced": Quantity(title="recall, balanced"),
    "f1_balanced": Quantity(title="F1, balanced"),
    "f1_max_balanced": Quantity(title="F1-max, balanced"),
    "removal_precision": Quantity(
        title="removal precision", pooling=Pooling.RATIO, parts=("removed",)
    ),
    "removal_recall": Quantity(
        title="removal recall", pooling=Pooling.RATIO, parts=("n_train_noisy",)
    ),
    "removed": Quantity(title="removed images", unit=Unit.IMAGES),
    "training_h": Quantity(
        title="training time",
        unit=Unit.HOURS,
        pooling=Pooling.ALONE_SUM,
        lower_is_better=True,
        parts=("fit_s", "tuning_s"),
    ),
    "latency_ms": Quantity(
        title="inference time", unit=Unit.MILLISECONDS, pooling=Pooling.ALONE, lower_is_better=True
    ),
    "score_ms_per_image": Quantity(
        title="scoring time per image",
        unit=Unit.MILLISECONDS,
        pooling=Pooling.ALONE,
        lower_is_better=True,
    ),
    "peak_memory_mb": Quantity(
        title="peak memory", unit=Unit.MEGABYTES, pooling=Pooling.ALONE, lower_is_better=True
    ),
}

# Columns of the frame that tables read numbers from; a frame may lack those it has no results for.
FRACTIONS = tuple(name for name, q in QUANTITIES.items() if q.unit is Unit.PERCENT)
AMOUNTS = ("removed", "fit_s", "tuning_s", "latency_ms", "score_ms_per_image", "peak_memory_mb")


def title(name: str) -> str:
    """Return a quantity's title."""
    return QUANTITIES[name].title


def needs_device(name: str) -> bool:
    """Tell whether a quantity depends on the hardware and on what else ran on it."""
    return QUANTITIES[name].pooling in (Pooling.ALONE, Pooling.ALONE_SUM)
