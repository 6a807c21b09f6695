"""Forward passes through the frozen network, kept with what their gradients need.

Cells of a category score the same test images. What differs is the flow behind the features: the
gradient at the features. The way from there back to the pixels is the network's alone, so the
forward pass and the activations that it leaves serve all of them, where memory suffices.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch

from ..backbones import Backbone
from ..features import FeatureProvider

GRAPH_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Forward:
    """One pass.

    Attributes
    ----------
    pixels
        ``float32 [N, 3, H, H]``, normalised; a leaf.
    features
        ``float32 [N, D]``, made of them.
    kept
        Whether other gradients are to be taken through it later.
    """

    pixels: torch.Tensor
    features: torch.Tensor
    kept: bool

    def pull_back(self, gradient: torch.Tensor) -> torch.Tensor:
        """Turn a gradient at the features into that at the pixels."""
        (found,) = torch.autograd.grad(self.features, self.pixels, gradient, retain_graph=self.kept)
        return found


@dataclass(slots=True)
class _Held:
    """The passes over one set of images; ``limit`` is 0 once they turned out to be too large."""

    key: Hashable
    limit: int
    size: int = 0
    passes: dict[Hashable, Forward] = field(default_factory=dict)


_HELD: WeakKeyDictionary[Backbone, _Held] = WeakKeyDictionary()


class Graphs:
    """The passes of one set of images; those of another set that are held are let go of.

    Parameters
    ----------
    features
        Whose network is run. One that remembers nothing holds no passes either. Seconds of new
        passes are added to its ``compute_s``.
    key
        All that the passes depend on beside the network.
    share
        Part of all passes that the first one makes up, to know from it whether all will fit.
    limit
        Bytes.
    """

    def __init__(
        self, features: FeatureProvider, key: Hashable, share: float, *, limit: int | None = None
    ) -> None:
        limit = GRAPH_BYTES if limit is None else limit
        self._features, self._share = features, share
        known = _HELD.get(features.backbone) if features.remembers else None
        if known is None or known.key != key:
            known = _Held(key, limit if features.remembers else 0)
            if features.remembers:
                _HELD[features.backbone] = known
        self._held = known

    def forward(
        self, name: Hashable, make: Callable[[], tuple[torch.Tensor, torch.Tensor]]
    ) -> Forward:
        """Return the pass of this name, made by ``make`` unless it is held."""
        held = self._held
        if name in held.passes:
            return held.passes[name]
        counter = _Counter()
        count = torch.autograd.graph.saved_tensors_hooks(counter.add, lambda tensor: tensor)
        self._synchronise()
        start = time.perf_counter()
        # As all that cells share: computed as if no method had changed anything in the process.
        with self._features.guard(), torch.enable_grad(), count if held.limit else nullcontext():
            pixels, features = make()
        self._synchronise()
        self._features.compute_s += time.perf_counter() - start
        if not held.passes and counter.bytes > self._share * held.limit:
            held.limit = 0
        fits = 0 < held.size + counter.bytes <= held.limit
        found = Forward(pixels, features, fits)
        if found.kept:
            held.passes[name] = found
            held.size += counter.bytes
        return found

    def _synchronise(self) -> None:
        """Wait for queued device work, so that a clock read after it means something."""
        if self._features.device.startswith("cuda"):
            torch.cuda.synchronize(self._features.device)


class _Counter:
    """Adds up the bytes of what a graph keeps alive."""

    def __init__(self) -> None:
        self.bytes = 0
        self._seen: set[int] = set()

    def add(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        # The network's weights are there anyway; several operations may keep one activation.
        if not isinstance(tensor, torch.nn.Parameter) and storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        # Not the tensor itself: of an operation that keeps its own output it would hold the graph
        # that holds it, in a circle that nothing breaks.
        return tensor.detach()
