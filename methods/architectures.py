"""Building networks from timm and torchvision, and finding their feature maps by stride."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..datasets.errors import UnknownNameError, UsageError
from .backbones import IMAGENET_MEAN, IMAGENET_STD, LITE0, LOCAL, PROBE, RANDOM, BackboneSpec
from .weights import torchvision_entry

Extract = Callable[[torch.Tensor, Sequence[int]], list[torch.Tensor]]
Colour = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Network:
    """A network before its weights are loaded.

    Attributes
    ----------
    model
        The whole network, its classifier included.
    colour
        Mean and standard deviation per RGB channel, of values in [0, 1].
    layers
        Finds the strides of a network of this kind, and the function that extracts their maps.
    """

    model: torch.nn.Module
    colour: Colour
    layers: Callable[[torch.nn.Module], tuple[tuple[int, ...], Extract]]


def build(spec: BackboneSpec) -> Network:
    """Build the network that ``spec`` names, with untrained weights."""
    if spec.family == "torchvision":
        return _build_torchvision(spec)
    return _build_timm(spec)


def _build_timm(spec: BackboneSpec) -> Network:
    import timm

    name = "tf_efficientnet_lite0" if spec.name == LITE0 else spec.architecture
    if not timm.is_model(name):
        raise UnknownNameError("timm model", name, timm.list_models())
    untagged = spec.name == LITE0 or spec.tag in {LOCAL, RANDOM}
    model = timm.create_model(name if untagged else f"{name}.{spec.tag}", pretrained=False)
    config: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    colour: Colour = (config["mean"], config["std"])
    return Network(model, colour, lambda loaded: _timm_layers(loaded, spec.name))


def _timm_layers(model: torch.nn.Module, name: str) -> tuple[tuple[int, ...], Extract]:
    stages = getattr(model, "feature_info", None)
    if not stages or not hasattr(model, "forward_intermediates"):
        raise UsageError(f"{name}: timm offers no intermediate feature maps of this network")
    # The last stage of a stride wins, as in a ResNet's layers.
    index = {stage["reduction"]: i for i, stage in enumerate(stages)}

    def extract(batch: torch.Tensor, strides: Sequence[int]) -> list[torch.Tensor]:
        return model.forward_intermediates(  # type: ignore[operator]
            batch, indices=[index[s] for s in strides], intermediates_only=True, stop_early=True
        )

    return tuple(sorted(index)), extract


def _build_torchvision(spec: BackboneSpec) -> Network:
    import torchvision.models as zoo

    name = spec.architecture
    if name not in zoo.list_models():
        raise UnknownNameError("torchvision model", name, zoo.list_models())
    colour: Colour = (IMAGENET_MEAN, IMAGENET_STD)
    if spec.tag not in {LOCAL, RANDOM}:
        transforms = torchvision_entry(name, spec.tag).transforms()
        colour = (transforms.mean, transforms.std)
    model = zoo.get_model(name, weights=None)
    return Network(model, colour, _torchvision_layers)


def _torchvision_layers(model: torch.nn.Module) -> tuple[tuple[int, ...], Extract]:
    from torchvision.models.feature_extraction import create_feature_extractor

    nodes = nodes_by_stride(model)
    pruned: dict[tuple[int, ...], torch.nn.Module] = {}

    def extract(batch: torch.Tensor, strides: Sequence[int]) -> list[torch.Tensor]:
        key = tuple(strides)
        if key not in pruned:
            # The extractor drops everything behind the deepest node that was asked for.
            pruned[key] = create_feature_extractor(model, {nodes[s]: str(s) for s in key}).eval()
        found = pruned[key](batch)
        return [found[str(s)] for s in key]

    return tuple(sorted(nodes)), extract


def nodes_by_stride(model: torch.nn.Module) -> dict[int, str]:
    """Return stride → name of the last graph node whose map has it, pooling heads left out.

    The stride is the power of two nearest to input size / map size, because unpadded layers make
    maps a little smaller (AlexNet turns 256 into 7, nominally stride 32).
    """
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    try:
        names = get_graph_node_names(model)[1]
        tracer = create_feature_extractor(model, {name: name for name in names}).eval()
        with torch.inference_mode():
            probe = torch.zeros(1, 3, PROBE, PROBE, device=next(model.parameters()).device)
            outputs = tracer(probe)
    except (AssertionError, RuntimeError, TypeError, ValueError) as err:
        kind = type(model).__name__
        raise UsageError(f"{kind}: no feature maps by stride; choose a convolutional one") from err
    nodes: dict[int, str] = {}
    for name in names:
        value = outputs[name]
        pooled = "avgpool" in name.rpartition(".")[2] or "adaptive_avg_pool" in name
        if pooled or not torch.is_tensor(value) or value.ndim != 4 or value.shape[-1] < 2:
            continue
        stride = 2 ** round(math.log2(PROBE / value.shape[-1]))
        if stride > 1:
            nodes[stride] = name
    return nodes
