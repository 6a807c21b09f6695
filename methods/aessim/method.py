"""AE-SSIM: what an autoencoder with a narrow code cannot reconstruct is anomalous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import Context, ImageSet, Method, Scores, Variant
from ..seeding import seeded

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class AESSIMSettings:
    """Settings; the defaults are those of objects in the MVTec AD paper.

    Attributes
    ----------
    crop_share
        Side of the crops that are reconstructed as a share of the image's; 1 = the whole image
        (textures: 0.5, 128 of 256 pixels).
    latent
        Numbers in the code (objects 500, textures 100).
    width
        Channels of the first layer (VISAPP paper, table 1: 32).
    epochs, crops_per_epoch, batch
        200 passes over 10 000 augmented crops; the batch is that of a third-party implementation,
        128.
    learning_rate, weight_decay
        Of Adam (2e-4, 1e-5).
    shift
        How far in pixels a training crop may reach beyond the image's border (a third-party
        implementation crops 256 of 266 pixels: 5).
    rotate_share, rotate_degrees, mirror_share
        Share of training crops that is rotated, up to how many degrees, and share that is mirrored
        along either axis (third-party implementation, textures: 0.3, 45, 0.3).
    window_stride
        Step in pixels of the sliding window, where crops are smaller than the image (30).
    """

    crop_share: float = 1.0
    latent: int = 500
    width: int = 32
    epochs: int = 200
    crops_per_epoch: int = 10_000
    batch: int = 128
    learning_rate: float = 2e-4
    weight_decay: float = 1e-5
    shift: int = 5
    rotate_share: float = 0.0
    rotate_degrees: float = 45.0
    mirror_share: float = 0.0
    window_stride: int = 30

    def __post_init__(self) -> None:
        counts = ("latent", "width", "epochs", "crops_per_epoch", "batch", "window_stride")
        if min(getattr(self, name) for name in counts) < 1:
            raise ValueError(f"{', '.join(counts)} must be at least 1")
        if not 0 < self.crop_share <= 1:
            raise ValueError(f"crop_share={self.crop_share}: expected in (0, 1]")
        if self.shift < 0:
            raise ValueError(f"shift={self.shift}: expected 0 or more pixels")
        if not (0 <= self.rotate_share <= 1 and 0 <= self.mirror_share <= 1):
            raise ValueError("rotate_share and mirror_share must lie in [0, 1]")


class AESSIM(Method):
    """A convolutional autoencoder trained and scored by structural similarity."""

    name = "ae-ssim"
    title = "AE-SSIM"
    paper = "Bergmann et al., VISAPP 2019, arXiv 1807.02011"
    image_size = 256
    smoothing_sigma = 0.0
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "image_size": 128,
            "latent": 100,
            "width": 16,
            "epochs": 20,
            "crops_per_epoch": 100,
            "batch": 4,
            "learning_rate": 2e-3,
            "shift": 1,
        },
        "demo": {
            "image_size": 64,
            "latent": 32,
            "width": 16,
            "epochs": 8,
            "crops_per_epoch": 80,
            "batch": 8,
            "learning_rate": 2e-3,
            "shift": 1,
        },
    }
    variants: ClassVar[dict[str, Variant]] = {
        "textures": Variant(
            title="AE-SSIM (crops)",
            settings={
                "crop_share": 0.5,
                "latent": 100,
                "shift": 0,
                "rotate_share": 0.3,
                "mirror_share": 0.3,
            },
        ),
    }
    departures = (
        "One setting serves all categories: whole images, neither rotated nor mirrored, are the "
        "paper's for objects; ae-ssim@textures has its crops for textures; the per-category "
        "switches of third-party code are settings.",
        "Training crops are drawn anew for every batch instead of once.",
        "All images are RGB, their SSIM averaged over channels; third-party code turns some "
        "categories to grey.",
        "The background of objects is not masked; third-party code masks it by a threshold per "
        "category.",
        "The image score is the largest residual; the paper has none.",
    )
    Settings = AESSIMSettings
    settings: AESSIMSettings
    _network: torch.nn.Module

    def fit(self, train: ImageSet, context: Context) -> None:
        """Train the autoencoder to reconstruct crops."""
        import torch

        from ..reconstruction.pixels import pixels, steps_per_epoch
        from ..reconstruction.similarity import ssim_error
        from ..reconstruction.training import train as train_network
        from .crops import draw_crops

        chosen = self.settings
        side = self._side(train.size)
        network = self._new_network(side, context)
        pool = pixels(train, context.device)
        generator = torch.Generator().manual_seed(context.seed("crops"))

        def loss() -> torch.Tensor:
            crops = draw_crops(
                pool,
                chosen.batch,
                side,
                generator,
                shift=chosen.shift,
                rotate_share=chosen.rotate_share,
                rotate_degrees=chosen.rotate_degrees,
                mirror_share=chosen.mirror_share,
            )
            return ssim_error(crops, network(crops)).mean()

        optimiser = torch.optim.Adam(
            network.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay
        )
        steps = chosen.epochs * steps_per_epoch(chosen.crops_per_epoch, chosen.batch)
        train_network([network], optimiser, None, loss, steps, context.progress)
        self._network = network

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Score by the largest 1 − SSIM; maps are 1 − SSIM, averaged over sliding windows."""
        import torch

        from ..reconstruction.pixels import CHUNK, chunks

        maps = []
        with torch.no_grad():
            for index, batch in enumerate(chunks(images, context)):
                maps.append(self._residuals(batch).cpu())
                context.progress(
                    min(1.0, (index + 1) * context.batch(CHUNK) / len(images)), "residuals"
                )
        found = torch.cat(maps)
        return Scores(
            image=found.amax(dim=(1, 2)).numpy(),
            maps=found.numpy() if context.want_maps else None,
        )

    def _residuals(self, batch: torch.Tensor) -> torch.Tensor:
        """Return ``float32 [N, size, size]`` of images ``[N, 3, size, size]``."""
        from ..reconstruction.similarity import ssim_error
        from .crops import window_corners

        size = batch.shape[-1]
        side = self._side(size)
        total = batch.new_zeros(len(batch), size, size)
        visits = batch.new_zeros(size, size)
        corners = window_corners(size, side, self.settings.window_stride)
        for top in corners:
            for left in corners:
                window = (slice(top, top + side), slice(left, left + side))
                part = batch[:, :, *window]
                total[:, *window] += ssim_error(part, self._network(part))
                visits[window] += 1
        return total / visits

    def _side(self, size: int) -> int:
        return round(self.settings.crop_share * size)

    def _new_network(self, side: int, context: Context) -> torch.nn.Module:
        from ...datasets.errors import UsageError
        from .network import build_autoencoder

        with seeded(context.seed("init"), context.device):
            try:
                network = build_autoencoder(side, self.settings.latent, self.settings.width)
            except ValueError as err:
                raise UsageError(f"ae-ssim: {err}; change --image-size or crop_share") from err
        return network.to(context.device)
