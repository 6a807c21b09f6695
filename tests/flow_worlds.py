"""A feature provider without a network, for tests of flows: features are what the test says."""

from dataclasses import dataclass

import numpy as np

from adrepro.datasets.images import ImageSet
from adrepro.methods.base import Context

DIM = 8


@dataclass
class Spec:
    """Stands in for a backbone specification."""

    architecture: str = "planted"

    def identity(self) -> str:
        """Return the name that a key would contain."""
        return f"{self.architecture}.random"


class PlantedFeatures:
    """Pooled features by image hash: ``nominal`` ones on a line, ``anomalous`` ones off it."""

    spec = Spec()

    def __init__(self, shift: float = 3.0) -> None:
        self.shift = shift

    def pooled(self, images: ImageSet, *, sizes, stride, views) -> np.ndarray:
        return np.stack([self._one(name, len(views)) for name in images.hashes])

    def _one(self, name: str, views: int) -> np.ndarray:
        kind, _, index = name.partition("-")
        rng = np.random.default_rng([int(index), kind == "anomalous"])
        rows = rng.normal() * np.ones(DIM) + 0.3 * rng.normal(size=(views, DIM))
        if kind == "anomalous":
            # In a direction of its own: anomalies of one kind would be learnt as a cluster.
            rows = rows + self.shift * rng.permutation([1.0, -1.0] * (DIM // 2))
        return rows.astype(np.float32)


def planted_set(nominal: int, anomalous: int = 0, first: int = 0) -> ImageSet:
    """Return images that only have names; anomalous ones come last."""
    names = [f"nominal-{first + i}" for i in range(nominal)]
    names += [f"anomalous-{first + i}" for i in range(anomalous)]
    return ImageSet([f"/nowhere/{name}.png" for name in names], names, 64)


def planted_context(shift: float = 3.0, seed: int = 0) -> Context:
    """Return a context whose features are planted."""
    return Context(
        device="cpu",
        features=PlantedFeatures(shift),  # type: ignore[arg-type]
        seed_axes=("planted", seed),
        want_maps=False,
    )
