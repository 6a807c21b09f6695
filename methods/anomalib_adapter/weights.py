"""Building anomalib's models on the harness's backbone, so that nothing is downloaded behind it.

anomalib asks timm and torchvision for pretrained networks by name, deep inside its models. While
one is built, these requests are answered here: the network is made without weights and given those
of the cell's backbone, which are part of the cell's key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import timm
import torch
from torchvision.models import WeightsEnum

from ...datasets.errors import UnknownNameError, UsageError
from ..backbones import LITE0, Backbone, parse_backbone, published_state

State = Mapping[str, torch.Tensor]


def timm_name(backbone: Backbone) -> str:
    """Return the architecture's name as timm and anomalib know it."""
    return "tf_efficientnet_lite0" if backbone.spec.name == LITE0 else backbone.spec.architecture


class Answers:
    """Answers requests for pretrained networks.

    Parameters
    ----------
    model
        Name of anomalib's model, for messages.
    backbone
        The cell's, or None for a model that takes none: what it asks for is then fetched by the
        published tag, as any backbone of the harness.

    Attributes
    ----------
    used
        Whether the cell's backbone was asked for.
    """

    def __init__(self, model: str, backbone: Backbone | None) -> None:
        self.model, self.backbone, self.used = model, backbone, False

    def state(self, family: str, name: str, tag: str) -> State:
        """Return the weights of the network that anomalib asks for.

        Raises
        ------
        UsageError
            It is not the cell's backbone.
        WeightsError
            They cannot be had.
        """
        if self.backbone is None:
            return published_state(parse_backbone(f"{family}/{name}.{tag}"))
        if name != timm_name(self.backbone):
            raise UsageError(
                f"anomalib:{self.model} is built on {name}, but the backbone is "
                f"{self.backbone.spec.name}: expected e.g. --backbone {family}/{name}.{tag}"
            )
        self.used = True
        return published_state(self.backbone.spec, self.backbone.weights_sha256)


@contextmanager
def answering(answers: Answers) -> Iterator[None]:
    """Have ``answers`` stand in for downloads inside the block."""
    create, enum_state = timm.create_model, WeightsEnum.get_state_dict

    def create_model(model_name: str, pretrained: bool = False, **kwargs: Any) -> torch.nn.Module:
        # Before the tag is dropped: it says which weights are meant.
        bare, _, tag = model_name.rpartition("/")[2].partition(".")
        network = create(model_name, pretrained=False, **kwargs)
        if pretrained:
            tag = tag or getattr(timm.models.get_pretrained_cfg(bare), "tag", "") or "untagged"
            load(network, answers.state("timm", bare, tag), f"timm/{bare}")
        return network

    def get_state_dict(self: Any, *_args: Any, **_kwargs: Any) -> State:
        name = type(self).__name__.removesuffix("_Weights").lower()
        return answers.state("torchvision", name, self.name)

    timm.create_model = create_model
    WeightsEnum.get_state_dict = get_state_dict  # type: ignore[method-assign]
    try:
        yield
    finally:
        timm.create_model = create
        WeightsEnum.get_state_dict = enum_state  # type: ignore[method-assign]


def load(network: torch.nn.Module, state: State, what: str) -> None:
    """Load a network, which may lack the last layers of the one that ``state`` was taken from.

    Raises
    ------
    UsageError
        A tensor of the network is not in ``state``, or has another shape there.
    """
    own = network.state_dict()
    unfit = [k for k, v in own.items() if k not in state or state[k].shape != v.shape]
    if unfit:
        raise UsageError(
            f"weights of {what} do not fit the network that anomalib builds: "
            f"{len(unfit)} of {len(own)} tensors, the first is {unfit[0]}"
        )
    network.load_state_dict({key: state[key] for key in own})


def layer_names(layers: Sequence[str], architecture: str, default: str) -> list[str]:
    """Return the names that ``layers`` have in a network of timm.

    Parameters
    ----------
    layers
        Names in the network itself; strides, e.g. ``"16"``; or names in the model's default
        network, which mean the last layer of the same stride.
    architecture, default
        timm's names of the network and of the model's default one.

    Raises
    ------
    UnknownNameError
        A layer that is none of these.
    """
    strides = _strides(architecture)
    by_stride = {str(stride): name for name, stride in strides.items()}
    elsewhere = _strides(default) if any(layer not in strides for layer in layers) else {}

    def named(layer: str) -> str:
        stride = str(elsewhere.get(layer, layer))
        if layer not in strides and stride not in by_stride:
            known = (*strides, *by_stride, *elsewhere)
            raise UnknownNameError(f"layer of {architecture}", layer, known)
        return layer if layer in strides else by_stride[stride]

    return [named(layer) for layer in layers]


def _strides(architecture: str) -> dict[str, int]:
    """Return layer → stride of what timm offers as feature maps; none for a transformer."""
    try:
        network: Any = timm.create_model(architecture, features_only=True)
    except (AttributeError, RuntimeError):
        return {}
    return {stage["module"]: int(stage["reduction"]) for stage in network.feature_info.info}


def built(make: Callable[[], Any], answers: Answers) -> Any:
    """Build a model with ``make`` while ``answers`` stands in for downloads.

    Raises
    ------
    UsageError
        anomalib refuses the backbone or an argument; or the model did not ask for the backbone,
        which would then be named beside its results without having been used.
    """
    with answering(answers):
        try:
            model = make()
        except (AssertionError, KeyError, NotImplementedError, TypeError, ValueError) as err:
            network = f" on {timm_name(answers.backbone)}" if answers.backbone else ""
            first = (str(err).splitlines() or [""])[0]
            raise UsageError(
                f"anomalib:{answers.model} cannot be built{network}: {type(err).__name__}: {first}"
            ) from err
    if answers.backbone is not None and not answers.used:
        raise UsageError(
            f"anomalib:{answers.model} does not use the backbone {answers.backbone.spec.name} "
            "with these settings"
        )
    return model
