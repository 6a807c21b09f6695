"""DRAEM: a network is trained on simulated anomalies to say what a second one repaired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import Context, ImageSet, Method, Scores
from ..seeding import seeded

if TYPE_CHECKING:
    import numpy as np
    import torch

DECAYS, DECAY = (0.8, 0.9), 0.2  # of the rate: after which shares of the epochs, and to what


@dataclass(frozen=True, slots=True, kw_only=True)
class DRAEMSettings:
    """Settings; the defaults are the official code's, which differ from the paper in two places.

    The paper lowers the rate to a tenth after 400 and after 600 epochs, and draws its β from
    [0.1, 1]; see `DRAEM.departures`.

    Attributes
    ----------
    repair_width, segment_width
        Channels of the two networks' first levels (128, 64).
    epochs, batch
        700 epochs of N / 8 steps on 8 images, drawn with replacement.
    steps
        Steps in all, whatever the number of images; None = as many as ``epochs`` come to.
    learning_rate
        Of Adam (1e-4), a fifth of it after 80 % and again after 90 % of the epochs.
    focus
        Exponent γ of the focal loss (2).
    filter
        Side in pixels of the mean filter before the image score is taken (21).
    textures
        Folder of pictures that anomalies are made of, e.g. DTD's ``images``; None = the textures
        that need no download.
    """

    repair_width: int = 128
    segment_width: int = 64
    epochs: int = 700
    batch: int = 8
    steps: int | None = None
    learning_rate: float = 1e-4
    focus: float = 2.0
    filter: int = 21
    textures: str | None = None

    def __post_init__(self) -> None:
        if min(self.repair_width, self.segment_width, self.epochs, self.batch) < 1:
            raise ValueError("repair_width, segment_width, epochs and batch must be at least 1")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps={self.steps}: expected at least 1, or none")
        if self.filter < 1 or self.filter % 2 == 0:
            raise ValueError(f"filter={self.filter}: expected an odd side, e.g. 21")
        if self.focus < 0:
            raise ValueError(f"focus={self.focus}: expected 0 or more")


class DRAEM(Method):
    """A reconstructive autoencoder and a discriminative U-Net, trained on simulated anomalies."""

    name = "draem"
    title = "DRÆM"
    paper = "Zavrtanik et al., ICCV 2021, arXiv 2108.07610"
    image_size = 256
    smoothing_sigma = 0.0
    # Weights start at 0.02: at twice this rate some seeds' segmentation stays at one constant.
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "image_size": 64,
            "repair_width": 8,
            "segment_width": 8,
            "steps": 400,
            "batch": 4,
            "learning_rate": 1e-3,
            "filter": 5,
        },
        "demo": {
            "image_size": 64,
            "repair_width": 8,
            "segment_width": 8,
            "steps": 160,
            "batch": 4,
            "learning_rate": 1e-3,
            "filter": 5,
        },
    }
    content_settings = ("textures",)
    departures = (
        "Unless the setting textures names a folder, anomalies are made of photographs that "
        "scikit-image ships and of drawn patterns, not of the Describable Textures Dataset.",
        "Pillow's operations, on RGB, stand for those of imgaug, with the same ranges (official "
        "code: on BGR).",
        "The rate falls to a fifth after 80 % and again after 90 % of the epochs, as in the "
        "official code; the paper takes a tenth after 400 and after 600 epochs.",
        "The share of the image that stays visible under an anomaly is drawn from [0, 0.8], as in "
        "the official code; the paper draws its β from [0.1, 1].",
        "SSIM is mirrored at the border (official code: zeros), and the focal loss takes "
        "log-softmax instead of smoothed probabilities.",
    )
    Settings = DRAEMSettings
    settings: DRAEMSettings
    _repair: torch.nn.Module
    _segment: torch.nn.Module

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train both networks together on simulated anomalies."""
        import numpy as np
        import torch

        from ..reconstruction.pixels import steps_per_epoch
        from ..reconstruction.training import step_decay
        from ..reconstruction.training import train as train_networks
        from ..synthesis.textures import TextureSource

        chosen = self.settings
        self._check_size(train.size)
        repair, segment = self._new_networks(context)
        pool = train.array()
        textures = TextureSource(chosen.textures)
        generator = np.random.default_rng(context.seed("anomalies"))

        def loss() -> torch.Tensor:
            batch = draw_batch(pool, chosen.batch, textures, generator)
            clean, damaged, masks = (part.to(context.device) for part in batch)
            repaired = repair(damaged)
            logits = segment(torch.cat([repaired, damaged], dim=1))
            return repair_loss(clean, repaired) + focal_loss(logits, masks, chosen.focus)

        steps = chosen.steps or chosen.epochs * steps_per_epoch(len(pool), chosen.batch)
        optimiser = torch.optim.Adam(
            [*repair.parameters(), *segment.parameters()], lr=chosen.learning_rate
        )
        decay = step_decay(optimiser, steps, DECAYS, DECAY)
        train_networks([repair, segment], optimiser, decay, loss, steps, context.progress)
        self._repair, self._segment = repair, segment

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the largest mean-filtered probability; maps are the raw probabilities."""
        import torch

        from ..reconstruction.pixels import CHUNK, chunks
        from ..reconstruction.similarity import mean_filter

        maps = []
        with torch.no_grad():
            for index, batch in enumerate(chunks(images, context)):
                logits = self._segment(torch.cat([self._repair(batch), batch], dim=1))
                maps.append(logits.softmax(dim=1)[:, 1].cpu())
                context.progress(
                    min(1.0, (index + 1) * context.batch(CHUNK) / len(images)), "segmentation"
                )
        found = torch.cat(maps)
        return Scores(
            image=mean_filter(found, self.settings.filter).amax(dim=(1, 2)).numpy(),
            maps=found.numpy() if context.want_maps else None,
        )

    def _check_size(self, size: int) -> None:
        from ...datasets.errors import UsageError
        from .networks import DEEPEST

        if size % DEEPEST:
            raise UsageError(
                f"draem: an image size of {size} is no multiple of {DEEPEST}, the stride of its "
                "networks; expected e.g. 256"
            )

    def _new_networks(self, context: Context) -> tuple[torch.nn.Module, torch.nn.Module]:
        from .networks import repair_network, segmentation_network

        with seeded(context.seed("init"), context.device):
            repair = repair_network(self.settings.repair_width).to(context.device)
            segment = segmentation_network(self.settings.segment_width).to(context.device)
        return repair, segment


def draw_batch(
    pool: np.ndarray, count: int, textures: Any, generator: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw training examples, images with replacement.

    Parameters
    ----------
    pool
        ``uint8 [N, size, size, 3]``.
    count
        How many examples.
    textures
        A `TextureSource`.
    generator
        Where all random numbers come from.

    Returns
    -------
    tuple
        Clean and damaged images, ``float32 [count, 3, size, size]`` in [0, 1], and masks
        ``int64 [count, size, size]`` in {0, 1}.
    """
    import numpy as np
    import torch

    from ..reconstruction.pixels import unit
    from .anomalies import simulate

    examples = [
        simulate(pool[index], textures, generator)
        for index in generator.integers(len(pool), size=count)
    ]
    clean, damaged, masks = (
        torch.from_numpy(np.stack(part)) for part in zip(*examples, strict=True)
    )
    return unit(clean.permute(0, 3, 1, 2)), unit(damaged.permute(0, 3, 1, 2)), masks.long()


def repair_loss(clean: torch.Tensor, repaired: torch.Tensor) -> torch.Tensor:
    """Return squared error + SSIM error, a scalar (equation 2, λ = 1)."""
    from torch.nn import functional

    from ..reconstruction.similarity import ssim_error

    return functional.mse_loss(repaired, clean) + ssim_error(repaired, clean).mean()


def focal_loss(logits: torch.Tensor, masks: torch.Tensor, focus: float) -> torch.Tensor:
    """Return the mean over pixels of −(1 − p)^γ log p, p the probability of the true class.

    Parameters
    ----------
    logits
        ``float32 [N, 2, h, w]``.
    masks
        ``int64 [N, h, w]``.
    focus
        γ; 0 gives the cross-entropy.
    """
    from kornia.losses import focal_loss as focal

    return focal(logits, masks, alpha=None, gamma=focus).sum(dim=1).mean()
