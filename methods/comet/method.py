"""CoMet: doubtful images weigh less, and short adaptations steer the flow (arXiv 2508.02293)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ..flows.method import BASE_DEPARTURES, FlowMethod
from ..flows.settings import DEMO, QUICK, FlowSettings

if TYPE_CHECKING:
    from ..flows.plan import TrainingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class CoMetSettings(FlowSettings):
    """Settings of CoMet on a flow; the constants are those of the released SimpleNet code.

    Attributes
    ----------
    k
        Of t = Q3 + k · IQR; an image beyond it weighs t / score.
    refine_every
        Share of the epochs between two judgements, the first of which comes after as many.
    tasks
        Adaptation tasks before each epoch.
    task_images
        Images per task, drawn by weight without replacement; a validation share of 30 % of them.
    inner_steps, alpha
        Steps of Adam on the task's training images, and their rate.
    meta_rate
        Share of the way from the weights to the mean of the adapted ones that is taken per epoch.
    diversity
        A task whose first image is closer than this cosine similarity to one of the five before is
        drawn again, twice at most.
    penalty
        λ₀ of the L2 penalty for the loss per dimension; doubled in the first epoch.
    window
        Epochs that the loss covariance looks at.
    """

    k: float = 1.5
    refine_every: float = 0.1
    tasks: int = 4
    task_images: int = 5
    inner_steps: int = 5
    alpha: float = 1e-4
    meta_rate: float = 2e-4
    diversity: float = 0.85
    penalty: float = 5e-6
    window: int = 5

    def __post_init__(self) -> None:
        FlowSettings.__post_init__(self)  # zero-argument super() fails in a class with slots
        if self.k < 0 or self.alpha <= 0 or self.penalty < 0 or not 0 <= self.meta_rate <= 1:
            raise ValueError("expected k ≥ 0, alpha > 0, penalty ≥ 0 and meta_rate in [0, 1]")
        if not 0 < self.refine_every < 1 or self.window < 2:
            raise ValueError("expected refine_every in (0, 1) and a window of at least 2 epochs")
        if self.tasks < 0 or self.task_images < 2 or self.inner_steps < 1:
            raise ValueError("expected tasks ≥ 0, task_images ≥ 2 and inner_steps ≥ 1")


class CoMet(FlowMethod):
    """Soft weights, Reptile-like adaptation and the covariance-scaled L2 penalty on a flow."""

    name = "comet"
    title = "CoMet"
    paper = "Aqeel et al., ICCV 2025, arXiv 2508.02293"
    departures = (
        "The paper applies its strategy to a flow and to SimpleNet; only SimpleNet's code is out. "
        "This is the flow, with that code's constants.",
        "The released code moves away from the adapted weights; here the step is towards them, as "
        "stated. Its size is the released 2e-4 of the way, which is close to no meta-learning.",
        "The released code weights images once by the scores of an untrained network; here they "
        "are judged by z², which is positive, after every tenth of the epochs.",
        "λ₀ = 5e-6 per dimension of the loss stands for the released 0.005 on an unnormalised one.",
        "The released code keeps the epoch that is best on the test set; here the last one counts.",
        *BASE_DEPARTURES,
    )
    presets: ClassVar = {
        # The tasks would cost more than the epochs themselves.
        "quick": {**QUICK, "tasks": 1},
        "demo": {**DEMO, "tasks": 1},
    }
    Settings = CoMetSettings
    settings: CoMetSettings

    def plan(self) -> TrainingPlan:
        """Adapt on tasks, then train an epoch on weighted images with the penalty."""
        from ..flows.refine import Refinement, Rule, every
        from .tasks import Adaptation

        chosen = self.settings
        step = max(1, round(chosen.refine_every * chosen.epochs))
        return replace(
            super().plan(),
            weight_decay=0.0,  # it would be the same penalty a second time
            penalty=chosen.penalty,
            first_penalty=2.0,
            window=chosen.window,
            refine_views=chosen.test_views,
            refinement=Refinement(
                rule=Rule(spread="iqr", factor=chosen.k, soft=True),
                epochs=every(chosen.epochs, step),
            ),
            before_epoch=Adaptation(chosen) if chosen.tasks else None,
        )
