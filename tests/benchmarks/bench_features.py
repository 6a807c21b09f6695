"""Images per second of the feature provider against the forward passes of its network alone.

The provider starts from JPEG files: it decodes, resizes, normalises, runs the network and keeps
the maps, with nothing remembered from turn to turn. The peer is the same network on one batch that
is in memory and normalised already, as many passes as the images need: what cannot be undercut. At
80 % of its rate the goal is reached.
Then the cached reading of the same maps from files, against computing them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from common import Given, Row, duel
from PIL import Image

from adrepro.datasets.images import ImageSet, file_sha256
from adrepro.methods import passes
from adrepro.methods.backbones import LITE0, parse_backbone
from adrepro.methods.features import FeatureProvider

COUNT, SIDE, GOAL = 64, 448, 0.8
# What PatchCore's quick preset asks for, and one whole-image network at full size.
SIZES = {"256": (256, (8, 16, 32)), "448": (448, (32,))}


def rows(given: Given) -> list[Row]:
    """Race the provider against bare forward passes, and cached against computed maps."""
    with tempfile.TemporaryDirectory() as folder:
        images, source = photographs(given, Path(folder))
        found = [
            provider_row(given, images.resized(size), strides, f"{source}, {name} px")
            for name, (size, strides) in SIZES.items()
        ]
        return [*found, cached_row(given, images.resized(256), source, Path(folder) / "cache")]


def photographs(given: Given, folder: Path) -> tuple[ImageSet, str]:
    """Return training images of bottle, or drawn JPEG files where there are none; and which."""
    count = COUNT // 4 if given.quick else COUNT
    if given.data is not None:
        files = sorted((given.data / "mvtec_ad" / "bottle" / "train" / "good").iterdir())
        text = "bottle"
    else:
        files, text = draw(folder, count), "drawn JPEG"
    paths = files[:count]
    hashes = [file_sha256(path) for path in paths]
    return ImageSet(paths, hashes, SIDE, remember=False), f"{len(paths)} images ({text}, {SIDE} px)"


def draw(folder: Path, count: int) -> list[Path]:
    """Write noisy gradients, which take about as long to decode as photographs."""
    rng = np.random.default_rng(0)
    slope = np.linspace(40, 200, SIDE)[:, None, None]
    paths = []
    for index in range(count):
        noise = rng.normal(0, 12, (SIDE, SIDE, 3))
        pixels = np.clip(slope + noise, 0, 255).astype(np.uint8)
        paths.append(folder / f"{index:03}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=95, subsampling=0)
    return paths


def provider_row(given: Given, images: ImageSet, strides: tuple[int, ...], what: str) -> Row:
    """Files to maps against forward passes on pixels in memory."""
    network = FeatureProvider(parse_backbone(LITE0))
    batch = passes.FORWARD_BATCH
    first = images.subset(range(min(batch, len(images)))).array()
    pixels = network.backbone.normalise(first)

    def provider() -> dict[str, float]:
        maps = network.uncached().maps(images, strides)
        return {"mean": float(maps[strides[0]][: len(first)].mean(dtype=np.float64))}

    def forward() -> dict[str, float]:
        # The same batches as the provider's, the last one shorter.
        mean = 0.0
        for start in range(0, len(images), batch):
            maps = network.backbone.maps(pixels[: len(images) - start], strides)
            if start == 0:
                mean = float(maps[strides[0]].double().mean())
        return {"mean": mean}

    with torch.inference_mode():
        forward()  # warms up
        return duel(
            given,
            bench="features",
            what=f"files to maps, {what}",
            name="forward passes alone",
            ours=provider,
            peer=forward,
            goal=GOAL,
            tolerance=1e-5,
        )


def cached_row(given: Given, images: ImageSet, source: str, folder: Path) -> Row:
    """Maps read from files against the same maps computed."""
    strides = (8, 16, 32)
    spec = parse_backbone(LITE0)
    first = FeatureProvider(spec, cache_dir=folder)
    first.maps(images, strides)
    mean = partial(_mean, images, strides)
    return duel(
        given,
        bench="features",
        what=f"cached maps, {source}, 256 px",
        name="computing them",
        # A provider of its own each time: nothing is in its memory.
        ours=mean(lambda: FeatureProvider(spec, cache_dir=folder)),
        peer=mean(first.uncached),
        goal=1.0,
        tolerance=0.0,
    )


def _mean(
    images: ImageSet, strides: tuple[int, ...], provider: Callable[[], FeatureProvider]
) -> Callable[[], dict[str, float]]:
    def run() -> dict[str, float]:
        maps = provider().maps(images, strides)
        return {f"mean {s}": float(maps[s].mean(dtype=np.float64)) for s in strides}

    return run
