"""Feature maps of one image at several scales (CS-Flow, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from ..backbones import Backbone

LAST_STRIDE = 32
SIXTH_STAGE = 6  # of an EfficientNet's seven, counted from 1


def scale_maps(
    backbone: Backbone, pixels: np.ndarray, divisors: Sequence[int]
) -> list[torch.Tensor]:
    """Compute stride-32 maps of one batch at several scales, without gradients.

    Of EfficientNets as timm builds them it is the sixth stage's output, as in the official code,
    of every other network the last map of stride 32. Smaller scales are made from the normalised
    input by nearest neighbour, as in the official code.

    Parameters
    ----------
    backbone
        The frozen network.
    pixels
        ``uint8 [N, H, H, 3]``.
    divisors
        Of the side, per scale.

    Returns
    -------
    list of torch.Tensor
        Per scale ``float32 [N, C, h, w]``.
    """
    batch = backbone.normalise(pixels)
    maps = []
    with torch.no_grad():
        for divisor in divisors:
            side = batch.shape[-1] // divisor
            same = divisor == 1
            scaled = batch if same else functional.interpolate(batch, size=(side, side))
            maps.append(_tap(backbone, scaled).contiguous())
    return maps


def _tap(backbone: Backbone, batch: torch.Tensor) -> torch.Tensor:
    if not has_sixth_stage(backbone.model):
        return backbone.maps(batch, (LAST_STRIDE,))[LAST_STRIDE]
    # The seventh stage has the same stride, so that the stride does not name the sixth.
    with backbone.precision():
        (found,) = backbone.model.forward_intermediates(  # type: ignore[operator]
            batch.to(memory_format=torch.channels_last),
            indices=[SIXTH_STAGE],
            intermediates_only=True,
            stop_early=True,
            extra_blocks=True,
        )
    return found.float()


def has_sixth_stage(model: torch.nn.Module) -> bool:
    """Say whether a network is a timm EfficientNet whose stages 6 and 7 have stride 32."""
    from timm.models.efficientnet import EfficientNet

    if not isinstance(model, EfficientNet):
        return False
    last = {stage["reduction"]: stage["stage"] for stage in model.feature_info}
    return last.get(LAST_STRIDE // 2) == SIXTH_STAGE - 1 and last.get(LAST_STRIDE) == 7
