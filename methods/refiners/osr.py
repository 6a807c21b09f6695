"""OSR: train on everything, remove once what the model finds anomalous, fine-tune on the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..base import Variant
from ..flows.method import BASE_DEPARTURES, FlowMethod
from .settings import RemovalSettings

if TYPE_CHECKING:
    from ..flows.plan import TrainingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class OSRSettings(RemovalSettings):
    """Settings of `RemovalSettings`; half of the epochs come before the one removal (ours)."""

    warm_up: float = 0.5
    cycles: int = 1


class OSR(FlowMethod):
    """One-shot removal in front of DifferNet's second half of training."""

    name = "osr"
    title = "OSR"
    paper = "Aqeel et al., DeLTA 2024 (one-shot removal)"
    departures = (
        "The paper's text gives the three steps (train, remove once, fine-tune) and no numbers: "
        "DifferNet as base, half of the epochs before the removal, the limit median + 3 MAD of the "
        "negative log-likelihood and a fresh optimiser for fine-tuning are this project's reading.",
        *BASE_DEPARTURES,
    )
    variants = {"iqr": Variant(title="OSR (IQR)", settings={"spread": "iqr", "factor": 1.5})}  # noqa: RUF012
    Settings = OSRSettings
    settings: OSRSettings

    def plan(self) -> TrainingPlan:
        """Remove once, then go on with a fresh optimiser."""
        chosen = self.settings
        return replace(
            super().plan(),
            refine_views=chosen.test_views,
            refinement=chosen.refinement(fresh_optimiser=True),
        )
