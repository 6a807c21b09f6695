"""What stands at one place of a table: an estimate, or the mark in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .formatting import Mark, shown
from .quantities import Unit
from .runs import Run, Status

# Follows a number that stands for more than was measured.
EXTRAPOLATED, EXTRAPOLATED_ASCII = "‡", "~"
EXTRAPOLATED_MEANING = (
    "extrapolated: not every category and seed was measured alone on the device; "
    "the mean of those that were stands for the others"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over seeds, or what `quantities.Pooling` makes of them.

    Attributes
    ----------
    mean
        Exact; a fraction in [0, 1] where the unit is percent, else in the unit.
    sd
        Sample standard deviation over seeds; None for one seed, and for times.
    n, planned
        Seeds that went in, and seeds that were planned.
    unit
        Unit that it is printed in.
    extrapolated
        From what it was extrapolated, e.g. ``"2 of 15 categories"``; empty if it was not.
    """

    mean: Fraction
    sd: float | None
    n: int
    planned: int
    unit: Unit = Unit.PERCENT
    extrapolated: str = ""

    @property
    def complete(self) -> bool:
        """Whether every planned seed went in and nothing was extrapolated."""
        return self.n == self.planned and not self.extrapolated

    @property
    def text(self) -> str:
        """Digits as every output shows them."""
        return shown(self.mean, self.unit)

    @property
    def sd_text(self) -> str:
        """Digits of the deviation; empty where there is none."""
        return "" if self.sd is None else shown(self.sd, self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An estimate, or the mark in its place with a short detail, e.g. ``"12 of 15"``."""

    estimate: Estimate | None = None
    mark: Mark | None = None
    detail: str = ""

    def text(self, *, ascii_only: bool = False) -> str:
        """Return what a table shows: digits, a mark, or ``"12 of 15"``."""
        if self.estimate is not None:
            sign = EXTRAPOLATED_ASCII if ascii_only else EXTRAPOLATED
            return self.estimate.text + (sign if self.estimate.extrapolated else "")
        if self.mark is None or self.mark is Mark.INCOMPLETE:
            return self.detail
        return self.mark.ascii if ascii_only else self.mark.symbol


def without_value(runs: Sequence[Run], planned: int) -> Outcome:
    """Say why none of a category's runs has a value."""
    if not runs:
        return Outcome(mark=Mark.NOT_RUN)
    statuses = [run.status for run in runs]
    for status, mark in (
        (Status.FAILED, Mark.FAILED),
        (Status.PENDING, Mark.PENDING),
        (Status.SKIPPED, Mark.SKIPPED),
    ):
        if status in statuses:
            return Outcome(mark=mark, detail=f"{statuses.count(status)} of {planned} seeds")
    return Outcome(mark=Mark.UNDEFINED)
