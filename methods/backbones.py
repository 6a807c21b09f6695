"""Frozen pretrained networks by name and tag, and their feature maps by stride.

Names, as ``--backbone`` takes them:

``efficientnet_lite0``
    The packaged EfficientNet-Lite0; needs no network.
``timm/<name>.<tag>`` or ``<name>.<tag>``
    A timm network with the weights of that tag.
``torchvision/<name>.<WEIGHTS>``
    A torchvision network with that member of its weights enum.
``alexnet``, ``wide_resnet50_2``, ``resnet18``
    Short for the weights that the papers used, see `ALIASES`.
``<any of these>.random``
    Untrained weights from a fixed seed, for tests.
``<any of these>+bf16``
    The same weights with matrix products and convolutions in bfloat16 (automatic mixed precision):
    faster where the processor or GPU has instructions for it, and another backbone, as its features
    differ in the second digit.

A layer is named by its stride, the factor by which its map is smaller than the input: 8 and 16
are layer2 and layer3 of a ResNet; 32 is the last convolutional map of AlexNet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets.errors import UnknownNameError, UsageError
from . import weights as store

if TYPE_CHECKING:
    import numpy as np
    import torch

    from .architectures import Network

LITE0 = "efficientnet_lite0"
LOCAL, PACKAGED, RANDOM = "local", "packaged", "random"
BFLOAT16 = "+bf16"
ALIASES = {
    LITE0: (LITE0, PACKAGED),
    "alexnet": ("torchvision/alexnet", "IMAGENET1K_V1"),
    "resnet18": ("torchvision/resnet18", "IMAGENET1K_V1"),
    # The papers' weights; timm's untagged name stands for a later recipe with other features.
    "wide_resnet50_2": ("timm/wide_resnet50_2", "tv_in1k"),
}
# First digits of the sha256 of the files that the papers' weights are published in: a local copy
# of such a file is that backbone, and is named so.
PUBLISHED = {
    "7be5be79": ("torchvision/alexnet", "IMAGENET1K_V1"),
    "f37072fd": ("torchvision/resnet18", "IMAGENET1K_V1"),
    "95faca4d": ("timm/wide_resnet50_2", "tv_in1k"),
}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PROBE = 256  # pixels; large enough that every usual stride can be told from its map's size


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec:
    """A backbone in names only; cheap to make, nothing is loaded.

    Attributes
    ----------
    name
        ``efficientnet_lite0``, ``timm/<name>`` or ``torchvision/<name>``.
    tag
        Which weights: ``packaged``, ``local``, ``random``, timm's tag or torchvision's member.
    weights_path
        The local file, where one was given.
    precision
        `BFLOAT16` for mixed precision; empty for float32.
    """

    name: str
    tag: str
    weights_path: Path | None = None
    precision: str = ""

    @property
    def family(self) -> str:
        """Return ``"timm"``, ``"torchvision"`` or the packaged network's name."""
        return self.name.partition("/")[0]

    @property
    def architecture(self) -> str:
        """Return the network's name without its library, e.g. ``"alexnet"``."""
        return self.name.rpartition("/")[2]

    def identity(self) -> str:
        """Return the full name that tables print and keys contain, e.g. ``timm/resnet18.a1_in1k``.

        A local file is named by its content: by the published name if it is a published file,
        else by the first digits of its hash; its path never enters.
        """
        return f"{self.name}.{self._weights()}{self.precision}"

    def _weights(self) -> str:
        if self.weights_path is None:
            return self.tag
        digest = self.weights_sha256()
        if PUBLISHED.get(digest[:8], ("", ""))[0] == self.name:
            return PUBLISHED[digest[:8]][1]
        return f"{LOCAL}-{digest[:12]}"

    def weights_file(self) -> Path | None:
        """Return the weights file, fetched if need be; None for random weights.

        Raises
        ------
        WeightsError
            The weights cannot be had; the message names the alternatives.
        """
        if self.weights_path is not None:
            return self.weights_path
        if self.tag == RANDOM:
            return None
        if self.family == "timm":
            return store.timm_file(self.architecture, self.tag)
        if self.family == "torchvision":
            return store.torchvision_file(self.architecture, self.tag)
        return store.packaged_file()

    def weights_sha256(self) -> str:
        """Hash the bytes of the weights file; for random weights, of what they are drawn by."""
        path = self.weights_file()
        if path is None:
            import torch

            return hashlib.sha256(
                f"{self.name} seed 0 torch {torch.__version__}".encode()
            ).hexdigest()
        return store.weights_file_sha256(path)


def parse_backbone(text: str, weights: Path | str | None = None) -> BackboneSpec:
    """Parse a backbone name as ``--backbone`` takes it, with an optional local weights file.

    Raises
    ------
    UsageError
        A network without a tag, or random weights together with a file.
    UnknownNameError
        A bare name that is no alias.
    """
    precision = BFLOAT16 if text.endswith(BFLOAT16) else ""
    spec = _parse_weights(text.removesuffix(BFLOAT16), weights)
    return replace(spec, precision=precision)


