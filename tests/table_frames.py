"""Made-up result frames for the tests of tables and reports: plausible, seeded, no real result."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from adrepro.datasets.noise import parse_protocol
from adrepro.tables.spec import Target

BACKBONES = {"patchcore": "wide_resnet50_2"}


def make_row(
    method: str, dataset: str, category: str, noise: float, seed: int, /, **changes: Any
) -> dict[str, Any]:
    """One row as ``store.frame()`` gives it; values depend on the names only."""
    draw = random.Random(f"{method} {dataset} {category} {noise} {seed}")
    base = random.Random(f"{method} {category}").uniform(0.84, 0.995)
    image = min(1.0, max(0.0, base - noise * 0.002 + draw.uniform(-0.006, 0.006)))
    noisy = round(noise)
    row: dict[str, Any] = {
        "paper_target": "rad/table1",
        "dataset": dataset,
        "category": category,
        "noise": float(noise),
        "noise_effective": float(noisy),
        "protocol": parse_protocol("fixed-test").protocol_id,
        "evaluation": "eval/2",
        "seed": seed,
        "method": method,
        "backbone": BACKBONES.get(method, "alexnet"),
        "weights": "tv_in1k",
        "image_size": 448,
        "n_train": 100,
        "n_train_noisy": noisy,
        "n_test_good": 20,
        "n_test_anomalous": 40,
        "status": "done",
        "image_auroc": image,
        "image_ap": image,
        "pixel_auroc": image - 0.011,
        "pixel_ap": 0.5,
        "aupro": 0.8,
        "precision": 0.9,
        "recall": 0.8,
        "f1": 0.85,
        "f1_max": 0.9,
        "precision_f1max": 0.88,
        "recall_f1max": 0.92,
        "precision_balanced": 0.85,
        "recall_balanced": 0.8,
        "f1_balanced": 0.82,
        "f1_max_balanced": 0.86,
        "removal_precision": None if noise == 0 else 0.6,
        "removal_recall": None if noise == 0 else 0.3,
        "removed": 0.0 if noise == 0 else noisy * 0.5,
        "threshold": 1.5,
        "fit_s": 1.25,
        "score_ms_per_image": 4.0,
        "latency_ms": 9.0 if seed == 0 else None,
        "tuning_s": None,
        "stacked": 1,
        "fit_shared": False,
        "peak_memory_mb": 512.0,
        "device": "cpu",
        "exclusive": True,
        "key": f"{draw.getrandbits(256):064x}",
        "error": None,
        "settings": '{"epochs":240}',
        "synthetic": False,
    }
    if changes.get("status", "done") != "done":
        row |= dict.fromkeys(
            ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "aupro", "f1", "f1_max")
        )
    return row | changes


def make_frame(
    target: Target,
    *,
    methods: Iterable[str] = ("differnet", "patchcore"),
    seeds: int = 3,
    stand_ins: bool = False,
    change: Mapping[tuple, Mapping[str, Any]] | None = None,
) -> pd.DataFrame:
    """A full frame of a target; ``change`` maps a leading part of the place to column values.

    A place is (method, dataset, category, noise, seed); ``stand_ins`` uses the synthetic datasets.
    """
    rows = []
    for method in methods:
        for data in target.run.datasets:
            dataset = data.synthetic if stand_ins and data.synthetic else data.name
            for category in data.categories:
                for noise in target.run.noise:
                    for seed in range(seeds):
                        place = (method, dataset, category, noise, seed)
                        changes = {"synthetic": stand_ins}
                        for part, values in (change or {}).items():
                            if place[: len(part)] == part:
                                changes |= values
                        rows.append(make_row(*place, **changes))
    return pd.DataFrame(rows)
