"""Frozen features, computed once per image and shared by noise levels, seeds and methods."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Container, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.errors import ContractError, StoreError, UsageError
from ..datasets.images import ImageSet
from .backbones import Backbone, BackboneSpec, load_backbone
from .cache import Arrays, Recent, read_arrays, write_arrays
from .passes import FORWARD_BATCH, Companions, decoded
from .views import View, apply_view

if TYPE_CHECKING:
    import torch

# Part of every cache key: raise it when the same key would give other values.
FEATURES_VERSION = 3
MEMORY_BYTES = 512 * 2**20


def pooled_scales(
    backbone: Backbone, batch: torch.Tensor, sizes: Sequence[int], stride: int
) -> torch.Tensor:
    """Pool one feature map per scale over space; differentiable (DifferNet, section 3.1).

    Parameters
    ----------
    backbone
        The frozen network.
    batch
        ``float32 [N, 3, H, H]``, normalised, H the largest of ``sizes``.
    sizes
        Side per scale in pixels. A smaller one is made from ``batch`` by nearest neighbour, as
        the official code does.
    stride
        Which map.

    Returns
    -------
    torch.Tensor
        ``float32 [N, len(sizes) · C]``, scales concatenated in the order given.
    """
    import torch
    from torch.nn import functional

    means = []
    for size in sizes:
        same = size == batch.shape[-1]
        scaled = batch if same else functional.interpolate(batch, size=(size, size))
        means.append(backbone.maps(scaled, (stride,))[stride].mean(dim=(2, 3)))
    return torch.cat(means, dim=1)


class FeatureProvider:
    """Features of one backbone, from memory, else from disk, else computed.

    Parameters
    ----------
    spec
        The backbone; it is loaded only when something has to be computed. None for a method that
        declares no backbone: asking for features is then an error.
    device
        Torch device string.
    cache_dir
        Folder of the feature files; None keeps features in memory only.
    memory_bytes
        How much the process may keep in memory.
    batch_scale
        What the number of images in a forward pass is multiplied with; below 1 where memory did
        not suffice before.
    """

    def __init__(
        self,
        spec: BackboneSpec | None,
        device: str = "cpu",
        cache_dir: Path | None = None,
        *,
        memory_bytes: int = MEMORY_BYTES,
        batch_scale: float = 1.0,
    ) -> None:
        self._spec, self.device, self.cache_dir = spec, device, cache_dir
        self._recent = Recent(memory_bytes)
        self._batch_scale = batch_scale
        self._batch = max(1, int(FORWARD_BATCH * batch_scale))
        self._companions: Companions | None = None
        self.compute_s = 0.0  # seconds spent on computing features, for whoever takes the time
        # Entered around all that is shared by cells; the harness keeps a method's traces out there.
        self.guard: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def spec(self) -> BackboneSpec:
        """The backbone in names; `ContractError` for a method that declares none."""
        if self._spec is None:
            raise ContractError("features were asked for, but the method's class names no backbone")
        return self._spec

    @cached_property
    def backbone(self) -> Backbone:
        """The live network, for methods that need gradients through it."""
        import torch

        # Weights loaded inside an inference-mode block could never take part in a gradient.
        with self.guard(), torch.inference_mode(False):
            network = load_backbone(self.spec, self.device, self._weights_sha256)
            self.__dict__["backbone"] = network
        return network

    @property
    def loaded(self) -> Backbone | None:
        """The network if it has been loaded."""
        return self.__dict__.get("backbone")

    def forget_backbone(self) -> None:
        """Let go of the network; it is loaded anew when it is needed."""
        self.__dict__.pop("backbone", None)

    @property
    def remembers(self) -> bool:
        """Whether anything may be kept in memory for other cells."""
        return self._recent.limit > 0

    def expect(self, images: ImageSet) -> None:
        """Say which images will be asked for sooner or later: they fill up forward passes."""
        self._companions = Companions(images)

    def uncached(self) -> FeatureProvider:
        """Return a provider on the same network that remembers nothing; to time the whole path."""
        cold = FeatureProvider(
            self._spec, self.device, None, memory_bytes=0, batch_scale=self._batch_scale
        )
        if self.loaded is not None:
            cold.__dict__["backbone"] = self.loaded
        return cold

    def maps(
        self, images: ImageSet, strides: Sequence[int], size: int | None = None
    ) -> dict[int, np.ndarray]:
        """Return feature maps of images.

        Parameters
        ----------
        images
            The images.
        strides
            Which maps.
        size
            Side in pixels that images are squashed to; None takes the set's own.

        Returns
        -------
        dict
            Stride → ``float32 [N, C, h, w]``.

        Raises
        ------
        UsageError
            The network has no such stride, or there are no images.
        """
        strides = tuple(sorted(set(strides)))
        images = images if size is None else images.resized(size)
        view = {"kind": "maps", "strides": strides, "size": images.size}

        def compute(pixels: list[np.ndarray]) -> list[Arrays]:
            found = self.backbone.maps(self.backbone.normalise(np.stack(pixels)), strides)
            arrays = {str(s): m.contiguous().cpu().numpy() for s, m in found.items()}
            return [{k: a[i].copy() for k, a in arrays.items()} for i in range(len(pixels))]

        items = self._collect(images, view, lambda image: image, compute, self._batch)
        return {s: np.stack([item[str(s)] for item in items]) for s in strides}

    def pooled(
        self,
        images: ImageSet,
        *,
        sizes: tuple[int, ...],
        stride: int,
        views: tuple[View, ...],
    ) -> np.ndarray:
        """Return pooled multi-scale features of transformed views, see `pooled_scales`.

        Parameters
        ----------
        images
            The images; squashed to the largest of ``sizes``.
        sizes
            Sides in pixels.
        stride
            Which map is pooled.
        views
            The transforms, e.g. from `views.bank`.

        Returns
        -------
        numpy.ndarray
            ``float32 [N, V, D]``: images × views × (scales · channels).

        Raises
        ------
        UsageError
            The network has no such stride, or there are no images.
        """
        view = {"kind": "pooled", "sizes": sizes, "stride": stride, "views": list(map(str, views))}

        def transformed(image: np.ndarray) -> np.ndarray:
            return np.stack([apply_view(image, one) for one in views])

        def compute(pixels: list[np.ndarray]) -> list[Arrays]:
            flat = np.concatenate(pixels)
            parts = [
                pooled_scales(self.backbone, self.backbone.normalise(chunk), sizes, stride)
                for chunk in np.split(flat, range(self._batch, len(flat), self._batch))
            ]
            rows = np.concatenate([part.cpu().numpy() for part in parts])
            return [{"pooled": part} for part in np.split(rows, len(pixels))]

        batch = max(1, self._batch // len(views))
        items = self._collect(images.resized(max(sizes)), view, transformed, compute, batch)
        return np.stack([item["pooled"] for item in items])

    def _collect(
        self,
        images: ImageSet,
        view: dict[str, Any],
        prepare: Callable[[np.ndarray], np.ndarray],
        compute: Callable[[list[np.ndarray]], list[Arrays]],
        batch: int,
    ) -> list[Arrays]:
        """Return one item per image; only what neither memory nor disk holds is computed."""
        if not len(images):
            raise UsageError("features of no images were asked for; give at least one image")
        folder = self._folder(view)
        items = [self._known(folder, name) for name in images.hashes]
        # Equal images share a hash: each is computed once.
        missing = {images.hashes[i]: i for i, item in enumerate(items) if item is None}
        fresh: dict[str, Arrays] = {}
        if missing:
            import torch

            start = time.perf_counter()
            with self.guard(), torch.inference_mode():
                for indices, pixels in decoded(images, list(missing.values()), prepare, batch):
                    names = [images.hashes[i] for i in indices]
                    others = self._fill(folder, images.size, pixels, prepare, batch, missing)
                    # What repeats an image only to fill the pass has no name, and is dropped.
                    for name, arrays in zip([*names, *others], compute(pixels), strict=False):
                        fresh[name] = arrays
                        self._keep(folder, name, arrays)
            self.compute_s += time.perf_counter() - start
        return [
            fresh[name] if item is None else item
            for name, item in zip(images.hashes, items, strict=True)
        ]

    def _fill(
        self,
        folder: str,
        size: int,
        pixels: list[np.ndarray],
        prepare: Callable[[np.ndarray], np.ndarray],
        batch: int,
        missing: Container[str],
    ) -> list[str]:
        """Fill a pass up where another cell could see its result; return the companions' hashes."""
        if not (self.remembers or self.cache_dir):
            return []

        def wanted(name: str) -> bool:
            return name not in missing and not self._has(folder, name)

        companions = self._companions
        some = companions.take(folder, size, batch - len(pixels), wanted) if companions else ()
        names = []
        for name, image in some:
            pixels.append(prepare(image))
            names.append(name)
        pixels += pixels[-1:] * (batch - len(pixels))
        return names

    def _folder(self, view: dict[str, Any]) -> str:
        whole = {
            "version": FEATURES_VERSION,
            "rounding": self._rounding,
            "batch": self._batch,
            "network": self.spec.name,
            "weights": self._weights_sha256,
            **({"precision": self.spec.precision} if self.spec.precision else {}),
            **view,
        }
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:32]

    @cached_property
    def _rounding(self) -> str:
        """What the last bits depend on: features of unlike machines are kept apart."""
        import torch

        if self.device.startswith("cuda"):
            kind = torch.cuda.get_device_name(self.device)
        else:
            kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
        return f"torch {torch.__version__} {kind}"

    @cached_property
    def _weights_sha256(self) -> str:
        return self.spec.weights_sha256()

    def _path(self, folder: str, name: str) -> Path | None:
        if self.cache_dir is None:
            return None
        return self.cache_dir / folder / name[:2] / f"{name}.safetensors"

    def _known(self, folder: str, name: str) -> Arrays | None:
        arrays = self._recent.get((folder, name))
        path = self._path(folder, name)
        if arrays is None and path is not None:
            arrays = read_arrays(path)
            if arrays is not None:
                self._recent.put((folder, name), arrays)
        return arrays

    def _has(self, folder: str, name: str) -> bool:
        path = self._path(folder, name)
        known = self._recent.get((folder, name)) is not None
        return known or (path is not None and path.exists())

    def _keep(self, folder: str, name: str, arrays: Arrays) -> None:
        self._recent.put((folder, name), arrays)
        path = self._path(folder, name)
        if path is None:
            return
        try:
            write_arrays(path, arrays)
        except OSError as err:
            raise StoreError(f"cannot write {path}: {err.strerror or err}") from err
