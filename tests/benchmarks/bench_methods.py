"""Fit and score PatchCore, PaDiM and SimpleNet against anomalib's, on two real categories.

Both sides get the same image files (the first 100 for training, all for testing), the packaged
EfficientNet-Lite0 and normalisation of colours, 256 × 256 pixels, layers of the same strides;
PaDiM takes all 176 channels, as a draw of some would differ. Both start from files, load
the network, decode, compute features, fit, score every test image, and end with smoothed maps of
256 × 256 pixels. Nothing is kept between turns. AUROC of both is by this project's metrics; ours
may be higher, not lower: anomalib's PatchCore makes its patches otherwise than the authors' code,
which ours follows. So PatchCore runs twice, the second time on anomalib's patches, where both
must agree. anomalib has no SimpleNet; its successor there, SuperSimpleNet, trains as many epochs
with as many images per step, and its row only informs: it has no goal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Given, Row, duel, installed, peer_module
from torch.nn import functional

from adrepro.datasets.images import ImageSet, file_sha256, load_mask
from adrepro.harness.metrics import image_metrics, pixel_metrics, upsample_and_smooth
from adrepro.methods.backbones import IMAGENET_MEAN, IMAGENET_STD, LITE0, parse_backbone
from adrepro.methods.base import Context, Method, Scores
from adrepro.methods.features import FeatureProvider
from adrepro.methods.patchcore.coreset import nearest
from adrepro.methods.patchcore.method import PatchCore
from adrepro.methods.registry import method_class
from adrepro.methods.settings import make_settings

COLOURS = (IMAGENET_MEAN, IMAGENET_STD)
CATEGORIES, SIZE, TRAIN, GOAL, POINTS = ("bottle", "screw"), 256, 100, 3.0, 0.2


class AnomalibsPatches(PatchCore):
    """PatchCore on the patches, image scores and maps that anomalib defines.

    Neighbourhoods are averaged, layers joined at their own lengths, image scores weighted by
    equation 7, and maps are distances, not squared, upsampled to the nearest.
    """

    name = "anomalibs-patches"
    title = "PatchCore on anomalib's patches"

    def _patches(self, maps: Mapping[int, torch.Tensor]) -> torch.Tensor:
        finest = maps[min(maps)].shape[-2:]
        layers = [functional.avg_pool2d(maps[stride], 3, 1, 1) for stride in sorted(maps)]
        return torch.cat(
            [functional.interpolate(one, size=finest, mode="bilinear") for one in layers], dim=1
        ).permute(0, 2, 3, 1)

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score, with maps at the size of the images."""
        found = super().score(images, context)
        assert found.maps is not None
        factor = images.size // found.maps.shape[1]
        fine = np.sqrt(found.maps).repeat(factor, axis=1).repeat(factor, axis=2)
        return Scores(image=found.image, maps=fine)


# Ours and its settings beside the quick preset's, anomalib's and the same; layers by their stride.
PATCHCORE = ("Patchcore", {"layers": "8,16,32", "coreset_sampling_ratio": "0.01"})
PAIRS: dict[str, tuple[type[Method], dict[str, str], str, dict[str, str]]] = {
    "PatchCore": (PatchCore, {"coreset_fraction": "0.01"}, *PATCHCORE),
    "PatchCore on anomalib's patches": (
        AnomalibsPatches,
        {"coreset_fraction": "0.01", "reweight": "true"},
        *PATCHCORE,
    ),
    "PaDiM": (method_class("padim"), {"dim": "176"}, "Padim", {"n_features": "176"}),
    "SimpleNet": (
        method_class("simplenet"),
        {"epochs": "2", "batch_images": "8"},
        "Supersimplenet",
        {"epochs": "2", "batch_size": "8"},
    ),
}
INFORMS_ONLY = ("SimpleNet",)


def rows(given: Given) -> list[Row]:
    """Race each pair on each category, and the neighbour search alone."""
    if given.data is None:
        note = "no real images: give --data FOLDER with mvtec_ad/bottle and mvtec_ad/screw in it"
        found = [Row(bench="methods", what=n, peer="anomalib", goal=GOAL, note=note) for n in PAIRS]
    else:
        found = [race_pair(name, given, category) for name in PAIRS for category in CATEGORIES]
    return [*found, neighbours(given)]


