"""Metrics against scikit-learn, a naive threshold loop and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)

from adrepro.harness.metrics import image_metrics, pixel_metrics, upsample_and_smooth
from adrepro.harness.threshold import iqr_threshold

TOLERANCE = 1e-9


def sklearn_f1_max(labels, scores):
    """Best F1 of scikit-learn's precision–recall curve."""
    precision, recall, _ = precision_recall_curve(labels, scores)
    return np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300))


def naive_aupro(maps, masks, limit):
    """AUPRO by its words: one pass over the image per distinct threshold, region by region."""
    regions = [
        (image, ndimage.label(mask, np.ones((3, 3)))[0] == index)
        for image, mask in enumerate(masks)
        for index in range(1, ndimage.label(mask, np.ones((3, 3)))[1] + 1)
    ]
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        called = maps >= threshold
        overlap = np.mean([called[image][region].mean() for image, region in regions])
        points.append((called[masks == 0].mean(), overlap))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / limit


def samples(levels):
    """Scores on a coarse grid (many ties) with labels of both classes."""
    return st.integers(2, 60).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.float32, n, elements=st.sampled_from(levels)),
            hnp.arrays(np.bool_, n).filter(lambda labels: labels.any() and not labels.all()),
        )
    )


@settings(max_examples=200, deadline=None)
@given(samples([np.float32(v) for v in (-1.5, -0.0, 0.0, 0.1, 1e-30, 7.25)]))
def test_image_metrics_equal_sklearn_under_heavy_ties(drawn):
    """Every image metric equals scikit-learn's on heavily tied float32 scores."""
    scores, labels = drawn
    found = image_metrics(scores, labels, threshold=0.05)
    predicted = scores > 0.05
    assert found.auroc == pytest.approx(roc_auc_score(labels, scores), abs=TOLERANCE)
    assert found.ap == pytest.approx(average_precision_score(labels, scores), abs=TOLERANCE)
    assert found.f1_max == pytest.approx(sklearn_f1_max(labels, scores), abs=TOLERANCE)
    assert found.precision == pytest.approx(precision_score(labels, predicted, zero_division=0))
    assert found.recall == pytest.approx(recall_score(labels, predicted))
    assert found.f1 == pytest.approx(f1_score(labels, predicted))
    assert f1_score(labels, scores >= found.f1_max_threshold) == pytest.approx(found.f1_max)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decimals", [1, 12])
def test_pixel_metrics_equal_sklearn(dtype, decimals):
    """Pixel AUROC, AP and F1-max equal scikit-learn's, tied and untied."""
    rng = np.random.default_rng(0)
    masks = (rng.random((6, 40, 30)) < 0.05).astype(np.uint8)
    maps = np.round(rng.standard_normal(masks.shape) + masks, decimals).astype(dtype)
    found = pixel_metrics(maps, masks)
    labels, scores = masks.ravel(), maps.ravel()
    assert found.auroc == pytest.approx(roc_auc_score(labels, scores), abs=TOLERANCE)
    assert found.ap == pytest.approx(average_precision_score(labels, scores), abs=TOLERANCE)
    assert found.f1_max == pytest.approx(sklearn_f1_max(labels, scores), abs=TOLERANCE)


@settings(max_examples=150, deadline=None)
@given(
    maps=hnp.arrays(np.float32, (3, 5, 4), elements=st.integers(0, 6).map(np.float32)),
    masks=hnp.arrays(np.uint8, (3, 5, 4), elements=st.sampled_from([0, 0, 0, 1])),
    limit=st.sampled_from([0.01, 0.05, 0.3, 0.77, 1.0]),
)
def test_aupro_equals_naive_loop(maps, masks, limit):
    """AUPRO equals a loop over all distinct thresholds, ties and interpolation included."""
    found = pixel_metrics(maps, masks, fpr_limit=limit).aupro
    if not masks.any() or masks.all():
        assert found is None
    else:
        assert found == pytest.approx(naive_aupro(maps, masks, limit), abs=TOLERANCE)


def test_aupro_equals_naive_loop_on_untied_scores():
    """The same on continuous scores, where the limit falls between two thresholds."""
    rng = np.random.default_rng(1)
    masks = np.zeros((3, 16, 16), np.uint8)
    masks[0, 2:5, 2:5] = masks[0, 9:15, 9:11] = masks[2, 0, :] = 1
    maps = rng.random(masks.shape).astype(np.float32) + 0.3 * masks.astype(np.float32)
    for limit in (0.05, 0.3, 1.0):
        expected = naive_aupro(maps, masks, limit)
        assert pixel_metrics(maps, masks, limit).aupro == pytest.approx(expected, abs=TOLERANCE)


