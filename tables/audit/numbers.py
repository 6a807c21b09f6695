"""What a printed number says about the number behind it, in exact arithmetic.

A printed decimal stands for an interval: rounded, it is half a step either side; truncated, a step
above. Which of the two an author used is seldom said, so a check accepts either. Intervals are
closed: a tie may have gone either way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache

# Cells up to which the law of a mean is computed exactly; the normal law is close far below.
EXACT = 60


class Reading(Enum):
    """How the digits came about."""

    ROUNDED = "rounded"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval of exact numbers."""

    low: Fraction
    high: Fraction

    def meets(self, other: Interval) -> bool:
        """Tell whether two intervals share a number."""
        return self.low <= other.high and other.low <= self.high

    def minus(self, other: Interval) -> Interval:
        """Return the interval of all differences."""
        return Interval(self.low - other.high, self.high - other.low)

    def over(self, other: Interval) -> Interval:
        """Return the interval of all ratios; both must be positive."""
        return Interval(self.low / other.high, self.high / other.low)

    def scaled(self, factor: Fraction | int, shift: Fraction | int = 0) -> Interval:
        """Return ``factor · x + shift``."""
        ends = (self.low * factor + shift, self.high * factor + shift)
        return Interval(min(ends), max(ends))


@dataclass(frozen=True, slots=True)
class Digits:
    """A number as printed: its value and the size of its last digit."""

    value: Fraction
    step: Fraction

    @classmethod
    def of(cls, text: str) -> Digits:
        """Read printed digits; ``"95.40"`` has the step 1/100."""
        return _read(text)

    def interval(self, reading: Reading) -> Interval:
        """Return the numbers that print as these digits."""
        if reading is Reading.ROUNDED:
            return Interval(self.value - self.step / 2, self.value + self.step / 2)
        return Interval(self.value, self.value + self.step)

    @property
    def either(self) -> Interval:
        """The numbers that print as these digits, rounded or truncated."""
        return Interval(self.value - self.step / 2, self.value + self.step)

    @property
    def places(self) -> int:
        """Number of digits after the point."""
        return max(0, -Decimal(self.step.numerator / self.step.denominator).adjusted())


@lru_cache(maxsize=100_000)
def _read(text: str) -> Digits:
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return Digits(Fraction(number), Fraction(10) ** exponent)


def mean(values: Iterable[Fraction]) -> Fraction:
    """Return the exact mean."""
    found = list(values)
    return sum(found, Fraction(0)) / len(found)


def mean_interval(intervals: Sequence[Interval]) -> Interval:
    """Return the interval of all means of one number out of each interval."""
    return Interval(mean(i.low for i in intervals), mean(i.high for i in intervals))


def printed_forms(value: Fraction, step: Fraction) -> frozenset[Fraction]:
    """Return what a number may print as: rounded, ties either way, or truncated."""
    scaled = Decimal(value.numerator) / Decimal(value.denominator)
    unit = Decimal(step.numerator) / Decimal(step.denominator)
    ways = (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN)
    return frozenset(Fraction(scaled.quantize(unit, rounding=way)) for way in ways)


def chance_of_mean(values: Sequence[Digits], reading: Reading, printed: Interval) -> float:
    """Return the probability that the mean behind printed cells lies in an interval.

    What rounding took from a cell is uniform over its interval and independent of the other cells;
    the mean of k such errors follows the Irwin-Hall law (Johnson, Kotz and Balakrishnan,
    Continuous Univariate Distributions 2, section 26.9), computed exactly where at most `EXACT`
    cells have the same step, else by the normal law.
    """
    intervals = [value.interval(reading) for value in values]
    whole = mean_interval(intervals)
    if not whole.meets(printed):
        return 0.0
    steps = {value.step for value in values}
    if len(steps) > 1 or len(values) > EXACT:
        return _normal_chance(values, whole, printed)
    # In units of the step, from the lowest possible sum: the sum of k numbers uniform in [0, 1].
    unit = len(values) / steps.pop()
    low, high = ((end - whole.low) * unit for end in (printed.low, printed.high))
    count = len(values)
    return float(max(Fraction(0), irwin_hall(high, count) - irwin_hall(low, count)))


def _normal_chance(values: Sequence[Digits], whole: Interval, printed: Interval) -> float:
    centre = float(whole.low + whole.high) / 2
    spread = math.sqrt(sum(float(v.step) ** 2 for v in values) / 12) / len(values)
    ends = ((float(end) - centre) / spread for end in (printed.low, printed.high))
    low, high = (normal_cdf(end) for end in ends)
    return max(0.0, high - low)


def irwin_hall(x: Fraction, count: int) -> Fraction:
    """Return P(sum of ``count`` independent uniform numbers in [0, 1] ≤ x), exactly."""
    if x <= 0:
        return Fraction(0)
    if x >= count:
        return Fraction(1)
    total = sum(
        ((-1) ** k * math.comb(count, k) * (x - k) ** count for k in range(math.floor(x) + 1)),
        Fraction(0),
    )
    return total / math.factorial(count)


def normal_cdf(x: float) -> float:
    """Return P(standard normal ≤ x)."""
    return math.erfc(-x / math.sqrt(2)) / 2


def shown(value: Fraction | float, places: int = 2) -> str:
    """Write a computed number with so many digits after the point, ties away from zero."""
    exact = Fraction(value)
    scaled = abs(exact) * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    digits = f"{Decimal(whole).scaleb(-places):f}"
    return f"-{digits}" if exact < 0 and whole else digits


def chance(probability: float) -> str:
    """Write a small probability: ``"3e-07"``, ``"0.02"``; nothing is ever written as zero."""
    return "below 1e-15" if probability < 1e-15 else f"{probability:.1g}"