def neighbours(given: Given) -> Row:
    """Race PatchCore's search against faiss's exact one, on vectors of the quick preset's shape."""
    queries, bank, dim = (2000 if given.quick else 20_000), 1024, 256
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(queries + bank, dim, generator=generator)
    ask, known = points[:queries], points[queries:]
    peer = None
    if installed("faiss"):
        faiss = peer_module("faiss")
        faiss.omp_set_num_threads(given.threads)

        def peer() -> torch.Tensor:
            index = faiss.IndexFlatL2(dim)
            index.add(known.numpy())
            return torch.from_numpy(index.search(ask.numpy(), 1)[0])

    return duel(
        given,
        bench="methods",
        what=f"nearest of {bank} to each of {queries} vectors of length {dim}",
        name="faiss IndexFlatL2",
        ours=lambda: nearest(ask, known)[0],
        peer=peer,
        judge=lambda found: {"mean": float(found.mean()), "largest": float(found.max())},
        tolerance=1e-2,  # of squared distances around 400
    )


def race_pair(name: str, given: Given, category: str) -> Row:
    """Race one method against anomalib's on one category."""
    ours, own_settings, theirs, their_settings = PAIRS[name]
    equal = ours is AnomalibsPatches
    assert given.data is not None
    train, test, labels, masks = load(given.data / "mvtec_ad" / category, given.quick)
    sides = [(ours, own_settings)]
    if installed("anomalib"):
        sides.append((method_class(f"anomalib:{theirs}"), their_settings))
    for side in sides:  # imports, and what libraries set up when first used
        fit_and_score(*side, train.subset(range(8)), test.subset(range(4)))()
    runs = [fit_and_score(*side, train, test) for side in sides]
    return duel(
        given,
        bench="methods",
        what=f"{name}, {category}: fit {len(train)}, score {len(test)} images",
        name=f"anomalib {theirs}",
        ours=runs[0],
        peer=runs[1] if len(runs) > 1 else None,
        judge=lambda found: accuracy(found, labels, masks),
        goal=None if name in INFORMS_ONLY else GOAL,
        tolerance=None if name in INFORMS_ONLY else POINTS,
        one_sided=not equal,
    )


def load(folder: Path, quick: bool) -> tuple[ImageSet, ImageSet, np.ndarray, np.ndarray]:
    """Return training and test images, labels and masks; a few of each where ``quick``."""
    train = sorted((folder / "train" / "good").iterdir())[: 24 if quick else TRAIN]
    test = sorted((folder / "test").glob("*/*"))[:: 5 if quick else 1]
    labels = np.array([path.parent.name != "good" for path in test])
    truth = folder / "ground_truth"
    masks = np.stack(
        [
            load_mask(truth / p.parent.name / f"{p.stem}_mask.png" if bad else None, (SIZE, SIZE))
            for p, bad in zip(test, labels, strict=True)
        ]
    )
    sets = [
        ImageSet(paths, [file_sha256(path) for path in paths], SIZE, remember=False)
        for paths in (train, test)
    ]
    return sets[0], sets[1], labels, masks


def fit_and_score(
    cls: type[Method], overrides: Mapping[str, str], train: ImageSet, test: ImageSet
) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Return a run of a method from files to smoothed maps, with no memory of earlier runs."""
    settings = make_settings(cls, "quick", overrides)[0]

    def run() -> tuple[np.ndarray, np.ndarray]:
        provider = FeatureProvider(parse_backbone(LITE0))
        network = provider.backbone
        # anomalib normalises colours so whatever the weights; the packaged ones' own differ.
        network._mean, network._std = (torch.tensor(c).view(1, 3, 1, 1) for c in COLOURS)
        context = Context(device="cpu", features=provider, seed_axes=("bench", cls.name))
        method: Any = cls(settings)
        method.fit(train, context)
        scores: Scores = method.score(test, context)
        assert scores.maps is not None
        return scores.image, upsample_and_smooth(scores.maps, SIZE, method.smoothing_sigma)

    return run


def accuracy(
    found: tuple[np.ndarray, np.ndarray], labels: np.ndarray, masks: np.ndarray
) -> dict[str, float]:
    """Return image and pixel AUROC in percent."""
    image = image_metrics(found[0], labels, 0.0).auroc
    pixel = pixel_metrics(found[1], masks).auroc
    assert image is not None
    assert pixel is not None
    return {"image AUROC": 100 * image, "pixel AUROC": 100 * pixel}
