"""Toys that use their seed, ignore it, or say that there is nothing to draw."""

import numpy as np

from toys import PixelMean


class IgnoresSeed(PixelMean):
    """Draws from a generator of its own, with one seed for all."""

    name = "toy-ignores-seed"
    title = "Ignores its seed"

    def fit(self, train, context):
        super().fit(train, context)
        self.mean = self.mean + np.random.default_rng(0).normal(0, 3, self.mean.shape)


class IgnoresAll(IgnoresSeed):
    """Looks at no training image either."""

    name = "toy-ignores-all"
    title = "Ignores all"

    def fit(self, train, context):
        self.mean = np.full((32, 32, 3), 120.0)


class UsesSeed(PixelMean):
    """Draws from its seed."""

    name = "toy-uses-seed"
    title = "Uses its seed"

    def fit(self, train, context):
        super().fit(train, context)
        rng = np.random.default_rng(context.seed("init"))
        self.mean = self.mean + rng.normal(0, 1e-4, self.mean.shape)


class SaysSo(PixelMean):
    """Draws nothing, and says so."""

    name = "toy-says-so"
    title = "Says so"
    deterministic = True


class Constant(PixelMean):
    """Gives all images one score."""

    name = "toy-constant"
    title = "Constant"

    def score(self, images, context):
        found = super().score(images, context)
        found.image[:] = 1.0
        return found
