"""Fold batch normalisation of a frozen network into the convolution before it.

In evaluation mode a batch normalisation is an affine map per channel, which the convolution can
do with other weights and a bias: a pass over the activations less, forward and backward. Results
equal those of the network as published up to the rounding of float32.
"""

from __future__ import annotations

import copy
from collections import Counter

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

PROBE = 128  # pixels; above what usual networks need to leave a map at their deepest stride
TOLERANCE = 1e-3  # of the outputs' largest value; a wrong fold is off by far more


def folded(model: nn.Module) -> nn.Module:
    """Return an equal network without the batch normalisations that follow a convolution.

    What follows is seen by running the network once, so that any library's blocks will do.

    Parameters
    ----------
    model
        In evaluation mode, on the CPU, with its weights; not changed.

    Returns
    -------
    torch.nn.Module
        ``model`` itself where nothing can be folded: no such pair, a network that does not take
        an RGB image of `PROBE` pixels or returns anything but one tensor, or one whose result
        changes, as a convolution's output is used elsewhere too.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        return model
    probe = torch.rand(1, 3, PROBE, PROBE, generator=torch.Generator().manual_seed(0))
    result = copy.deepcopy(model)
    try:
        pairs, before = _pairs(result, probe)
    except (RuntimeError, AssertionError, TypeError, ValueError):
        return model
    names = {id(module): name for name, module in result.named_modules()}
    for convolution, norm in pairs:
        _fold(convolution, norm)
        # timm's normalisations contain the activation that follows, as children.
        parent, _, leaf = names[id(norm)].rpartition(".")
        setattr(result.get_submodule(parent), leaf, nn.Sequential(*norm.children()))
    with torch.inference_mode():
        after = result(probe)
    close = (after - before).abs().max() <= TOLERANCE * before.abs().max()
    return result.requires_grad_(False).eval() if close else model


def _pairs(
    model: nn.Module, probe: torch.Tensor
) -> tuple[list[tuple[nn.Conv2d, nn.BatchNorm2d]], torch.Tensor]:
    """Return the pairs in which a normalisation takes just what a convolution put out."""
    made: list[tuple[nn.Conv2d, torch.Tensor]] = []
    taken: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    calls: Counter[int] = Counter()

    def after_convolution(module: nn.Module, _: object, output: torch.Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        calls[id(module)] += 1
        made.append((module, output))

    def before_norm(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        calls[id(module)] += 1
        taken.extend((conv, module) for conv, output in made[-1:] if output is inputs[0])

    hooks = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(after_convolution))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(before_norm))
    try:
        with torch.inference_mode():
            output = model(probe)
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"the network returns {type(output).__name__}, expected a tensor")
    once = [(c, n) for c, n in taken if calls[id(c)] == calls[id(n)] == 1]
    return once, output


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Give a convolution the weights and bias with which it does the normalisation too."""
    bias = convolution.bias
    given = (
        convolution.weight,
        torch.zeros(convolution.out_channels) if bias is None else bias,
        norm.running_mean,
        norm.running_var,
    )
    wide = [None if value is None else value.detach().double() for value in given]
    scale, shift = (None if v is None else v.detach().double() for v in (norm.weight, norm.bias))
    weight, bias = fuse_conv_bn_weights(*wide[:4], norm.eps, scale, shift)  # type: ignore[arg-type]
    convolution.weight = nn.Parameter(weight.float(), requires_grad=False)
    convolution.bias = nn.Parameter(bias.float(), requires_grad=False)