def _parse_weights(text: str, weights: Path | str | None) -> BackboneSpec:
    family, slash, rest = text.rpartition("/")
    name, _, tag = rest.partition(".")
    if not slash and name in ALIASES:
        full, default = ALIASES[name]
    elif not slash and not tag and weights is None:
        raise UnknownNameError(
            "backbone (a network of timm is written timm/NAME.TAG)", text, ALIASES
        )
    elif family not in {"", "timm", "torchvision"} or not name:
        raise UsageError(
            f"backbone '{text}': expected timm/NAME.TAG, torchvision/NAME.WEIGHTS or one of "
            f"{', '.join(ALIASES)}"
        )
    else:
        full, default = f"{family or 'timm'}/{name}", ""
    if weights is not None:
        if tag == RANDOM:
            raise UsageError(
                f"backbone '{text}' asks for random weights but --weights gives a file"
            )
        return BackboneSpec(name=full, tag=LOCAL, weights_path=Path(weights))
    if not (tag or default):
        example = "timm/resnet18.tv_in1k or torchvision/resnet18.IMAGENET1K_V1"
        raise UsageError(f"backbone '{text}' does not say which weights: write e.g. {example}")
    if full == LITE0 and tag not in {"", PACKAGED, RANDOM}:
        raise UnknownNameError(f"weights of {LITE0}", tag, (PACKAGED, RANDOM))
    return BackboneSpec(name=full, tag=tag or default)


class Backbone:
    """A frozen network in evaluation mode that returns feature maps by stride.

    Attributes
    ----------
    spec
        What it was loaded from.
    device
        Torch device string.
    model
        The whole network, its classifier included; batch normalisations are folded into the
        convolutions before them, see `folding`.
    strides, weights_sha256
        Available strides, ascending; what its file of weights was held against, empty if nothing.
    """

    def __init__(
        self,
        spec: BackboneSpec,
        device: str,
        *,
        model: torch.nn.Module,
        colour: tuple[Sequence[float], Sequence[float]],
        strides: Sequence[int],
        extract: Callable[[torch.Tensor, Sequence[int]], list[torch.Tensor]],
    ) -> None:
        import torch

        self.spec, self.device, self.model = spec, device, model
        self.strides, self.weights_sha256 = tuple(strides), ""
        self._extract = extract
        self._mean, self._std = (
            torch.tensor(c, dtype=torch.float32, device=device).view(1, 3, 1, 1) for c in colour
        )

    def normalise(self, images: np.ndarray) -> torch.Tensor:
        """Turn ``uint8 [N, H, W, 3]`` into the network's input, ``float32 [N, 3, H, W]``."""
        import torch

        # Copied, because decoded images are read-only and torch has no such tensors.
        batch = torch.from_numpy(images.copy()).to(self.device).permute(0, 3, 1, 2).float() / 255
        return (batch - self._mean) / self._std

    def check_strides(self, strides: Sequence[int]) -> None:
        """Raise `UsageError` naming the available strides where one of ``strides`` is not."""
        missing = [s for s in strides if s not in self.strides]
        if missing or not strides:
            have = ", ".join(map(str, self.strides))
            raise UsageError(f"{self.spec.name} has no map of stride {missing}; it has: {have}")

    def maps(self, batch: torch.Tensor, strides: Sequence[int]) -> dict[int, torch.Tensor]:
        """Compute feature maps, differentiable with respect to ``batch``.

        Parameters
        ----------
        batch
            ``float32 [N, 3, H, W]`` from `normalise`.
        strides
            Which maps; the network runs no deeper than the deepest of them.

        Returns
        -------
        dict
            Stride → ``float32 [N, C, h, w]``, h ≈ H / stride.

        Raises
        ------
        UsageError
            The network has no such stride.
        """
        import torch

        self.check_strides(strides)
        wanted = sorted(set(strides))
        # On CPU this memory layout makes small convolutions two to three times faster.
        batch = batch.to(memory_format=torch.channels_last)
        with self.precision():
            found = self._extract(batch, wanted)
        return {stride: found.float() for stride, found in zip(wanted, found, strict=True)}

    def logits(self, batch: torch.Tensor) -> torch.Tensor:
        """Run the whole network with its classifier: ``float32 [N, classes]``."""
        with self.precision():
            return self.model(batch).float()

    def precision(self) -> AbstractContextManager[object]:
        """Return what ``model`` is to be run in, so that it computes as the backbone's name says.

        What comes out may be bfloat16: take it ``.float()``.
        """
        import torch

        if self.spec.precision != BFLOAT16:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


def load_backbone(spec: BackboneSpec, device: str = "cpu", weights_sha256: str = "") -> Backbone:
    """Load a backbone, frozen and in evaluation mode, from weights of that hash if one is given.

    Raises
    ------
    WeightsError
        The weights cannot be had, are others, or do not fit the network.
    UnknownNameError
        The library has no such network.
    """
    import torch

    from .folding import folded

    network = _published(spec, weights_sha256)
    model = folded(network.model)
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    strides, extract = network.layers(model)
    loaded = Backbone(
        spec, device, model=model, colour=network.colour, strides=strides, extract=extract
    )
    loaded.weights_sha256 = weights_sha256
    return loaded


def published_state(spec: BackboneSpec, weights_sha256: str = "") -> dict[str, torch.Tensor]:
    """Return the weights of a backbone by the names that its library gives them.

    Raises
    ------
    WeightsError, UnknownNameError
        See `load_backbone`, also for what is given.
    """
    return _published(spec, weights_sha256).model.state_dict()


def _published(spec: BackboneSpec, weights_sha256: str) -> Network:
    import torch

    from .architectures import build

    path = spec.weights_file()
    with torch.random.fork_rng(devices=[]):
        # Building a network draws its initial weights from the global generator.
        torch.manual_seed(0)
        network = build(spec)
    if path is not None:
        state = store.read_state(path, weights_sha256)
        store.fit_state(network.model, state, str(path), by_order=spec.name == LITE0)
    network.model.eval().requires_grad_(False)
    return network
