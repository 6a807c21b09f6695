"""The cross-scale flow (CS-Flow, sections 3.2 and 3.3), as blocks for FrEIA.

Scales are ordered finest first; each has half the side of the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from FrEIA.framework import GraphINN, InputNode, Node, OutputNode
from FrEIA.modules import InvertibleModule
from torch import nn
from torch.nn import functional

from ..flows.flow import soft_clamp

LEAK = 0.1  # slope of LeakyReLU below zero (official code)
Maps = tuple[torch.Tensor, ...]
Shape = tuple[int, ...]


class CrossScaleNet(nn.Module):
    """Predicts log-scales and shifts of every scale from all neighbouring scales (figure 3).

    Per scale two convolutions with a LeakyReLU between; hidden activations also reach the next
    finer scale, upsampled bilinearly, and the next coarser one by a convolution of stride 2. Each
    scale's sum is multiplied by a learnable scalar that starts at zero, so that the flow starts as
    the identity.

    Parameters
    ----------
    dim_in, dim_out, hidden
        Channels, the same at every scale.
    scales
        Number of scales.
    kernel
        Side of the convolutions, odd.
    """

    def __init__(self, dim_in: int, dim_out: int, *, hidden: int, scales: int, kernel: int) -> None:
        super().__init__()

        def convolutions(count: int, wide: int, out: int, stride: int = 1) -> nn.ModuleList:
            return nn.ModuleList(
                nn.Conv2d(wide, out, kernel, padding=kernel // 2, stride=stride)
                for _ in range(count)
            )

        self.enter = convolutions(scales, dim_in, hidden)
        self.leave = convolutions(scales, hidden, dim_out)
        self.to_finer = convolutions(scales - 1, hidden, dim_out)
        self.to_coarser = convolutions(scales - 1, hidden, dim_out, stride=2)
        self.gains = nn.Parameter(torch.zeros(scales))

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Map ``float32 [N, dim_in, h, w]`` per scale to ``[N, dim_out, h, w]``."""
        hidden = [
            functional.leaky_relu(enter(m), LEAK) for enter, m in zip(self.enter, maps, strict=True)
        ]
        out = [leave(h) for leave, h in zip(self.leave, hidden, strict=True)]
        for k, (up, down) in enumerate(zip(self.to_finer, self.to_coarser, strict=True)):
            finer = functional.interpolate(hidden[k + 1], size=maps[k].shape[-2:], mode="bilinear")
            out[k] = out[k] + up(finer)
            out[k + 1] = out[k + 1] + down(hidden[k])
        return [gain * o for gain, o in zip(self.gains, out, strict=True)]


