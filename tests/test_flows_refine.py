"""The refinement engine: rules against numpy, schedules, and their breakdown points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from adrepro.methods.flows.refine import Refinement, Rule, cycles, every

SCORES = st.lists(st.floats(0.1, 1e3), min_size=4, max_size=40).map(np.array)
SOFT = Rule(spread="iqr", factor=1.5, soft=True)


def contaminated(share, shift=8.0, count=200):
    """Normal scores with a share of them shifted by ``shift`` standard deviations."""
    scores = np.random.default_rng(0).normal(20, 1, count)
    injected = np.arange(count) < share * count
    return scores + shift * injected, injected


@given(scores=SCORES, k=st.floats(0, 5))
def test_iqr_limit_is_that_of_quartiles(scores, k):
    """t = Q3 + k (Q3 − Q1)."""
    q1, q3 = np.percentile(scores, 25), np.percentile(scores, 75)
    assert Rule(spread="iqr", factor=k).limit(scores) == pytest.approx(q3 + k * (q3 - q1))


@given(scores=SCORES, c=st.floats(0, 5))
def test_mad_limit_is_scipys(scores, c):
    """Median plus c Gaussian-consistent median absolute deviations."""
    expected = np.median(scores) + c * median_abs_deviation(scores, scale="normal")
    found = Rule(spread="mad", factor=c).limit(scores)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-9)


@given(scores=SCORES)
def test_soft_weights_by_hand(scores):
    """Beyond the limit an image weighs limit / score, within it 1."""
    limit = SOFT.limit(scores)
    expected = [min(1.0, limit / score) for score in scores]
    np.testing.assert_allclose(SOFT.weights(scores), expected, rtol=1e-6)


def test_soft_weights_refuse_scores_without_a_scale():
    """A quotient of negative scores means nothing."""
    with pytest.raises(ValueError, match="positive"):
        SOFT.weights(np.array([-1.0, 1.0, 2.0, 3.0]))


@pytest.mark.parametrize(("share", "found"), [(0.2, 1.0), (0.3, 0.0), (0.4, 0.0), (0.5, 0.0)])
def test_breakdown_of_the_iqr(share, found):
    """Q3 + 1.5 IQR finds every well separated contaminant at 20 %, none from 30 % on."""
    scores, injected = contaminated(share)
    removed = Rule(spread="iqr", factor=1.5).weights(scores) == 0
    assert removed[injected].mean() == pytest.approx(found, abs=0.01)


def test_mad_lasts_a_little_longer():
    """Median + 3 MAD still works at 30 % and is gone at 45 %."""
    rule = Rule(spread="mad", factor=3.0)
    for share, low, high in ((0.3, 0.9, 1.0), (0.45, 0.0, 0.1)):
        scores, injected = contaminated(share)
        assert low <= (rule.weights(scores) == 0)[injected].mean() <= high


def refinement(**changes):
    plain = {"rule": Rule(spread="iqr", factor=1.5), "epochs": (1,)}
    return Refinement(**(plain | changes))


def test_cumulative_removal_never_brings_an_image_back():
    """What was removed is neither judged nor kept again; without it every image is judged anew."""
    scores = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 50.0, 1.0, 1.2])
    before = np.ones(8, dtype=np.float32)
    before[0] = 0
    weights, more = refinement(cumulative=True).refine(scores, before)
    assert weights.tolist() == [0, 1, 1, 1, 1, 0, 1, 1]
    assert more
    weights, _ = refinement().refine(scores, before)
    assert weights.tolist() == [1, 1, 1, 1, 1, 0, 1, 1]


def test_refinement_ends():
    """A removal below the share, or one that would leave too few, is the last."""
    scores = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 50.0, 1.0, 1.2])
    ones = np.ones(8, dtype=np.float32)
    weights, more = refinement(stop_below=0.2).refine(scores, ones)
    assert (weights.sum(), more) == (7, False)
    # Exactly the share is not smaller than it: one image of a hundred goes on at 1 %.
    many = np.concatenate([np.linspace(1, 2, 99), [50.0]])
    weights, more = refinement(stop_below=0.01).refine(many, np.ones(100, dtype=np.float32))
    assert (weights.sum(), more) == (99, True)
    weights, more = refinement(min_kept=0.9).refine(scores, ones)
    assert (weights.sum(), more) == (8, False)
    same, more = refinement(cumulative=True).refine(np.arange(8.0), ones)
    assert (same.sum(), more) == (8, False)  # nothing was removed


def test_schedules():
    """Refinements fall inside the training, never on its last epoch."""
    assert every(240, 24) == (24, 48, 72, 96, 120, 144, 168, 192, 216)
    assert every(12, 1) == tuple(range(1, 12))
    assert cycles(240, 60, 5) == (60, 96, 132, 168, 204)
    assert cycles(240, 120, 1) == (120,)
    assert cycles(3, 1, 5) == (1, 2)
    assert cycles(1, 1, 1) == ()
