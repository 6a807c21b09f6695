"""Every metric of one category's maps against scikit-learn, anomalib, torchmetrics and ADEval.

83 maps of 448 × 448 pixels, 16.7 million, 63 of them with one or two defects of 0.2 to 5 % of the
image, as in MVTec bottle. Ours gives AUROC, AP, F1-max and AUPRO from one sort; scikit-learn the
first three; anomalib AUPRO alone; torchmetrics AUROC and AP from one curve each; ADEval
AUROC, AUPR (a trapezoid) and AUPRO from 1000 strips of scores, i.e. roughly. Ours is timed for no
less than the peer gives.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from common import Given, Row, Side, duel, installed, peer_module
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from adrepro.harness.metrics import image_metrics, pixel_metrics, upsample_and_smooth
from adrepro.harness.metrics_stream import PixelCounts
from adrepro.harness.ranking import average_precision, rank, roc_area

NOMINAL, ANOMALOUS, RAW, SIZE, SIGMA, LIMIT = 20, 63, 56, 448, 4.0, 0.3
EXACT = 1e-9
# anomalib and torchmetrics add in float32, not in float64.
SINGLE = 1e-6


def rows(given: Given) -> list[Row]:
    """Race every peer."""
    raw, maps, masks = make_maps(112 if given.quick else SIZE)
    count = f"{maps.size / 1e6:.1f} M pixels"
    race_peer = partial(duel, given, bench="metrics")
    return [
        race_peer(
            what=f"image and pixel AUROC, AP, F1-max (ours: and AUPRO), {count}",
            name="scikit-learn, without AUPRO",
            ours=lambda: ours(maps, masks),
            peer=lambda: scikit_learn(maps, masks),
            goal=10.0,
            tolerance=EXACT,
        ),
        race_peer(
            what=f"AUPRO (ours: and the others), {count}",
            name="numpy, all pixels sorted",
            ours=lambda: ours(maps, masks),
            peer=lambda: {"aupro": sorted_aupro(maps, masks)},
            goal=1.0,
            tolerance=EXACT,
        ),
        race_peer(
            what=f"AUPRO (ours: and the others), {count}",
            name="anomalib AUPRO (float32)",
            ours=lambda: ours(maps, masks),
            peer=anomalib(maps, masks),
            goal=1.0,
            tolerance=SINGLE,
        ),
        race_peer(
            what=f"pixel AUROC, AP, {count}",
            name="torchmetrics (float32)",
            ours=lambda: auroc_and_ap(maps, masks),
            peer=torchmetrics(maps, masks),
            goal=1.0,
            tolerance=SINGLE,
        ),
        race_peer(
            what=f"AUROC, AP, F1-max, AUPRO in bounded memory, {count}",
            name="ADEval (1000 strips, no F1-max)",
            ours=lambda: streamed(maps, masks),
            peer=adeval(maps, masks),
            goal=1.0,
        ),
        race_peer(
            what=f"all metrics exactly, {count}",
            name="ADEval (1000 strips, no F1-max): roughly",
            ours=lambda: ours(maps, masks),
            peer=adeval(maps, masks),
        ),
        race_peer(
            what=f"upsampling {RAW}² to {maps.shape[1]}² and smoothing",
            name="torch and scipy",
            ours=lambda: total(upsample_and_smooth(raw, maps.shape[1], SIGMA)),
            peer=lambda: total(scipy_smoothing(raw, maps.shape[1])),
            goal=1.0,
            tolerance=1e-6,
        ),
        race_peer(
            what=f"bounded memory (25 MB and one image), {count}",
            name="ours, exact",
            ours=lambda: streamed(maps, masks),
            peer=lambda: ours(maps, masks),
        ),
    ]


def make_maps(size: int = SIZE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    masks = np.ascontiguousarray(masks[:, :: SIZE // size, :: SIZE // size])
    step = size // RAW
    lift = masks.reshape(count, RAW, step, RAW, step).mean(axis=(2, 4))
    raw = (rng.gamma(4.0, 0.25, lift.shape) + 1.5 * lift).astype(np.float32)
    return raw, upsample_and_smooth(raw, size, SIGMA), masks


def ours(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """All metrics of pixels and of images, whose score is their largest pixel's."""
    pixel = pixel_metrics(maps, masks, LIMIT)
    image = image_metrics(maps.max(axis=(1, 2)), masks.any(axis=(1, 2)), 0.0)
    found = {"aupro": pixel.aupro}
    for kind, values in (("", pixel), ("image ", image)):
        found |= {f"{kind}{name}": getattr(values, name) for name in ("auroc", "ap", "f1_max")}
    return {name: value for name, value in found.items() if value is not None}


