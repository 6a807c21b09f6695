"""One formatter for all digits."""

import math
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrepro.tables.formatting import Mark, exact, level, percent, percent_value, points, tenths


@given(st.floats(min_value=-2, max_value=2, allow_nan=False))
def test_rounding_equals_decimals_half_up(value):
    """Rounding equals the standard library's ROUND_HALF_UP on the shortest decimal."""
    expected = (Decimal(repr(value)) * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
    assert Decimal(percent(value)) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.9865, "98.7"),  # '%.1f' and numpy disagree here
        (0.9855, "98.6"),
        (0.1245, "12.5"),
        (1.0, "100.0"),
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (-0.0004, "0.0"),
        (0.00049, "0.0"),
        (0.0005, "0.1"),
        (np.float64(0.9865), "98.7"),
        (Fraction(1, 3), "33.3"),
        (1, "100.0"),
    ],
)
def test_ties_and_edges(value, shown):
    """Ties go away from zero, zero has no sign, 100 keeps its digit."""
    assert percent(value) == shown


def test_mean_of_a_tie_is_still_a_tie():
    """Exact fractions keep a tie that float arithmetic loses."""
    values = [0.986, 0.987]
    assert percent(sum(map(exact, values)) / 2) == "98.7"
    assert sum(values) / 2 < 0.9865


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_not_finite_has_no_digits(value):
    """NaN and infinities never reach a table as digits."""
    with pytest.raises(ValueError, match="finite"):
        percent(value)


def test_points_carry_their_sign():
    """Differences say their direction; nothing stays unsigned."""
    assert [points(Decimal(t)) for t in ("0.6", "-1.2", "0.0", "-0.04", "0.05")] == [
        "+0.6",
        "-1.2",
        "0.0",
        "0.0",
        "+0.1",
    ]


def test_levels_drop_needless_digits():
    """Noise levels print as in papers."""
    assert [level(v) for v in (0.0, 10.0, 12.5)] == ["0", "10", "12.5"]


def test_marks_differ():
    """No two reasons for a missing number share a mark, in Unicode or in ASCII."""
    assert len({mark.symbol for mark in Mark}) == len(Mark) == 9
    assert len({mark.ascii for mark in Mark}) == len(Mark)
    assert all(mark.ascii.isascii() for mark in Mark)


@given(st.integers(-(10**6), 10**6))
def test_tenths_keeps_tenths(number):
    """A number with one digit stays as it is."""
    assert tenths(Decimal(number).scaleb(-1)) == Decimal(number).scaleb(-1)
    assert percent_value(Fraction(number, 1000)) == Decimal(number).scaleb(-1)
