"""A toy method whose scores are not perfect and depend on the seed."""

from dataclasses import dataclass

import numpy as np

from adrepro.methods.base import Context, ImageSet, Method, Scores


@dataclass(frozen=True)
class DrawsSettings:
    """How strongly chance acts."""

    scatter: float = 0.02
    shift: float = 0.0


class Draws(Method):
    """Peak brightness, but every fifth image is scored upside down; a little chance on top."""

    name = "toy-draws"
    title = "Draws"
    image_size = 32
    localises = False
    Settings = DrawsSettings

    def fit(self, train: ImageSet, context: Context) -> None:
        self.mean = train.array().mean(axis=0, dtype=np.float32)
        self.rng = np.random.default_rng(context.seed("chance"))

    def score(self, images: ImageSet, context: Context) -> Scores:
        peaks = np.abs(images.array() - self.mean).mean(axis=3).max(axis=(1, 2))
        # Chance that depends on an image alone, so that no order or batch matters.
        tails = np.array([images.array()[i, 0, 0, 0] for i in range(len(images))])
        upside_down = tails % 5 < 1 + self.settings.shift
        peaks = np.where(upside_down, -peaks, peaks) * (1 + self.settings.scatter * tails / 255)
        return Scores(image=peaks.astype(np.float32))


class Wavers(Draws):
    """Peak brightness with strong chance on top, another draw for each image and seed."""

    name = "toy-wavers"
    title = "Wavers"

    def score(self, images: ImageSet, context: Context) -> Scores:
        found = super().score(images, context)
        seed = context.seed("chance")
        # Drawn from the image's own bytes, so that no order or batch matters.
        drawn = [
            np.random.default_rng([seed, int(image.astype(np.uint64).sum())]).normal()
            for image in images.array()
        ]
        return Scores(image=found.image + 20 * np.array(drawn, dtype=np.float32))
