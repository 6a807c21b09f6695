"""Settings of RAD; every ablation is one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..flows.settings import FlowSettings

Objective = Literal["heldout-nll", "synthetic-auroc", "oracle-test-auroc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RADSettings(FlowSettings):
    """Settings of RAD; ``learning_rate`` is the outer rate β.

    Attributes
    ----------
    meta_learning
        Train by MAML (equations 6 to 8); else by ordinary steps.
    alpha
        Rate of the inner steps (1e-4 until tuned).
    inner_steps
        Inner steps per task (equation 6: one).
    second_order
        Differentiate through the inner steps; for comparison on small flows.
    adaptive_l2
        Penalise ‖θ‖² by a coefficient that follows det Σ (equations 4, 5 and 8). Adam's weight
        decay is then 0, which would be the same penalty a second time; without it ``weight_decay``
        holds.
    penalty
        λ₀ of that coefficient, for the loss per dimension.
    window
        Epochs that Σ looks at.
    refinement
        ``"soft"``: images beyond t weigh t / score; ``"hard"``: they are left out until judged
        again; ``"none"``.
    k
        Of t = Q3 + k · IQR (equation 9).
    refine_every
        Share of the epochs between two judgements, the first of which comes after as many.
    bayesian_optimisation
        Tune α, β and k before training (section 3.5).
    objective
        What tuning improves on shortened runs, over the categories of the dataset.
        ``"heldout-nll"``: the median negative log-likelihood of held-out training images.
        ``"synthetic-auroc"``: the AUROC of held-out training images against copies of them with a
        pasted patch. ``"oracle-test-auroc"``: the AUROC on the *test* set; an upper bound that
        uses labels no method may see.
    evaluations
        Settings tried (paper: 25 to 30).
    random_starts
        The first of them, drawn at random.
    tuning_epochs
        Length of a shortened run as a share of the epochs.
    tuning_categories
        Categories that the objective looks at, evenly spread over the dataset's; None = all.
    """

    meta_learning: bool = True
    alpha: float = 1e-4
    inner_steps: int = 1
    second_order: bool = False
    adaptive_l2: bool = True
    penalty: float = 5e-6
    window: int = 5
    refinement: Literal["soft", "hard", "none"] = "soft"
    k: float = 1.5
    refine_every: float = 0.1
    bayesian_optimisation: bool = True
    objective: Objective = "heldout-nll"
    evaluations: int = 25
    random_starts: int = 8
    tuning_epochs: float = 0.2
    tuning_categories: int | None = None

    def __post_init__(self) -> None:
        FlowSettings.__post_init__(self)  # zero-argument super() fails in a class with slots
        if self.alpha <= 0 or self.penalty < 0 or self.k < 0:
            raise ValueError("expected alpha > 0, penalty ≥ 0 and k ≥ 0")
        if self.inner_steps < 1 or self.window < 2:
            raise ValueError("expected at least one inner step and a window of at least 2 epochs")
        if not 0 < self.refine_every < 1 or not 0 < self.tuning_epochs <= 1:
            raise ValueError("expected refine_every in (0, 1) and tuning_epochs in (0, 1]")
        if self.tuning_categories is not None and self.tuning_categories < 1:
            raise ValueError("expected tuning_categories of at least 1, or none")
        if not 1 <= self.random_starts <= self.evaluations:
            raise ValueError(
                f"random_starts={self.random_starts}: expected 1 to evaluations={self.evaluations}"
            )
