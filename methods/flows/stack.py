"""Several flows of one architecture as one computation: their weights stacked along an axis.

Axis suffixes: S flows, B vectors, D dimensions. One flow alone is a stack of one, so there is one
training loop; flows in a stack never see each other, so a stack equals its members one by one up
to the rounding of float32 sums (a library may add otherwise in batched matrix products).

The flow itself is FrEIA's: its blocks, initial weights and what scoring runs. Training evaluates
the same formula on all flows at once, features before vectors: then a permutation moves whole
rows and a split copies nothing, which FrEIA's layout makes as dear as the matrix products.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from FrEIA.framework import SequenceINN
from FrEIA.modules import GLOWCouplingBlock, PermuteRandom
from torch import nn

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class _Block:
    """One permutation and the coupling block behind it; subnets as their linear layers' names."""

    order: torch.Tensor
    inverse: torch.Tensor
    coupling: GLOWCouplingBlock
    subnets: tuple[tuple[str, ...], tuple[str, ...]]


class FlowStack:
    """Flows with the same fixed permutations and weights of their own.

    Parameters
    ----------
    flows
        From `flow.build_flow`, all with the same arguments, on one device.

    Attributes
    ----------
    weights
        Name → ``float32 [S, …]``, trainable leaves.

    Raises
    ------
    TypeError
        A flow that is built of anything else than `flow.build_flow` builds it of.
    """

    def __init__(self, flows: Sequence[SequenceINN]) -> None:
        self._base = copy.deepcopy(flows[0])
        names = [n for n, p in self._base.named_parameters() if p.requires_grad]
        each = [dict(flow.named_parameters()) for flow in flows]
        self.weights: dict[str, torch.Tensor] = {
            name: torch.stack([p[name].detach() for p in each]).requires_grad_() for name in names
        }
        self._base.requires_grad_(False)
        self._blocks = _blocks(self._base)
        self._size = len(flows)

    def __len__(self) -> int:
        return self._size

    def __call__(
        self, batch: torch.Tensor, weights: Weights | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map ``batch [S, B, D]`` to ``z [S, B, D]`` and ``log|det J| [S, B]``.

        With other weights than the stack's own if some are given.
        """
        chosen = self.weights if weights is None else weights
        x = batch.transpose(1, 2).contiguous()
        log_det = x.new_zeros(x.shape[0], x.shape[2])
        for block in self._blocks:
            x = _Permute.apply(x, block.order, block.inverse)
            coupling, (first, second) = block.coupling, block.subnets
            x1, x2 = x.split([coupling.split_len1, coupling.split_len2], dim=1)
            y1, log_det_1 = _couple(coupling, x1, _subnet(second, x2, chosen))
            y2, log_det_2 = _couple(coupling, x2, _subnet(first, y1, chosen))
            x = torch.cat([y1, y2], dim=1)
            log_det = log_det + log_det_1 + log_det_2
        return x.transpose(1, 2), log_det

    def nll(self, batch: torch.Tensor, weights: Weights | None = None) -> torch.Tensor:
        """Return (½‖z‖² − log|det J|) / D per vector of ``[S, B, D]`` (DifferNet, equation 5)."""
        z, log_det = self(batch, weights)
        return (0.5 * z.square().sum(dim=2) - log_det) / batch.shape[2]

    def flow(self, index: int) -> SequenceINN:
        """Return one flow with its weights as they are now, without gradients."""
        flow = copy.deepcopy(self._base)
        own = dict(flow.named_parameters())
        with torch.no_grad():
            for name, stacked in self.weights.items():
                own[name].copy_(stacked[index])
        return flow


def squared_norm(weights: Weights) -> torch.Tensor:
    """Return ‖θ‖² of each flow, ``[S]``."""
    return torch.stack([w.square().flatten(1).sum(dim=1) for w in weights.values()]).sum(dim=0)


class _Permute(torch.autograd.Function):
    """Reorder rows. Torch's own gradient adds up row by row, as rows might repeat; these do not."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, order: torch.Tensor, inverse: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(order, inverse)
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        order, inverse = ctx.saved_tensors
        return _Permute.apply(gradients[0], inverse, order), None, None  # type: ignore[return-value]


def _couple(
    coupling: GLOWCouplingBlock, x: torch.Tensor, affine: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift one half by what the subnet made of the other; its log-determinant."""
    scale, shift = affine.chunk(2, dim=1)
    scale = coupling.clamp * coupling.f_clamp(scale)
    return torch.addcmul(shift, scale.exp(), x), scale.sum(dim=1)


def _subnet(layers: Sequence[str], x: torch.Tensor, weights: Weights) -> torch.Tensor:
    """Run the linear layers of these names with ReLU between them: ``[S, in, B] → [S, out, B]``."""
    for index, name in enumerate(layers):
        x = x if index == 0 else x.relu()
        x = torch.baddbmm(weights[f"{name}.bias"].unsqueeze(2), weights[f"{name}.weight"], x)
    return x


def _blocks(flow: SequenceINN) -> list[_Block]:
    modules, values = list(flow.module_list), dict(flow.named_parameters())
    found = []
    for index, (permutation, coupling) in enumerate(zip(modules[::2], modules[1::2], strict=True)):
        if not (isinstance(permutation, PermuteRandom) and type(coupling) is GLOWCouplingBlock):
            raise TypeError(
                f"block {index} is {type(permutation).__name__} and {type(coupling).__name__}, "
                "expected PermuteRandom and GLOWCouplingBlock"
            )
        before, prefix = (f"module_list.{2 * index + offset}" for offset in (0, 1))
        found.append(
            _Block(
                values[f"{before}.perm"],
                values[f"{before}.perm_inv"],
                coupling,
                (
                    _linear(coupling.subnet1, f"{prefix}.subnet1"),
                    _linear(coupling.subnet2, f"{prefix}.subnet2"),
                ),
            )
        )
    return found


def _linear(subnet: nn.Module, prefix: str) -> tuple[str, ...]:
    """Return the names of a subnet's linear layers."""
    layers = list(subnet.named_children())
    linear = [(f"{prefix}.{name}", layer) for name, layer in layers if isinstance(layer, nn.Linear)]
    kinds = [type(layer) for _, layer in layers]
    expected = [kind for _ in pairwise(linear) for kind in (nn.Linear, nn.ReLU)] + [nn.Linear]
    if kinds != expected or any(layer.bias is None for _, layer in linear):
        raise TypeError(f"{prefix}: expected linear layers with biases and ReLU between them")
    return tuple(name for name, _ in linear)