class CrossScaleCoupling(InvertibleModule):
    """Affine coupling of both channel halves, jointly over all scales (equations 3 and 4).

    Parameters
    ----------
    dims_in
        ``(C, h, w)`` per scale, C even.
    hidden, kernel
        Of the two `CrossScaleNet`.
    clamp
        Bound of the log-scales, a soft one (`methods.flows.flow.soft_clamp`).
    """

    def __init__(
        self,
        dims_in: Iterable[Shape],
        dims_c: Iterable[Shape] | None = None,
        *,
        hidden: int,
        kernel: int,
        clamp: float,
    ) -> None:
        super().__init__(dims_in, dims_c)  # type: ignore[arg-type]
        self.first_channels = self.dims_in[0][0] // 2
        rest = self.dims_in[0][0] - self.first_channels
        shape = {"hidden": hidden, "kernel": kernel, "scales": len(self.dims_in)}
        self.from_second = CrossScaleNet(rest, 2 * self.first_channels, **shape)
        self.from_first = CrossScaleNet(self.first_channels, 2 * rest, **shape)
        self._clamp, self._activation = clamp, soft_clamp(clamp)

    def forward(
        self,
        x_or_z: Iterable[torch.Tensor],
        c: Iterable[torch.Tensor] | None = None,
        rev: bool = False,
        jac: bool = True,
    ) -> tuple[Maps, torch.Tensor]:
        """Update the first half from the second, then the second from the new first."""
        halves = [
            m.split([self.first_channels, m.shape[1] - self.first_channels], dim=1) for m in x_or_z
        ]
        first, second = [h[0] for h in halves], [h[1] for h in halves]
        if rev:
            second, undone = self._update(second, self.from_first(first), rev)
            first, more = self._update(first, self.from_second(second), rev)
        else:
            first, undone = self._update(first, self.from_second(second), rev)
            second, more = self._update(second, self.from_first(first), rev)
        joined = tuple(torch.cat(pair, dim=1) for pair in zip(first, second, strict=True))
        return joined, undone + more

    def _update(
        self, maps: list[torch.Tensor], predicted: list[torch.Tensor], rev: bool
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Scale and shift every map; return the log-determinant ``[N]`` of what was done."""
        updated, log_det = [], torch.zeros(())
        for m, p in zip(maps, predicted, strict=True):
            raw, shift = p.chunk(2, dim=1)
            log_scale = self._clamp * self._activation(raw)
            updated.append((m - shift) * (-log_scale).exp() if rev else m * log_scale.exp() + shift)
            log_det = log_det.to(m) + log_scale.flatten(1).sum(dim=1)
        return updated, -log_det if rev else log_det

    def output_dims(self, input_dims: list[Shape]) -> list[Shape]:
        """Return the input's shapes."""
        return input_dims


class ScalePermutation(InvertibleModule):
    """A fixed random permutation of the channels, another one at every scale.

    Parameters
    ----------
    dims_in
        ``(C, h, w)`` per scale.
    seed
        Of numpy's generator that the permutations are drawn from in turn, as the official code's.
    """

    def __init__(
        self, dims_in: Iterable[Shape], dims_c: Iterable[Shape] | None = None, *, seed: int
    ) -> None:
        super().__init__(dims_in, dims_c)  # type: ignore[arg-type]
        rng = np.random.RandomState(seed)
        orders = [torch.from_numpy(rng.permutation(dims[0])) for dims in self.dims_in]
        self.orders: torch.Tensor
        self.register_buffer("orders", torch.stack(orders))

    def forward(
        self,
        x_or_z: Iterable[torch.Tensor],
        c: Iterable[torch.Tensor] | None = None,
        rev: bool = False,
        jac: bool = True,
    ) -> tuple[Maps, float]:
        """Permute, or undo it; the log-determinant is zero."""
        orders = self.orders.argsort(dim=1) if rev else self.orders
        return tuple(m[:, order] for m, order in zip(x_or_z, orders, strict=True)), 0.0

    def output_dims(self, input_dims: list[Shape]) -> list[Shape]:
        """Return the input's shapes."""
        return input_dims


def build_flow(
    shapes: Sequence[Shape], *, hidden: int, kernels: Sequence[int], clamp: float
) -> GraphINN:
    """Build the flow: per block a permutation per scale and a cross-scale coupling.

    Weights are drawn from torch's global generator; call it inside `methods.seeding.seeded`.

    Parameters
    ----------
    shapes
        ``(C, h, w)`` per scale.
    hidden, kernels, clamp
        As in the settings; one kernel per block.

    Returns
    -------
    FrEIA.framework.GraphINN
        Maps one ``float32 [N, C, h, w]`` per scale to ``(latent maps, log|det J| [N])``.
    """
    nodes: list[Node] = [InputNode(*shape, name=f"scale {k}") for k, shape in enumerate(shapes)]
    outputs = [(node, 0) for node in nodes]
    for index, kernel in enumerate(kernels):
        coupling = {"hidden": hidden, "kernel": kernel, "clamp": clamp}
        for module, options in (
            (ScalePermutation, {"seed": index}),
            (CrossScaleCoupling, coupling),
        ):
            nodes.append(Node(outputs, module, options, name=f"{module.__name__} {index}"))
            outputs = [(nodes[-1], k) for k in range(len(shapes))]
    nodes += [OutputNode(output, name=f"latent {k}") for k, output in enumerate(outputs)]
    return GraphINN(nodes, force_tuple_output=True)