def test_aupro_weighs_regions_not_pixels():
    """Missing a one-pixel region costs as much as missing a large one; diagonals connect."""
    masks = np.zeros((1, 10, 10), np.uint8)
    masks[0, :4, :5] = 1
    masks[0, 8, 8] = 1
    maps = np.zeros(masks.shape, np.float32)
    maps[0, :4, :5] = 1
    # the missed region rises on the straight line from (0, ½) to (1, 1)
    assert pixel_metrics(maps, masks, 0.3).aupro == pytest.approx(0.5 + 0.5 * 0.3 / 2)
    masks[0, 4, 5] = 1  # touches the large region by a corner: still two regions
    assert pixel_metrics(maps, masks, 0.3).aupro == pytest.approx(
        naive_aupro(maps, masks, 0.3), abs=TOLERANCE
    )


def test_regions_do_not_reach_into_the_next_image():
    """The same defect in two consecutive images is two regions."""
    masks = np.zeros((2, 6, 6), np.uint8)
    masks[:, 2:4, 2:4] = 1
    maps = np.zeros(masks.shape, np.float32)
    maps[0, 2:4, 2:4] = 2
    maps[1, 0, 0] = 1
    expected = naive_aupro(maps, masks, 0.3)
    assert pixel_metrics(maps, masks).aupro == pytest.approx(expected, abs=TOLERANCE)


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.int16, (3, 6, 6), elements=st.integers(-20, 20)),
    hnp.arrays(np.uint8, (3, 6, 6), elements=st.integers(0, 1)),
)
def test_pixel_metrics_ignore_monotone_transforms(raw, masks):
    """Any strictly increasing transform of all maps together changes no pixel metric."""
    maps = raw.astype(np.float32)
    assert pixel_metrics(maps, masks) == pixel_metrics(np.exp(maps.astype(np.float64)), masks)


def test_per_image_normalisation_is_not_harmless():
    """Stretching every image on its own changes the pooled metrics (a known error of the field)."""
    rng = np.random.default_rng(2)
    masks = np.zeros((8, 12, 12), np.uint8)
    masks[4:, 3:6, 3:6] = 1
    maps = (rng.random(masks.shape) * 0.2 + 0.7 * masks).astype(np.float32)
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    assert pixel_metrics(maps, masks).auroc == 1
    assert pixel_metrics((maps - low) / (high - low), masks).auroc < 0.99


def test_undefined_metrics_are_none():
    """One class alone gives None, never 0, 1 or NaN; precision and recall keep their own rule."""
    scores = np.array([0.1, 0.9])
    nominal = image_metrics(scores, np.zeros(2, bool), 0.5)
    assert set(vars_of(nominal).values()) == {None}
    anomalous = image_metrics(scores, np.ones(2, bool), 0.5)
    assert (anomalous.precision, anomalous.recall) == (1.0, 0.5)
    assert anomalous.f1 == pytest.approx(2 / 3)
    assert {anomalous.auroc, anomalous.ap, anomalous.f1_max, anomalous.f1_max_threshold} == {None}
    for mask in (0, 1):
        masks = np.full((2, 3, 3), mask, np.uint8)
        assert set(vars_of(pixel_metrics(np.ones((2, 3, 3)), masks)).values()) == {None}


def vars_of(metrics):
    """Fields of a slotted dataclass."""
    return {name: getattr(metrics, name) for name in metrics.__slots__}


def test_precision_is_zero_when_nothing_is_called():
    """No predicted anomaly means precision, recall and F1 of 0."""
    found = image_metrics(np.array([0.0, 1.0]), np.array([False, True]), threshold=1.0)
    assert (found.precision, found.recall, found.f1) == (0, 0, 0)


def test_threshold_is_not_rounded_to_the_scores():
    """A float32 score just above a float64 threshold is above it."""
    score = np.array([np.float32(0.1)])  # 0.100000001…
    assert image_metrics(score, np.array([True]), threshold=0.1).recall == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(0, 0, 0), (0, 4, 4)])
def test_non_finite_scores_are_refused(bad, where):
    """NaN and infinity raise, among nominal and among defective pixels, and in image scores."""
    maps = np.zeros((1, 5, 5), np.float32)
    masks = np.zeros((1, 5, 5), np.uint8)
    masks[0, 4, 4] = 1
    maps[where] = bad
    with pytest.raises(ValueError, match="NaN or infinity"):
        pixel_metrics(maps, masks)
    with pytest.raises(ValueError, match="NaN or infinity"):
        pixel_metrics(maps, np.zeros_like(masks))
    with pytest.raises(ValueError, match="NaN or infinity"):
        image_metrics(np.array([0.0, bad]), np.array([True, False]), 0.0)


