"""Several flows of one architecture as one computation: their weights stacked along an axis.

Axis suffixes: S flows, B vectors, D dimensions. One flow alone is a stack of one, so there is one
training loop; flows in a stack never see each other, so a stack equals its members one by one up
to the rounding of float32 sums (batched matrix products may add in another order).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from FrEIA.framework import SequenceINN
from torch.func import functional_call, vmap

Weights = Mapping[str, torch.Tensor]


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
    """

    def __init__(self, flows: Sequence[SequenceINN]) -> None:
        self._base = copy.deepcopy(flows[0])
        names = [n for n, p in self._base.named_parameters() if p.requires_grad]
        each = [dict(flow.named_parameters()) for flow in flows]
        self.weights: dict[str, torch.Tensor] = {
            name: torch.stack([p[name].detach() for p in each]).requires_grad_() for name in names
        }
        self._base.requires_grad_(False)
        self._size = len(flows)
        # Permutations are the same in every flow and stay with the base module.
        self._forward = vmap(lambda w, x: functional_call(self._base, w, (x,)), in_dims=(0, 0))

    def __len__(self) -> int:
        return self._size

    def __call__(
        self, batch: torch.Tensor, weights: Weights | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map ``batch [S, B, D]`` to ``z [S, B, D]`` and ``log|det J| [S, B]``.

        With other weights than the stack's own if some are given.
        """
        chosen = dict(self.weights if weights is None else weights)
        if self._size == 1:
            # The same without the cost of batching, a third of a step on CPU.
            alone = {name: weight.squeeze(0) for name, weight in chosen.items()}
            z, log_det = functional_call(self._base, alone, (batch.squeeze(0),))
            return z.unsqueeze(0), log_det.unsqueeze(0)
        return self._forward(chosen, batch)

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
