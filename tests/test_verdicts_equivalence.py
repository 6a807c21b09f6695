"""TOST, Holm's correction and rounding intervals, against other implementations and simulation."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from adrepro.tables.verdicts.decide import Trial, decide
from adrepro.tables.verdicts.equivalence import equivalence, holm, rounding_interval
from adrepro.tables.verdicts.verdict import Margin, Verdict

MARGIN = Margin(points=1.0, source="test")


@given(
    values=st.lists(st.floats(-5, 5), min_size=3, max_size=8).filter(lambda v: np.std(v) > 1e-3),
    half=st.floats(0.1, 3),
)
@settings(max_examples=20, deadline=None)
def test_tost_equals_statsmodels(values, half):
    """The p-value of equivalence is statsmodels' TOST; the one-sided ones are its halves."""
    found = equivalence(np.array(values), -half, half)
    expected, lower, upper = DescrStatsW(values).ttost_mean(-half, half)
    assert float(found.inside) == pytest.approx(expected, abs=1e-12)
    assert float(found.below) == pytest.approx(1 - lower[1], abs=1e-9)
    assert float(found.above) == pytest.approx(1 - upper[1], abs=1e-9)


def test_closed_form_for_three_seeds():
    """With 2 degrees of freedom the t distribution has a closed form."""
    values = np.array([0.1, 0.4, -0.2])
    t = (values.mean() + 1.0) / (values.std(ddof=1) / np.sqrt(3))
    tail = 0.5 - t / (2 * np.sqrt(2 + t**2))
    low = equivalence(values, -1.0, 100.0)
    assert float(low.inside) == pytest.approx(tail, rel=1e-9)


def test_values_without_scatter_are_told_by_their_place():
    """Three equal seeds lie inside, above or below, bounds included, without a division by zero."""
    values = np.array([[0.5] * 3, [1.0] * 3, [1.5] * 3, [-2.0] * 3])
    found = equivalence(values, -1.0, 1.0)
    assert found.inside.tolist() == [0, 0, 1, 1]
    assert found.above.tolist() == [1, 1, 0, 1]
    assert found.below.tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("bad", [[[1.0]], [[1.0, np.nan]], [[]]])
def test_impossible_values_are_refused(bad):
    """One value, none, or NaN is no sample."""
    with pytest.raises(ValueError, match="expected"):
        equivalence(np.array(bad), -1, 1)
    with pytest.raises(ValueError, match="ordered"):
        equivalence(np.zeros(3), 1, -1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=10, deadline=None)
def test_holm_equals_statsmodels(p_values):
    """Adjusted p-values are those of statsmodels, in the given order."""
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)
    assert holm([]) == []


@given(st.decimals(0, 100, places=2), st.integers(0, 2))
def test_rounding_interval_holds_what_prints_alike(value, places):
    """A number lies in the interval of what it is rounded to; its width is one last digit."""
    unit = Decimal(1).scaleb(-places)
    printed = value.quantize(unit)
    low, high = rounding_interval(printed)
    assert low <= value <= high
    assert high - low == unit


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("truth", [1.0, -1.0, 1.5])
def test_tost_keeps_its_error_by_simulation(n, truth):
    """On or beyond a bound, equivalence is claimed in at most 5 % of 20 000 repetitions."""
    rng = np.random.default_rng(7)
    values = rng.normal(truth, 0.4, (20_000, n))
    claimed = float((equivalence(values, -1.0, 1.0).inside < 0.05).mean())
    assert claimed < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 20_000)
    if abs(truth) == 1.0:
        assert claimed > 0.03, "at the bound the test should nearly use up its level"


def test_tost_power_equals_theory():
    """At the centre the share of claims is that of the noncentral t region, integrated apart."""
    rng = np.random.default_rng(3)
    n, sigma = 5, 0.6
    values = rng.normal(0.0, sigma, (20_000, n))
    claimed = float((equivalence(values, -1.0, 1.0).inside < 0.05).mean())
    quantile = stats.t.ppf(0.95, n - 1)
    sd = np.linspace(1e-4, np.sqrt(n) / quantile, 4000)
    density = stats.chi.pdf(sd * np.sqrt(n - 1) / sigma, n - 1) * np.sqrt(n - 1) / sigma
    room = 1 - quantile * sd / np.sqrt(n)
    inside = 2 * stats.norm.cdf(room * np.sqrt(n) / sigma) - 1
    assert claimed == pytest.approx(np.trapezoid(density * inside, sd), abs=0.012)


def test_a_whole_table_keeps_its_error():
    """With 20 true deviations on the bound, some false claim occurs in at most 5 % of tables."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(300):
        values = rng.normal(1.0, 0.3, (20, 4))
        trials = {i: Trial(values=tuple(v), low=0.0, high=0.0) for i, v in enumerate(values)}
        found = decide(trials, MARGIN)
        wrong += any(verdict is Verdict.REPRODUCED for verdict, _ in found.values())
    assert wrong / 300 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 300)


def test_sides_and_sensitivity():
    """Close seeds inside, above and below; half and twice the margin move the verdict."""
    trials = {
        0: Trial(values=(0.0, 0.001, 0.002), low=0, high=0),
        1: Trial(values=(5.0, 5.001, 5.002), low=0, high=0),
        2: Trial(values=(-5.0, -5.001, -5.002), low=0, high=0),
        3: Trial(values=(5.0, 5.001, 5.002), low=0, high=0, lower_is_better=True),
        4: Trial(values=(-3.0, 0.0, 3.0), low=0, high=0),
        5: Trial(values=(0.7, 0.701, 0.702), low=0, high=0),
        6: Trial(values=(1.05, 1.05, 1.05), low=-0.05, high=0.05),
    }
    found = decide(trials, MARGIN)
    said = [found[i][0] for i in range(7)]
    worse, better, same = Verdict.WORSE, Verdict.BETTER, Verdict.REPRODUCED
    assert said == [same, better, worse, worse, Verdict.INCONCLUSIVE, same, same]
    assert found[5][1].at_half is better
    assert found[5][1].at_twice is same
    assert not found[5][1].robust
    assert found[0][1].robust


def test_correction_grows_with_the_table():
    """A cell that is reproduced alone may be undecided in a large table, and says so."""
    cell = Trial(values=(0.0, 0.3, -0.3), low=0, high=0)
    noise = {i: Trial(values=(-9.0, 0.0, 9.0), low=0, high=0) for i in range(1, 40)}
    alone = decide({0: cell}, MARGIN)[0]
    crowded = decide({0: cell} | noise, MARGIN)[0]
    assert alone[0] is Verdict.REPRODUCED
    assert crowded[0] is Verdict.INCONCLUSIVE
    assert crowded[1].uncorrected is Verdict.REPRODUCED