def test_wrong_shapes_and_limits_are_refused():
    """Shapes that do not agree and limits out of range say so."""
    maps, masks = np.zeros((2, 4, 4), np.float32), np.zeros((2, 4, 4), np.uint8)
    with pytest.raises(ValueError, match="expected two"):
        pixel_metrics(maps, masks[:1])
    with pytest.raises(ValueError, match="expected a rate"):
        pixel_metrics(maps, masks, fpr_limit=0.0)
    with pytest.raises(ValueError, match=r"expected \[N\]"):
        image_metrics(np.zeros(3), np.zeros(2, bool), 0.0)


def test_counts_are_exact_beyond_float32():
    """With more background pixels than a float32 counter can hold the AUROC is exact to one."""
    maps = np.full((72, 512, 512), 2.0, np.float32)
    masks = np.zeros(maps.shape, np.uint8)
    maps[0, 0, 0], masks[0, 0, 0] = 1.0, 1
    maps[0, 0, 1:6] = 0.0
    background = maps.size - 1
    assert background > 2**24
    found = pixel_metrics(maps, masks)
    assert found.auroc == 5 / background
    assert found.ap == 1 / (background - 4)
    assert found.f1_max == 2 / (background - 5 + 2)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(7, 7, 40), (28, 20, 64), (1, 1, 9), (9, 9, 9)]
)
@pytest.mark.parametrize("sigma", [0.0, 1.3, 4.0])
def test_upsampling_equals_torch_and_scipy(height, width, size, sigma):
    """The resampling matrices equal torch's bilinear interpolation and scipy's Gaussian."""
    maps = np.random.default_rng(3).standard_normal((2, height, width)).astype(np.float32)
    wide = torch.nn.functional.interpolate(
        torch.from_numpy(maps).double()[:, None], size=(size, size), mode="bilinear"
    )[:, 0].numpy()
    expected = ndimage.gaussian_filter(wide, (0, sigma, sigma)) if sigma else wide
    found = upsample_and_smooth(maps, size, sigma)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_upsampling_keeps_constant_maps_constant():
    """A constant map stays constant to the last bit, so that its pixels remain ties."""
    maps = np.full((1, 14, 14), 0.1, np.float32)
    assert np.unique(upsample_and_smooth(maps, 96, 4.0)).tolist() == [np.float32(0.1)]


def test_upsampling_refuses_to_shrink():
    """A map larger than the result would alias: refused, like a negative sigma."""
    with pytest.raises(ValueError, match="at most 8"):
        upsample_and_smooth(np.zeros((1, 9, 9), np.float32), 8, 0.0)
    with pytest.raises(ValueError, match="sigma -1"):
        upsample_and_smooth(np.zeros((1, 4, 4), np.float32), 8, -1.0)


def test_iqr_threshold_is_tukeys_fence():
    """Q3 + 1.5 IQR with linear quartiles, worked out by hand."""
    assert iqr_threshold(np.array([0.0, 1.0, 2.0, 3.0, 4.0])) == 3 + 1.5 * 2
    assert iqr_threshold(np.array([1.0, 2.0]), k=0) == 1.75
    assert iqr_threshold(np.array([5.0])) == 5.0


def test_iqr_threshold_breaks_down_above_a_quarter():
    """It sits between the classes at 20 % contamination and among the anomalies at 30 %."""
    rng = np.random.default_rng(4)
    for anomalies, breaks in ((20, False), (30, True)):
        scores = np.r_[rng.standard_normal(100 - anomalies), 8 + rng.standard_normal(anomalies)]
        assert (iqr_threshold(scores) > 8) is breaks


@pytest.mark.parametrize("scores", [[], [np.nan], [[1.0, 2.0]]])
def test_iqr_threshold_refuses_bad_scores(scores):
    """No scores, NaN and a matrix are refused; so is a negative k."""
    with pytest.raises(ValueError, match="expected \\[N\\]"):
        iqr_threshold(np.array(scores))
    with pytest.raises(ValueError, match="k -1"):
        iqr_threshold(np.array([1.0]), k=-1)


@pytest.mark.parametrize("regions", [1, 3, 7, 11])
def test_perfect_maps_never_exceed_one(regions):
    """Rounding in the regions' weights does not lift a perfect map above 1."""
    side = 4 * regions
    masks = np.zeros((2, side, side), dtype=np.uint8)
    for k in range(regions):
        masks[0, 4 * k : 4 * k + 2, 4 * k : 4 * k + 3 - k % 2] = 1
    found = pixel_metrics(masks.astype(np.float32), masks)
    for value in (found.aupro, found.auroc, found.ap, found.f1_max):
        assert 1 - 1e-12 <= value <= 1
