"""GLASS's training: clean features against global and local anomalies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch

from ..simplenet.network import OptimiserSpec, PatchNet
from ..simplenet.train import batches, check_loss, pick
from .ascent import Ascent, truncate
from .losses import cross_entropy, focal_loss, hardest


class Local(Protocol):
    """Where features of defective twins come from, see `local.LocalAnomalies`."""

    def batch(self, indices: Sequence[int], epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features ``[B, H, W, D]`` and masks ``[B, H, W]`` of some images' twins."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How the network is trained.

    Attributes
    ----------
    epochs, batch_images, image_limit
        Passes, images per step, and images after which an epoch ends (None = all).
    patches_per_step
        Positions drawn from a step's images; None = all of them.
    ascent
        How global anomalies are made; None leaves that branch out.
    hypersphere
        Which hypothesis: anomalies around the centre instead of around their clean feature.
    radius
        Least distance of a global anomaly from its clean feature; the largest is twice that.
    radius_quantile
        Quantile of the clean features' distances from the centre that takes its place on the
        hypersphere.
    hard_quantile
        Quantile of the squared errors from which positions of the image branch count.
    adaptor, discriminator
        Their optimisers.
    """

    epochs: int
    batch_images: int
    image_limit: int | None
    patches_per_step: int | None
    ascent: Ascent | None
    hypersphere: bool
    radius: float
    radius_quantile: float
    hard_quantile: float
    adaptor: OptimiserSpec
    discriminator: OptimiserSpec


@dataclass(frozen=True, slots=True)
class Batch:
    """Vectors of one step, ``float32 [B, D]`` each; ``mask`` is ``bool [B]``.

    ``centre`` holds the mean adapted feature at each vector's position, ``twins`` and ``mask`` are
    None where the image branch is left out.
    """

    clean: torch.Tensor
    centre: torch.Tensor
    twins: torch.Tensor | None
    mask: torch.Tensor | None


class Training:
    """The training of one network.

    Parameters
    ----------
    net
        Adaptor and discriminator; the sigmoid is left to the losses and to scoring.
    features
        Standardised training features, ``float32 [N, H, W, D]``, on the network's device.
    local
        The defective twins; None leaves the image branch out.
    plan
        How.
    generator
        A CPU generator.
    """

    def __init__(
        self,
        net: PatchNet,
        features: torch.Tensor,
        local: Local | None,
        plan: TrainingPlan,
        generator: torch.Generator,
    ) -> None:
        self.net, self.features, self.local, self.plan = net, features, local, plan
        self._generator = generator
        seed = int(torch.randint(2**62, (), generator=generator))
        self._noise_source = torch.Generator(features.device).manual_seed(seed)
        self._mean = features.mean(dim=0)
        self._optimisers = (
            plan.adaptor.build(net.adaptor),
            plan.discriminator.build(net.discriminator),
        )

    def run(self, progress: Callable[[float, str], None]) -> None:
        """Train for all epochs; the last epoch's weights stay.

        Raises
        ------
        CellError
            The loss is not finite.
        """
        plan = self.plan
        self.net.train()
        with torch.enable_grad():
            for epoch in range(plan.epochs):
                loss = check_loss(self._epoch(epoch), epoch, plan.epochs)
                progress((epoch + 1) / plan.epochs, f"epoch {epoch + 1}, loss {loss:.3f}")

    def _epoch(self, epoch: int) -> float:
        # The adaptor is linear: the mean of adapted features is the adapted mean.
        with torch.no_grad():
            centre = self.net.adaptor(self._mean)
        total, steps = torch.zeros((), device=centre.device), 0
        for chosen in self._batches():
            total += self._step(self._gather(chosen, centre, epoch))
            steps += 1
        return float(total) / steps

    def _batches(self) -> list[torch.Tensor]:
        size, limit = self.plan.batch_images, self.plan.image_limit
        # The official code ends an epoch with the batch that brings it past the limit.
        most = None if limit is None else limit // size + 1
        return batches(len(self.features), size, self._generator, most)

    def _gather(self, chosen: torch.Tensor, centre: torch.Tensor, epoch: int) -> Batch:
        clean = self.features[chosen.to(self.features.device)]
        rows = pick(
            clean[..., 0].numel(), self.plan.patches_per_step, self._generator, clean.device
        )
        centres = centre.expand(clean.shape).flatten(0, 2)[rows]
        if self.local is None:
            return Batch(clean.flatten(0, 2)[rows], centres, None, None)
        twins, mask = self.local.batch(chosen.tolist(), epoch)
        return Batch(
            clean.flatten(0, 2)[rows], centres, twins.flatten(0, 2)[rows], mask.flatten()[rows]
        )

    def _step(self, batch: Batch) -> torch.Tensor:
        loss = self.loss(batch)
        for optimiser in self._optimisers:
            optimiser.zero_grad()
        loss.backward()
        for optimiser in self._optimisers:
            optimiser.step()
        return loss.detach()

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the sum of the three branches' losses (GLASS, equation 9)."""
        clean = self.net.adaptor(batch.clean)
        twins = None if batch.twins is None else self.net.adaptor(batch.twins)
        radius = self._radius(clean, twins, batch)
        loss = self._clean_and_global(clean, batch.centre, radius)
        if twins is None or batch.mask is None:
            return loss
        return loss + self._local(twins, batch.mask, batch.centre, radius)

    def _logits(self, adapted: torch.Tensor) -> torch.Tensor:
        return self.net.discriminator(adapted)[:, 0]

    def _radius(
        self, clean: torch.Tensor, twins: torch.Tensor | None, batch: Batch
    ) -> torch.Tensor | float:
        """Return the radius of global anomalies; on the hypersphere what holds most of the clean.

        Unmasked positions of the twins are clean too.
        """
        if not self.plan.hypersphere:
            return self.plan.radius
        offsets = clean.detach() - batch.centre
        if twins is not None and batch.mask is not None:
            nominal = ~batch.mask
            offsets = torch.cat([twins.detach()[nominal] - batch.centre[nominal], offsets])
        return offsets.norm(dim=1).quantile(self.plan.radius_quantile)

    def _clean_and_global(
        self, clean: torch.Tensor, centre: torch.Tensor, radius: torch.Tensor | float
    ) -> torch.Tensor:
        ascent = self.plan.ascent
        if ascent is None:
            return cross_entropy(self._logits(clean), False)
        anchor = centre if self.plan.hypersphere else clean
        project = partial(truncate, anchor=anchor, low=radius, high=2 * radius)
        made = ascent.synthesise(clean, self._logits, project, self._noise_source)
        logits = self._logits(torch.cat([clean, made]))
        return cross_entropy(logits[: len(clean)], False) + cross_entropy(
            logits[len(clean) :], True
        )

    def _local(
        self,
        twins: torch.Tensor,
        mask: torch.Tensor,
        centre: torch.Tensor,
        radius: torch.Tensor | float,
    ) -> torch.Tensor:
        if self.plan.hypersphere:
            far = truncate(twins, centre, 2 * radius, 4 * radius)
            twins = torch.where(mask[:, None], far, twins)
        probabilities = self._logits(twins).sigmoid()
        hard = hardest(probabilities, mask, self.plan.hard_quantile)
        return focal_loss(probabilities[hard], mask[hard])
