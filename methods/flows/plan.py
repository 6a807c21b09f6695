"""How a flow is trained, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .refine import Refinement

if TYPE_CHECKING:
    from .train import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The inner loop of MAML (RAD, equations 6 and 7).

    Attributes
    ----------
    alpha
        Rate of the inner steps, plain gradient descent.
    steps
        Number of inner steps on the support batch.
    second_order
        Differentiate through the inner steps instead of taking the gradient at θ′ for that at θ.
    """

    alpha: float
    steps: int = 1
    second_order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How a flow is trained.

    Attributes
    ----------
    epochs, batch_images, views_per_step
        Passes, images per step, random views of each image per epoch.
    rate, betas, epsilon, weight_decay
        Of Adam; ``rate`` is MAML's outer rate β.
    meta
        The inner loop; None = ordinary gradient steps.
    penalty
        λ₀ of the uncertainty-guided L2 penalty; None = none.
    first_penalty
        Factor on λ₀ in the first epoch.
    window
        Epochs that the loss covariance looks at.
    refinement
        When the training set is judged and how; None = never.
    refine_views
        Views of the bank that a training image is scored in.
    before_epoch
        Called with the training and the epoch's index before each epoch.
    """

    epochs: int
    batch_images: int
    views_per_step: int
    rate: float
    betas: tuple[float, float]
    epsilon: float
    weight_decay: float
    meta: Meta | None = None
    penalty: float | None = None
    first_penalty: float = 1.0
    window: int = 5
    refinement: Refinement | None = None
    refine_views: int = 64
    before_epoch: Callable[[Training, int], None] | None = None
