"""Toy methods, good and bad, that tests name as ``toys:Class``."""

import ctypes
import os
import time
from dataclasses import dataclass

import numpy as np

from adrepro.methods.base import Context, ImageSet, Method, Scores, Variant


@dataclass(frozen=True)
class ToySettings:
    """Settings of the toys."""

    power: float = 2.0
    names: tuple[str, ...] = ()


class PixelMean(Method):
    """Distance of each pixel to the training mean: enough for a bright spot on flat grey."""

    name = "toy-pixel-mean"
    title = "Pixel mean"
    image_size = 32
    smoothing_sigma = 1.0
    Settings = ToySettings

    def fit(self, train: ImageSet, context: Context) -> None:
        self.mean = np.median(train.array().astype(np.float32), axis=0)

    def score(self, images: ImageSet, context: Context) -> Scores:
        distance = np.abs(images.array() - self.mean).mean(axis=3) ** self.settings.power
        return Scores(
            image=distance.max(axis=(1, 2)).astype(np.float32),
            maps=distance.astype(np.float32) if context.want_maps else None,
        )


class ImageOnly(PixelMean):
    """The same without maps."""

    name = "toy-image-only"
    title = "Image only"
    localises = False

    def score(self, images: ImageSet, context: Context) -> Scores:
        return Scores(image=super().score(images, context).image)


class Raises(PixelMean):
    """Raises in fit."""

    name = "toy-raises"
    title = "Raises"

    def fit(self, train: ImageSet, context: Context) -> None:
        raise RuntimeError("the lamp is broken\nsecond line")


class NotFinite(PixelMean):
    """Returns NaN."""

    name = "toy-nan"
    title = "NaN"

    def score(self, images: ImageSet, context: Context) -> Scores:
        found = super().score(images, context)
        return Scores(image=found.image * np.nan, maps=found.maps)


class Segfault(PixelMean):
    """Reads address zero: the process dies without a word."""

    name = "toy-segfault"
    title = "Segfault"

    def fit(self, train: ImageSet, context: Context) -> None:
        ctypes.string_at(0)


class Exits(PixelMean):
    """Leaves the process at noise 10 only."""

    name = "toy-exits"
    title = "Exits"

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        if len(train) and context.seed_axes[-1] == 1:
            os._exit(9)


class Slow(PixelMean):
    """Takes half a second per fit."""

    name = "toy-slow"
    title = "Slow"

    def fit(self, train: ImageSet, context: Context) -> None:
        time.sleep(0.5)
        super().fit(train, context)


class Loud(PixelMean):
    """Prints ten million characters."""

    name = "toy-loud"
    title = "Loud"

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        for _ in range(1000):
            print("x" * 10_000)


class LeavesChild(PixelMean):
    """Starts a process that outlives its worker, which dies."""

    name = "toy-child"
    title = "Leaves a child"

    def fit(self, train: ImageSet, context: Context) -> None:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        os._exit(3)


class SysExit(PixelMean):
    """Leaves by sys.exit()."""

    name = "toy-sysexit"
    title = "sys.exit"

    def fit(self, train: ImageSet, context: Context) -> None:
        raise SystemExit("enough")


class OwnBackbone(PixelMean):
    """Declares a backbone of its own for a preset."""

    name = "toy-backbone"
    title = "Own backbone"
    backbone = "alexnet"
    presets = {"quick": {"backbone": "timm/resnet18.random", "image_size": 64}}  # noqa: RUF012


class Variants(PixelMean):
    """Has a preset and variants, one of which comes to the defaults."""

    name = "toy-variants"
    title = "Variants"
    presets = {"quick": {"power": 3.0, "names": ("quick",)}}  # noqa: RUF012
    variants = {  # noqa: RUF012
        "linear": Variant(title="Linear distance", settings={"power": 1.0}),
        "same": Variant(title="The same again", settings={"power": 2.0}),
    }


class Reduced(PixelMean):
    """Has a variant with a size of its own, and with a reduction of its own for a preset."""

    name = "toy-reduced"
    title = "Reduced"
    presets = {  # noqa: RUF012
        "quick": {"power": 3.0, "image_size": 48},
        "demo": {"power": 4.0},
    }
    variants = {  # noqa: RUF012
        "long": Variant(
            title="Long",
            settings={"power": 9.0, "names": ("long",)},
            presets={"quick": {"power": 5.0}},
            image_size=64,
        ),
    }


class WrongPreset(PixelMean):
    """Has a variant that speaks of a preset which the method lacks."""

    name = "toy-wrong-preset"
    title = "Wrong preset"
    variants = {"x": Variant(title="X", settings={}, presets={"quick": {}})}  # noqa: RUF012


@dataclass(frozen=True)
class CountingSettings(ToySettings):
    """Where `Counting` keeps its books."""

    book: str = ""


class Counting(PixelMean):
    """Writes a line per fit into a file; what it learns depends on a draw."""

    name = "toy-counting"
    title = "Counting"
    Settings = CountingSettings

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        rng = np.random.default_rng(context.seed("init"))
        self.mean = self.mean + rng.normal(0, 3, self.mean.shape).astype(np.float32)
        self.train_weights = np.linspace(0, 1, len(train), dtype=np.float32)
        with open(self.settings.book, "a", encoding="utf-8") as book:
            book.write("/".join(map(str, context.seed_axes)) + "\n")


class Filter(PixelMean):
    """Leaves out the half of the images that is brightest at its brightest spot."""

    name = "toy-filter"
    title = "Filter"

    def fit(self, train: ImageSet, context: Context) -> None:
        peaks = train.array().mean(axis=3).max(axis=(1, 2))
        keep = np.argsort(np.argsort(peaks, kind="stable"), kind="stable") < (len(train) + 1) // 2
        super().fit(train.subset(list(np.flatnonzero(keep))), context)
        self.train_weights = keep.astype(np.float32)


class WrongWeights(PixelMean):
    """Says that it used an image more than once."""

    name = "toy-wrong-weights"
    title = "Wrong weights"

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        self.train_weights = np.full(len(train), 1.5, dtype=np.float32)


class Draws(PixelMean):
    """Scores with the global generators, the default type and the environment: a careless one."""

    name = "toy-draws"
    title = "Draws"

    def score(self, images: ImageSet, context: Context) -> Scores:
        import random

        import torch

        found = super().score(images, context)
        noise = torch.rand(len(images)).float().numpy() + np.random.random() + random.random()
        return Scores(image=found.image + noise.astype(np.float32), maps=found.maps)


class Tells(PixelMean):
    """Prints and raises what it found out about the machine."""

    name = "toy-tells"
    title = "Tells"

    def fit(self, train: ImageSet, context: Context) -> None:
        secret = os.environ["ADREPRO_TEST_TOKEN"]
        where = f"{os.environ['HOME']}/models/net.pth of https://me:{'s3cret-' * 2}@host/simple"
        print(f"token {secret}, {where}")
        if self.settings.power == 3:
            raise RuntimeError(f"no access with {secret} to {where}")
        super().fit(train, context)


class CountsThreads(PixelMean):
    """Prints with how many threads each library computes, also one that only this method loads."""

    name = "toy-counts-threads"
    title = "Counts threads"

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        import scipy.linalg  # brings a BLAS of its own  # noqa: F401
        import sklearn.cluster  # brings OpenMP  # noqa: F401
        import torch
        from threadpoolctl import threadpool_info

        for library in [
            *threadpool_info(),
            {"prefix": "torch", "num_threads": torch.get_num_threads()},
        ]:
            print("threads", library["prefix"], library["num_threads"])