def auroc_and_ap(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """Ours without F1-max and AUPRO."""
    table = rank(maps[masks != 0], maps[masks == 0])
    return {"auroc": roc_area(table), "ap": average_precision(table)}


def streamed(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """Ours in bounded memory, one image after the other; with the largest error."""
    counts = PixelCounts()
    for one, mask in zip(maps, masks, strict=True):
        counts.add(one[None], mask[None])
    found = counts.metrics(LIMIT)
    pairs = {name: getattr(found, name) for name in ("auroc", "ap", "f1_max", "aupro")}
    values = {name: pair.value for name, pair in pairs.items()}
    return values | {"largest error": max(pair.error for pair in pairs.values())}


def scikit_learn(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """AUROC, AP and F1-max of pixels and images."""
    found = {}
    images = maps.max(axis=(1, 2)), masks.any(axis=(1, 2))
    for kind, scores, labels in (("", maps.ravel(), masks.ravel()), ("image ", *images)):
        precision, recall, _ = precision_recall_curve(labels, scores)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
        found |= {
            f"{kind}auroc": float(roc_auc_score(labels, scores)),
            f"{kind}ap": float(average_precision_score(labels, scores)),
            f"{kind}f1_max": float(f1.max()),
        }
    return found


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


def anomalib(maps: np.ndarray, masks: np.ndarray) -> Side | None:
    """Return anomalib's exact AUPRO, without the wrapper that takes its own batches."""
    if not installed("anomalib"):
        return None
    import torch

    metric = peer_module("anomalib.metrics.aupro")._AUPRO
    scores, truth = torch.from_numpy(maps), torch.from_numpy(masks)

    def run() -> dict[str, float]:
        one = metric(fpr_limit=LIMIT)
        one.update(scores, truth)
        return {"aupro": float(one.compute())}

    return run


def torchmetrics(maps: np.ndarray, masks: np.ndarray) -> Side | None:
    """Return torchmetrics without thresholds: exact but for float32."""
    if not installed("torchmetrics"):
        return None
    import torch

    found = peer_module("torchmetrics.functional.classification")
    # It would take scores outside [0, 1] for logits; divided, their order stays.
    scores = torch.from_numpy(maps / maps.max()).flatten()
    truth = torch.from_numpy(masks).flatten().int()
    return lambda: {
        "auroc": float(found.binary_auroc(scores, truth)),
        "ap": float(found.binary_average_precision(scores, truth)),
    }


def adeval(maps: np.ndarray, masks: np.ndarray) -> Side | None:
    """Return ADEval's three, which it takes from strips of scores."""
    if not installed("adeval", "cv2"):
        return None
    found = peer_module("adeval")

    def run() -> dict[str, float]:
        # ADEval 1.1 calls it by the name that numpy took away in 2.4.
        old, missing = "trapz", not hasattr(np, "trapz")
        if missing:
            setattr(np, old, np.trapezoid)
        try:
            auroc, ap, aupro = found.auroc_aupr_aupro(maps, masks)
        finally:
            if missing:
                delattr(np, old)
        return {"auroc": auroc, "ap": ap, "aupro": aupro}

    return run


def scipy_smoothing(raw: np.ndarray, size: int) -> np.ndarray:
    """Upsample by torch and smooth by scipy, image by image."""
    import torch

    tensor = torch.from_numpy(raw)[:, None]
    wide = torch.nn.functional.interpolate(tensor, size=(size, size), mode="bilinear")
    return np.stack([ndimage.gaussian_filter(image, SIGMA) for image in wide[:, 0].numpy()])


def total(maps: np.ndarray) -> dict[str, float]:
    """Return a map's middle value, which both sides have to agree on."""
    return {"mean": float(maps.mean(dtype=np.float64)), "largest": float(maps.max())}
