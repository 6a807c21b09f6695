"""What the removal methods can be told about their rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..flows.settings import FlowSettings

if TYPE_CHECKING:
    from ..flows.refine import Refinement


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalSettings(FlowSettings):
    """Settings of a flow that removes training images.

    Attributes
    ----------
    spread
        ``"mad"``: the limit is median + factor · 1.4826 · MAD; ``"iqr"``: Q3 + factor · IQR.
    factor
        How far beyond; 3 with MAD, 1.5 with IQR are usual.
    removal_score
        What training images are judged by: ``"nll"`` or ``"z2"``.
    warm_up
        Share of the epochs before the first removal.
    cycles
        Removals at most.
    """

    spread: Literal["mad", "iqr"] = "mad"
    factor: float = 3.0
    removal_score: Literal["nll", "z2"] = "nll"
    warm_up: float = 0.25
    cycles: int = 5

    def __post_init__(self) -> None:
        FlowSettings.__post_init__(self)  # zero-argument super() fails in a class with slots
        if self.factor < 0 or not 0 < self.warm_up < 1 or self.cycles < 1:
            raise ValueError("expected factor ≥ 0, warm_up in (0, 1) and at least one cycle")

    def refinement(self, **more: Any) -> Refinement:
        """Return the removals that these settings ask for, ``more`` being `Refinement`'s fields."""
        from ..flows.refine import Refinement, Rule, cycles

        warm_up = max(1, round(self.warm_up * self.epochs))
        return Refinement(
            rule=Rule(spread=self.spread, factor=self.factor),
            epochs=cycles(self.epochs, warm_up, self.cycles),
            score=self.removal_score,
            cumulative=True,
            **more,
        )
