"""Intervals of printed digits and the law of a mean's rounding error."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adrepro.tables.audit.numbers import (
    Digits,
    Interval,
    Reading,
    chance,
    chance_of_mean,
    irwin_hall,
    mean_interval,
    normal_cdf,
    printed_forms,
    shown,
)

VALUES = st.fractions(min_value=0, max_value=100, max_denominator=10**6)
PLACES = st.integers(0, 4)


def _decimal(value: Fraction, places: int, rounding: str) -> str:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return f"{exact.quantize(Decimal(1).scaleb(-places), rounding=rounding):f}"


@given(value=VALUES, places=PLACES)
def test_a_number_lies_in_the_interval_of_its_digits(value: Fraction, places: int) -> None:
    """Whatever is printed rounded or truncated, the interval of that reading holds the number."""
    ways = {Reading.ROUNDED: ROUND_HALF_UP, Reading.TRUNCATED: ROUND_DOWN}
    for reading, rounding in ways.items():
        digits = Digits.of(_decimal(value, places, rounding))
        span = digits.interval(reading)
        assert span.low <= value <= span.high
        assert span.high - span.low == digits.step == Fraction(1, 10**places)
        assert digits.places == places
        assert digits.value in printed_forms(value, digits.step)


@given(values=st.lists(VALUES, min_size=1, max_size=15), places=PLACES)
def test_a_mean_lies_in_the_mean_of_the_intervals(values: list[Fraction], places: int) -> None:
    """The mean of true values lies in the interval that their printed digits give."""
    spans = [
        Digits.of(_decimal(v, places, ROUND_HALF_UP)).interval(Reading.ROUNDED) for v in values
    ]
    whole = mean_interval(spans)
    assert whole.low <= sum(values) / len(values) <= whole.high


@given(ends=st.lists(VALUES, min_size=4, max_size=4))
def test_interval_arithmetic_holds_every_pair(ends: list[Fraction]) -> None:
    """Difference and ratio of intervals contain those of their ends."""
    one = Interval(min(ends[:2]) + 1, max(ends[:2]) + 1)
    other = Interval(min(ends[2:]) + 1, max(ends[2:]) + 1)
    for x in (one.low, one.high):
        for y in (other.low, other.high):
            assert one.minus(other).low <= x - y <= one.minus(other).high
            assert one.over(other).low <= x / y <= one.over(other).high


@pytest.mark.parametrize("count", [1, 2, 5, 15])
def test_irwin_hall_equals_scipy(count: int) -> None:
    """The exact sum of uniform numbers has scipy's distribution."""
    for x in np.linspace(-0.5, count + 0.5, 23):
        exact = irwin_hall(Fraction(float(x)), count)
        assert float(exact) == pytest.approx(stats.irwinhall.cdf(x, count), abs=1e-9)


def test_the_chance_of_a_mean_equals_its_frequency() -> None:
    """How often rounded cells have a mean in an interval is what the formula says."""
    rng = np.random.default_rng(0)
    cells = [Digits.of(text) for text in ("90.1", "95.2", "88.8", "97.3")]
    span = Interval(Fraction("92.85"), Fraction("92.95"))
    true = np.array([float(c.value) for c in cells]) + rng.uniform(-0.05, 0.05, (200_000, 4))
    means = true.mean(axis=1)
    share = np.mean((means >= 92.85) & (means <= 92.95))
    assert chance_of_mean(cells, Reading.ROUNDED, span) == pytest.approx(share, abs=0.005)


def test_cells_of_mixed_steps_take_the_normal_law() -> None:
    """Where steps differ, the chance is that of a normal error with the steps' variances."""
    cells = [Digits.of("90.1"), Digits.of("95"), Digits.of("88.85")]
    span = Interval(Fraction(91), Fraction("91.3"))
    spread = np.sqrt((0.1**2 + 1 + 0.01**2) / 12) / 3
    low, high = ((x - (90.1 + 95 + 88.85) / 3) / spread for x in (91, 91.3))
    expected = stats.norm.cdf(high) - stats.norm.cdf(low)
    assert chance_of_mean(cells, Reading.ROUNDED, span) == pytest.approx(expected, abs=1e-9)


def test_normal_cdf_equals_scipy() -> None:
    """The normal distribution function is scipy's, far into the tail."""
    for x in (-9.0, -3.0, 0.0, 1.5, 6.0):
        assert normal_cdf(x) == pytest.approx(stats.norm.cdf(x), rel=1e-9)


def test_texts_of_numbers() -> None:
    """Computed numbers are written with ties away from zero, chances never as zero."""
    assert shown(Fraction("-0.225"), 2) == "-0.23"
    assert shown(Fraction("-0.001"), 2) == "0.00"
    assert shown(Fraction(1, 3), 3) == "0.333"
    assert chance(0.0) == "below 1e-15"
    assert chance(0.000123) == "0.0001"
