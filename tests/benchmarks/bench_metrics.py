"""Time the metrics against scikit-learn on one category's worth of maps, and compare the values.

    python tests/benchmarks/bench_metrics.py [--repeats N] [--json FILE]

83 maps of 448 × 448 pixels, 63 of them with one or two defects of 0.2 to 5 % of the image, as in
MVTec bottle. Both sides run in one process on the same arrays, taking turns; the best of
``--repeats`` counts. Exit code 1 if any value differs by more than 1e-9.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import scipy
import sklearn
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from adrepro.harness.metrics import pixel_metrics, upsample_and_smooth
from adrepro.harness.ranking import average_precision, f1_max, rank, roc_area

NOMINAL, ANOMALOUS, RAW, SIZE, SIGMA, LIMIT = 20, 63, 56, 448, 4.0, 0.3
TOLERANCE = 1e-9


def make_maps() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return raw maps, evaluated maps and masks: smooth noise, raised where the defect is."""
    rng = np.random.default_rng(0)
    count = NOMINAL + ANOMALOUS
    masks = np.zeros((count, SIZE, SIZE), np.uint8)
    y, x = np.indices((SIZE, SIZE))
    for mask in masks[NOMINAL:]:
        for _ in range(rng.integers(1, 3)):
            row, column = rng.integers(40, SIZE - 40, 2)
            height, width = rng.integers(10, 60, 2)
            mask[((y - row) / height) ** 2 + ((x - column) / width) ** 2 <= 1] = 1
    step = SIZE // RAW
    lift = masks.reshape(count, RAW, step, RAW, step).mean(axis=(2, 4))
    raw = (rng.gamma(4.0, 0.25, lift.shape) + 1.5 * lift).astype(np.float32)
    return raw, upsample_and_smooth(raw, SIZE, SIGMA), masks


def sklearn_metrics(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """AUROC, AP and F1-max of all pixels by scikit-learn."""
    scores, labels = maps.ravel(), masks.ravel()
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return {
        "auroc": float(roc_auc_score(labels, scores)),
        "ap": float(average_precision_score(labels, scores)),
        "f1_max": float(f1.max()),
    }


def without_aupro(maps: np.ndarray, masks: np.ndarray) -> tuple[float, float, float]:
    """Our AUROC, AP and F1-max alone: what is left of the time of all four is AUPRO's."""
    table = rank(maps[masks != 0], maps[masks == 0])
    return roc_area(table), average_precision(table), f1_max(table)[0]


def sorted_aupro(maps: np.ndarray, masks: np.ndarray) -> float:
    """Exact AUPRO the usual way: sort all pixels by score, accumulate, collapse ties."""
    weight = np.zeros(masks.shape)
    count = 0
    for mask, target in zip(masks, weight, strict=True):
        regions, found = ndimage.label(mask, np.ones((3, 3)))
        for region in range(1, found + 1):
            target[regions == region] = 1 / (regions == region).sum()
        count += found
    scores = maps.ravel()
    order = np.argsort(-scores, kind="stable")
    rate = np.cumsum(masks.ravel()[order] == 0) / (masks == 0).sum()
    overlap = np.cumsum(weight.ravel()[order]) / count
    last = np.flatnonzero(np.r_[np.diff(scores[order]) != 0, True])
    rate, overlap = np.r_[0, rate[last]], np.r_[0, overlap[last]]
    inside = rate <= LIMIT
    rate_in = np.r_[rate[inside], LIMIT]
    overlap_in = np.r_[overlap[inside], np.interp(LIMIT, rate, overlap)]
    return float(np.trapezoid(overlap_in, rate_in) / LIMIT)


def scipy_smoothing(raw: np.ndarray) -> np.ndarray:
    """Upsample by torch and smooth by scipy, image by image."""
    import torch

    tensor = torch.from_numpy(raw)[:, None]
    wide = torch.nn.functional.interpolate(tensor, size=(SIZE, SIZE), mode="bilinear")
    return np.stack([ndimage.gaussian_filter(image, SIGMA) for image in wide[:, 0].numpy()])


def race(repeats: int, *runs: Callable[[], Any]) -> tuple[list[float], list[Any]]:
    """Let the runs take turns; return the best time of each in seconds, and its last value."""
    best: list[float] = [np.inf] * len(runs)
    values: list[Any] = [None] * len(runs)
    for _ in range(repeats):
        for index, run in enumerate(runs):
            start = perf_counter()
            values[index] = run()
            best[index] = min(best[index], perf_counter() - start)
    return best, values


def measure(repeats: int) -> dict[str, Any]:
    """Run everything once per repeat and return times, ratios and differences."""
    raw, maps, masks = make_maps()
    times, values = race(
        repeats,
        lambda: pixel_metrics(maps, masks, LIMIT),
        lambda: sklearn_metrics(maps, masks),
        lambda: sorted_aupro(maps, masks),
        lambda: upsample_and_smooth(raw, SIZE, SIGMA),
        lambda: scipy_smoothing(raw),
        lambda: without_aupro(maps, masks),
    )
    ours, reference, aupro, smooth, smooth_reference, _ = values
    expected = {**reference, "aupro": aupro}
    return {
        "pixels": int(maps.size),
        "defective": int(masks.sum()),
        "seconds": {
            "ours_auroc_ap_f1max_aupro": times[0],
            "sklearn_auroc_ap_f1max": times[1],
            "numpy_sorted_aupro": times[2],
            "ours_upsample_smooth": times[3],
            "torch_scipy_upsample_smooth": times[4],
            "ours_auroc_ap_f1max": times[5],
        },
        "values": {name: [getattr(ours, name), expected[name]] for name in expected},
        "largest_difference": max(abs(getattr(ours, n) - v) for n, v in expected.items()),
        "largest_map_difference": float(np.abs(smooth - smooth_reference).max()),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "sklearn": sklearn.__version__,
        },
    }


def report(found: dict[str, Any]) -> str:
    """Return the table that is printed."""
    ours, sk, aupro, smooth, smooth_reference, three = found["seconds"].values()
    lines = [
        f"{found['pixels'] / 1e6:.1f} M pixels, {found['defective'] / 1e6:.2f} M defective",
        f"{'':44}{'seconds':>9}{'ratio':>8}",
        f"{'ours: AUROC + AP + F1-max + AUPRO':44}{ours:9.2f}{1:8.1f}",
        f"{'ours: AUROC + AP + F1-max':44}{three:9.2f}{three / ours:8.1f}",
        f"{'scikit-learn: AUROC + AP + F1-max':44}{sk:9.2f}{sk / ours:8.1f}",
        f"{'numpy, all pixels sorted: AUPRO':44}{aupro:9.2f}{aupro / ours:8.1f}",
        f"{'the same four by those two':44}{sk + aupro:9.2f}{(sk + aupro) / ours:8.1f}",
        f"{'ours: upsampling + smoothing':44}{smooth:9.2f}{1:8.1f}",
        f"{'torch + scipy: the same':44}{smooth_reference:9.2f}{smooth_reference / smooth:8.1f}",
        *(f"{n:8} {a:.12f} {b:.12f}" for n, (a, b) in found["values"].items()),
        f"largest difference of a metric {found['largest_difference']:.1e}, "
        f"of a smoothed pixel {found['largest_map_difference']:.1e}",
    ]
    return "\n".join(lines)


def main() -> int:
    """Print the table, write the JSON if asked to, and judge the equality."""
    parser = argparse.ArgumentParser(description="Time the metrics against scikit-learn.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    found = measure(arguments.repeats)
    print(report(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    return int(found["largest_difference"] > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
