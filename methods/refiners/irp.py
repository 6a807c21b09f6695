"""IRP: train, score the training set, drop what lies above a robust limit; again and again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..flows.method import BASE_DEPARTURES, FlowMethod
from .settings import RemovalSettings

if TYPE_CHECKING:
    from ..flows.plan import TrainingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class IRPSettings(RemovalSettings):
    """Settings of `RemovalSettings`, and when to stop.

    Attributes
    ----------
    stop_below
        The cycle that removes a smaller share of all images is the last.
    min_kept
        No removal may leave a smaller share of all images.
    """

    stop_below: float = 0.01
    min_kept: float = 0.5

    def __post_init__(self) -> None:
        RemovalSettings.__post_init__(self)
        if not 0 <= self.stop_below <= 1 or not 0 <= self.min_kept <= 1:
            raise ValueError("stop_below and min_kept are shares of the images: expected in [0, 1]")


class IRP(FlowMethod):
    """Iterative refinement of DifferNet's training set."""

    name = "irp"
    title = "IRP"
    paper = "Aqeel et al., VISAPP 2025, arXiv 2408.11561"
    departures = (
        "The paper describes cycles of training and removal with a dynamic, median-based limit and "
        "gives no constants: median + 3 MAD, a first removal after a quarter of the epochs, at "
        "most five cycles with warm starts within the baseline's epochs, and an end when a cycle "
        "removes less than 1 % or would leave fewer than half are this project's reading.",
        *BASE_DEPARTURES,
    )
    Settings = IRPSettings
    settings: IRPSettings

    def plan(self) -> TrainingPlan:
        """Remove in cycles until nothing more is worth removing."""
        chosen = self.settings
        return replace(
            super().plan(),
            refine_views=chosen.test_views,
            refinement=chosen.refinement(stop_below=chosen.stop_below, min_kept=chosen.min_kept),
        )
