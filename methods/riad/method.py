"""RIAD: what cannot be guessed from its surroundings is anomalous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import Context, ImageSet, Method, Scores
from ..seeding import seeded

if TYPE_CHECKING:
    import torch

COARSEST = 16  # stride of the network's deepest level


@dataclass(frozen=True, slots=True, kw_only=True)
class RIADSettings:
    """Settings; the defaults are the paper's.

    Attributes
    ----------
    cells
        Sides of the removed cells in pixels; training draws one per batch, scoring averages over
        all (2, 4, 8, 16).
    parts
        Disjoint parts that each image is removed in, one after the other (3).
    width
        Channels of the network's first level (third-party implementations: 64).
    epochs, batch
        Passes over the training images (300) and images per step (4).
    steps
        Steps in all, whatever the number of images; None = as many as ``epochs`` come to.
    learning_rate
        Of Adam (1e-4).
    decay_at
        Share of the steps after which the rate falls to a tenth (250 of 300).
    filter
        Side in pixels of the mean filter on the map (21).
    """

    cells: tuple[int, ...] = (2, 4, 8, 16)
    parts: int = 3
    width: int = 64
    epochs: int = 300
    batch: int = 4
    steps: int | None = None
    learning_rate: float = 1e-4
    decay_at: float = 250 / 300
    filter: int = 21

    def __post_init__(self) -> None:
        if not self.cells or min(self.cells) < 1:
            raise ValueError(f"cells={self.cells}: expected at least one positive side")
        if self.parts < 2:
            raise ValueError(f"parts={self.parts}: expected at least 2, or nothing would be left")
        if min(self.width, self.epochs, self.batch) < 1:
            raise ValueError("width, epochs and batch must be at least 1")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps={self.steps}: expected at least 1, or none")
        if self.filter < 1 or self.filter % 2 == 0:
            raise ValueError(f"filter={self.filter}: expected an odd side, e.g. 21")


class RIAD(Method):
    """Inpainting of randomly removed cells, compared by gradient magnitude similarity."""

    name = "riad"
    title = "RIAD"
    paper = "Zavrtanik et al., Pattern Recognition 112, 2021"
    image_size = 256
    smoothing_sigma = 0.0  # the mean filter is the method's own
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "image_size": 64,
            "width": 16,
            "steps": 200,
            "learning_rate": 1e-3,
            "cells": (2, 4, 8),
            "filter": 7,
        },
        "demo": {
            "image_size": 48,
            "width": 8,
            "epochs": 8,
            "batch": 2,
            "learning_rate": 5e-3,
            "cells": (8, 16),
            "filter": 5,
        },
    }
    departures = (
        "The network is that of a third-party implementation with a linear output, as the paper "
        "gives no layer sizes; no official code was found.",
        "All epochs are run; third-party code holds out training images and stops early.",
        "Gradients see a 3 × 3 median first, as in third-party code.",
    )
    Settings = RIADSettings
    settings: RIADSettings
    _network: torch.nn.Module

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train the network to inpaint removed cells."""
        import torch

        from ..reconstruction.pixels import pixels, shuffled_batches, steps_per_epoch, unit
        from ..reconstruction.training import step_decay
        from ..reconstruction.training import train as train_network
        from .masks import disjoint_masks, inpaint

        chosen = self.settings
        self._check_size(train.size)
        network = self._new_network(context)
        pool = pixels(train, context.device)
        generator = torch.Generator().manual_seed(context.seed("order"))
        batches = shuffled_batches(len(pool), chosen.batch, generator)

        def loss() -> torch.Tensor:
            images = unit(pool[next(batches).to(pool.device)])
            pick = int(torch.randint(len(chosen.cells), (1,), generator=generator))
            masks = disjoint_masks(train.size, chosen.cells[pick], chosen.parts, generator)
            return inpainting_loss(images, inpaint(network, images, masks.to(pool.device)))

        steps = chosen.steps or chosen.epochs * steps_per_epoch(len(pool), chosen.batch)
        optimiser = torch.optim.Adam(network.parameters(), lr=chosen.learning_rate)
        decay = step_decay(optimiser, steps, [chosen.decay_at], 0.1)
        train_network([network], optimiser, decay, loss, steps, context.progress)
        self._network = network

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the largest smoothed error; maps are these errors, averaged over cell sizes."""
        import torch

        from ..reconstruction.pixels import CHUNK, chunks

        masks = self._test_masks(images.size, context)
        maps = []
        with torch.no_grad():
            for index, batch in enumerate(chunks(images, context)):
                maps.append(self._errors(batch, masks).cpu())
                context.progress(
                    min(1.0, (index + 1) * context.batch(CHUNK) / len(images)), "inpainting"
                )
        found = torch.cat(maps)
        return Scores(
            image=found.amax(dim=(1, 2)).numpy(),
            maps=found.numpy() if context.want_maps else None,
        )

    def _test_masks(self, size: int, context: Context) -> list[torch.Tensor]:
        """Return the masks of each cell size, the same for every image."""
        import torch

        from .masks import disjoint_masks

        generator = torch.Generator().manual_seed(context.seed("test masks"))
        return [
            disjoint_masks(size, cell, self.settings.parts, generator).to(context.device)
            for cell in self.settings.cells
        ]

    def _errors(self, batch: torch.Tensor, masks: list[torch.Tensor]) -> torch.Tensor:
        import torch

        from ..reconstruction.similarity import mean_filter, multiscale_gms_map
        from .masks import inpaint

        errors = [multiscale_gms_map(batch, inpaint(self._network, batch, mask)) for mask in masks]
        return mean_filter(torch.stack(errors).mean(dim=0), self.settings.filter)

    def _check_size(self, size: int) -> None:
        from ...datasets.errors import UsageError

        for divisor in (COARSEST, *self.settings.cells):
            if size % divisor:
                raise UsageError(
                    f"riad: an image size of {size} is no multiple of {divisor}; expected one of "
                    f"{COARSEST} (the network's strides) and of every side in cells"
                )

    def _new_network(self, context: Context) -> torch.nn.Module:
        from .network import InpaintingUNet

        with seeded(context.seed("init"), context.device):
            return InpaintingUNet(self.settings.width).to(context.device)


def inpainting_loss(images: torch.Tensor, guesses: torch.Tensor) -> torch.Tensor:
    """Return squared error + gradient magnitude + SSIM error (equation 5, weights 1), a scalar."""
    from torch.nn import functional

    from ..reconstruction.similarity import multiscale_gms_loss, ssim_error

    return (
        functional.mse_loss(guesses, images)
        + multiscale_gms_loss(images, guesses)
        + ssim_error(images, guesses).mean()
    )
