"""Settings that every method on a flow over pooled features shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """Settings; the defaults are those of DifferNet's official code, epochs those of the RAD paper.

    Attributes
    ----------
    epochs
        Passes over the training images (RAD: 240; official code: 24 × 8 = 192).
    batch_images
        Images per step (official code: 24).
    views_per_step
        Views of each image per epoch (official code: 4, so 96 vectors per step).
    train_views
        Size of the bank of views, rotations by i · 360° / n, that training draws from. The official
        code draws a new angle each time; a bank lets frozen features be computed once.
    test_views
        Views that a test image is scored in, rotations by i · 360° / n (official code: 64).
    flips
        Mirror every second view (RAD's equation 3 names flips; section 4.3 rotations only).
    shift
        Move the views by this fraction of the side, in eight directions (likewise; 0 = not).
    scoring
        ``"z2"``: mean of z² (official code). ``"nll"``: the full negative log-likelihood per
        dimension (RAD's equation 3). ``"hybrid"``: the mean of both.
    scales
        Divisors of the image size (official code: 448, 224 and 112 pixels).
    stride
        Which feature map is pooled; None takes AlexNet's last one (32), of other networks 16.
    standardise
        Whether each feature is brought to mean 0 and deviation 1 over the training views; None
        does so for all weights but the paper's of AlexNet (a copy of their file included), whose
        features the official code takes as they are.
    blocks, hidden, hidden_layers
        Coupling blocks, and width and number of hidden layers of their subnetworks (official
        code: 8, 2048, 3).
    clamp
        Bound of the log-scales (official code: 3).
    learning_rate, betas, epsilon, weight_decay
        Of Adam (official code: 2e-4, (0.8, 0.8), 1e-4, 1e-5).
    localise
        Whether anomaly maps are computed.
    localise_views
        Rotations that a map is averaged over (official code: 64).
    blur_sigma
        Of the blur of each gradient, in pixels (official code: 3).
    """

    epochs: int = 240
    batch_images: int = 24
    views_per_step: int = 4
    train_views: int = 64
    test_views: int = 64
    flips: bool = False
    shift: float = 0.0
    scoring: Literal["z2", "nll", "hybrid"] = "z2"
    scales: tuple[int, ...] = (1, 2, 4)
    stride: int | None = None
    standardise: bool | None = None
    blocks: int = 8
    hidden: int = 2048
    hidden_layers: int = 3
    clamp: float = 3.0
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.8, 0.8)
    epsilon: float = 1e-4
    weight_decay: float = 1e-5
    localise: bool = True
    localise_views: int = 64
    blur_sigma: float = 3.0

    def __post_init__(self) -> None:
        counts = ("epochs", "batch_images", "views_per_step", "train_views", "test_views")
        for name in (*counts, "blocks", "hidden", "hidden_layers", "localise_views"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if not self.scales or min(self.scales) != 1:
            raise ValueError(f"scales={self.scales}: expected divisors, the smallest of them 1")
        if min(self.clamp, self.learning_rate, self.epsilon) <= 0 or self.blur_sigma < 0:
            raise ValueError("clamp, learning_rate and epsilon must be positive, blur_sigma ≥ 0")
        if not all(0 <= beta < 1 for beta in self.betas) or self.weight_decay < 0:
            raise ValueError(
                f"betas={self.betas}, weight_decay={self.weight_decay}: betas must lie in [0, 1), "
                "weight_decay must be ≥ 0"
            )
        if not 0 <= self.shift < 0.5:
            raise ValueError(f"shift={self.shift}: expected a fraction of the side in [0, 0.5)")


# Reduced settings that all flows share, so that a table compares methods and not budgets. A tenth
# of the epochs needs larger steps: of 2e-4, 5e-4, 1e-3 and 2e-3 the rate with the best likelihood
# of held-out training images on MVTec AD's capsule and screw.
QUICK: dict[str, Any] = {
    "image_size": 256,
    "epochs": 24,
    "train_views": 8,
    "test_views": 8,
    "hidden": 128,
    "hidden_layers": 2,
    "learning_rate": 1e-3,
    # Gradients cost most of the time; on bottle a second view adds a point of pixel AUROC.
    "localise_views": 1,
}
# Half a second per cell on one core; a small flow needs larger steps to get anywhere.
DEMO: dict[str, Any] = {
    "image_size": 96,
    "backbone": "efficientnet_lite0",
    "epochs": 8,
    "train_views": 4,
    "test_views": 4,
    "blocks": 4,
    "hidden": 64,
    "hidden_layers": 2,
    "learning_rate": 3e-3,
    "localise_views": 1,
}
