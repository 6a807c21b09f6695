"""What is said about each cell of a published table, and about the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from .equivalence import ALPHA


class Verdict(Enum):
    """Verdict on one printed or recorded number: its name in outputs, and what it means."""

    REPRODUCED = ("reproduced", "inside the margin around the reference, with confidence")
    BETTER = ("better", "beyond the margin on the better side, with confidence")
    WORSE = ("worse", "beyond the margin on the worse side, with confidence")
    INCONCLUSIVE = ("inconclusive", "too few or too scattered seeds to tell")
    NOT_RUN = ("not run", "no complete result in the store")
    FAILED = ("failed", "a cell behind it failed")
    NOT_COMPARABLE = ("not comparable", "differs from the reference in something essential")

    def __init__(self, label: str, meaning: str) -> None:
        self.label, self.meaning = label, meaning


# Verdicts that a statistical test has reached.
DECIDED = frozenset({Verdict.REPRODUCED, Verdict.BETTER, Verdict.WORSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """How far from the reference still counts as met, in points, and where that is from."""

    points: float
    source: str

    def scaled(self, factor: float) -> Margin:
        """Return the margin times a factor, for sensitivity."""
        return Margin(points=self.points * factor, source=self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What the test of one number found, in points where the unit is percent.

    Attributes
    ----------
    mean, sd, n
        Over seeds.
    low, high
        Bounds of equivalence, margin and rounding included.
    p_inside, p_outside
        P-values after Holm's correction: that the mean is inside; that it is outside.
    uncorrected
        Verdict of this number alone, were it the only one of the table.
    at_half, at_twice
        Verdicts with half and with twice the margin, corrected.
    """

    mean: float
    sd: float
    n: int
    low: float
    high: float
    p_inside: float
    p_outside: float
    uncorrected: Verdict
    at_half: Verdict
    at_twice: Verdict

    @property
    def robust(self) -> bool:
        """Whether half and twice the margin come to the same verdict."""
        return self.at_half is self.at_twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One number with its verdict.

    Attributes
    ----------
    method, title
        Name of the method, and as printed.
    dataset, category, noise, metric
        Its place; ``category`` is ``"average"`` for all categories of the dataset; ``noise`` in
        percent.
    where
        Labels of its row and column, for people.
    reference
        The printed number, or the recorded mean, in the unit of the quantity.
    achieved
        The achieved mean as every output shows it; empty where there is none.
    difference
        Achieved minus reference in points or units, full precision; None where there is none.
    reason
        Why there is no test, or what to know about it.
    alternatives
        Other stored measurements that would match the reference, see `triage`.
    """

    method: str
    title: str
    dataset: str
    category: str
    noise: float
    metric: str
    where: str
    reference: Decimal
    verdict: Verdict
    achieved: str = ""
    difference: float | None = None
    reason: str = ""
    tested: Tested | None = None
    alternatives: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Short name: ``rad/mvtec_ad/bottle/noise10/image_auroc``."""
        return f"{self.method}/{self.dataset}/{self.category}/noise{self.noise:g}/{self.metric}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Verdicts on a whole target.

    Attributes
    ----------
    target, title
        Name of the target, e.g. ``"rad/table1"``; printed title.
    reference
        What it is held against: the paper, or a recorded run.
    margin
        The margin and its source; None where the target declares none.
    essential
        What must not differ, by name.
    cells
        A verdict for every number in scope.
    notes
        What to know, a sentence each.
    alpha
        Level of the tests, over the whole table.
    """

    target: str
    title: str
    reference: str
    margin: Margin | None
    essential: tuple[str, ...]
    cells: tuple[Judged, ...]
    notes: tuple[str, ...] = field(default=())
    alpha: float = ALPHA

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """Number of cells by verdict, in the order of `Verdict`; all of them, also zeros."""
        found = Counter(cell.verdict for cell in self.cells)
        return {verdict: found[verdict] for verdict in Verdict}

    @property
    def tests(self) -> int:
        """Size of the family that Holm's correction is for."""
        return sum(cell.tested is not None for cell in self.cells)

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 0 as expected, 1 not reproduced, 3 incomplete or inconclusive.

        A worse number is 1, and so is a failed cell: it was asked for and broke. What was not run,
        is not comparable or inconclusive is a success without ``strict``. With it a better number
        is 1 as well, as it is no reproduction either, and every cell without a decision is 3.
        """
        counts = self.counts
        if counts[Verdict.WORSE] or counts[Verdict.FAILED] or (strict and counts[Verdict.BETTER]):
            return 1
        undecided = not self.cells or any(c.verdict not in DECIDED for c in self.cells)
        return 3 if strict and undecided else 0
