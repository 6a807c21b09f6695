"""RAD: DifferNet's flow, meta-learned on a training set that is judged and weighted anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ..base import TuningResult, TuningSet, Variant
from ..flows.method import BASE_DEPARTURES, FlowMethod
from ..flows.settings import DEMO, QUICK
from .settings import RADSettings

if TYPE_CHECKING:
    from ..flows.plan import TrainingPlan

# Which of the tuned parameters is which setting.
TUNED = {"alpha": "alpha", "beta": "learning_rate", "k": "k"}


class RAD(FlowMethod):
    """Normalising flow, first-order MAML, uncertainty-guided L2, refinement, tuning."""

    name = "rad"
    title = "RAD"
    paper = "Aqeel et al., arXiv 2508.17789"
    presets: ClassVar = {
        "quick": {**QUICK, "tuning_categories": 2},
        "demo": {**DEMO, "bayesian_optimisation": False},
    }
    variants = {  # noqa: RUF012
        "no-meta": Variant(title="RAD w/o Meta-Learning", settings={"meta_learning": False}),
        "no-l2": Variant(title="RAD w/o L2 Regularization", settings={"adaptive_l2": False}),
        "no-bo": Variant(
            title="RAD w/o Bayesian Optimization", settings={"bayesian_optimisation": False}
        ),
        "no-meta-l2": Variant(
            title="RAD w/o ML and L2", settings={"meta_learning": False, "adaptive_l2": False}
        ),
        "hard": Variant(title="RAD, hard rejection", settings={"refinement": "hard"}),
        "no-refinement": Variant(title="RAD w/o refinement", settings={"refinement": "none"}),
        "nll": Variant(title="RAD, full NLL score", settings={"scoring": "nll"}),
        "oracle-tuning": Variant(
            title="RAD, tuned on test labels (oracle)",
            settings={"objective": "oracle-test-auroc"},
        ),
    }
    departures = (
        "The paper names neither backbone nor flow beyond DifferNet's numbers (448 px, eight "
        "blocks, 2048 units, batch 96, rate 2e-4): everything it leaves open is DifferNet's, "
        "including the score by z² and the loss with its factor ½ per dimension.",
        "A task is a batch of 24 images (support) and the next batch (query); the inner step is "
        "plain gradient descent, the outer one Adam at β. L_val is the query loss after the inner "
        "step.",
        "λ = λ₀ (1 + D'/2) with CoMet's D' of det Σ over the last five epochs; λ₀ = 5e-6 suits the "
        "loss per dimension. Adam's weight decay is off where this penalty is on.",
        "What is done with the threshold t is not said: training images beyond it weigh t / score, "
        "judged every tenth of the epochs.",
        "The paper's objective for Bayesian optimisation is not said: the default is the median "
        "negative log-likelihood of held-out training images on shortened runs, once per dataset "
        "and noise level, which uses no label; the Gaussian process proposes by expected "
        "improvement in its logarithmic form, which has the same maximum.",
        "Pixel AUROC is measured on DifferNet's gradient maps, the only localisation that pooled "
        "features allow.",
        *BASE_DEPARTURES,
    )
    Settings = RADSettings
    settings: RADSettings

    def __init__(self, settings: RADSettings | None = None) -> None:
        super().__init__(settings)
        self._given = self.settings

    def plan(self) -> TrainingPlan:
        """Meta-train with the penalty, judging the training set every few epochs."""
        from ..flows.plan import Meta
        from ..flows.refine import Refinement, Rule, every

        chosen = self.settings
        step = max(1, round(chosen.refine_every * chosen.epochs))
        refinement = Refinement(
            rule=Rule(spread="iqr", factor=chosen.k, soft=chosen.refinement == "soft"),
            epochs=every(chosen.epochs, step),
        )
        return replace(
            super().plan(),
            weight_decay=0.0 if chosen.adaptive_l2 else chosen.weight_decay,
            meta=Meta(
                alpha=chosen.alpha, steps=chosen.inner_steps, second_order=chosen.second_order
            )
            if chosen.meta_learning
            else None,
            penalty=chosen.penalty if chosen.adaptive_l2 else None,
            window=chosen.window,
            refinement=None if chosen.refinement == "none" else refinement,
            refine_views=chosen.test_views,
        )

    def wants_tuning(self) -> bool:
        """Say whether α, β and k are tuned."""
        return self._given.bayesian_optimisation

    def wants_oracle(self) -> bool:
        """Say whether tuning looks at the test set."""
        return self.wants_tuning() and self._given.objective == "oracle-test-auroc"

    def tune(self, sets: Sequence[TuningSet], seed: int) -> TuningResult:
        """Tune α, β and k by Bayesian optimisation (section 3.5)."""
        from .tuning import search

        return search(self._given, sets, seed)

    def use_tuning(self, chosen: Mapping[str, float]) -> None:
        """Train with the tuned α, β and k."""
        self.settings = tuned(self._given, chosen)


def tuned(settings: RADSettings, chosen: Mapping[str, float]) -> RADSettings:
    """Return settings with the tuned parameters in place of the given ones.

    Without meta-learning α has no meaning, without refinement k has none; they change nothing then.
    """
    return replace(settings, **{TUNED[name]: float(value) for name, value in chosen.items()})
