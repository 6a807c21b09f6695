"""Pixel metrics in bounded memory: the exact ones lie within the stated error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adrepro.harness.metrics import pixel_metrics
from adrepro.harness.metrics_stream import Bounded, PixelCounts

NAMES = ("auroc", "ap", "aupro", "f1_max")
ROUNDING = 1e-12


def streamed(maps, masks, bits=20, portion=1, limit=0.3):
    counts = PixelCounts(bits)
    for start in range(0, len(maps), portion):
        counts.add(maps[start : start + portion], masks[start : start + portion])
    return counts.metrics(limit)


def blobs(seed, images=6, side=48):
    """Noise that is higher inside a rectangle per image; the first third is nominal."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((images, side, side), np.uint8)
    for mask in masks[images // 3 :]:
        row, column, height, width = rng.integers(4, side // 2, 4)
        mask[row : row + height, column : column + width] = 255
    maps = rng.gamma(4, 0.25, masks.shape) + (masks != 0) * rng.random(masks.shape)
    return maps.astype(np.float32), masks


def assert_within(found, exact):
    for name in NAMES:
        bounded, value = getattr(found, name), getattr(exact, name)
        assert (bounded is None) == (value is None), name
        if bounded is not None:
            assert abs(bounded.value - value) <= bounded.error + ROUNDING, name


@settings(max_examples=150, deadline=None)
@given(
    scores=arrays(np.float32, (3, 4, 5), elements=st.floats(-4, 4, width=32)),
    masks=arrays(bool, (3, 4, 5)),
    bits=st.integers(10, 14),
    limit=st.floats(0.01, 1),
)
def test_exact_value_lies_within_the_error(scores, masks, bits, limit):
    """For any scores (ties, signs, zeros), masks, bins and limits."""
    assert_within(
        streamed(scores, masks, bits, limit=limit), pixel_metrics(scores, masks, fpr_limit=limit)
    )


@settings(max_examples=60, deadline=None)
@given(
    scores=arrays(np.float32, (2, 3, 4), elements=st.sampled_from([1, 1 + 2**-20, 1 + 2**-19, 3])),
    masks=arrays(bool, (2, 3, 4)),
)
def test_many_scores_of_one_bin(scores, masks):
    """Scores that bins cannot tell apart: the error covers whatever their order is."""
    assert_within(streamed(scores, masks, bits=12), pixel_metrics(scores, masks))


@pytest.mark.parametrize("seed", range(3))
def test_error_is_small_and_shrinks_with_more_bits(seed):
    """Bins of 2⁻¹¹ give three digits of every metric; wider ones a larger error, never smaller."""
    maps, masks = blobs(seed)
    exact = pixel_metrics(maps, masks)
    errors = []
    for bits in (12, 16, 20, 24):
        found = streamed(maps, masks, bits)
        assert_within(found, exact)
        errors.append([getattr(found, name).error for name in NAMES])
    assert np.all(np.diff(errors, axis=0) <= ROUNDING)
    assert np.max(errors[2]) < 1e-3
    assert np.max(errors[0]) > 1e-3  # the bound says so where bins are coarse


def test_exact_where_no_bin_holds_both_kinds():
    """Separated kinds leave no doubt: the error is zero and the values are those of the curves."""
    maps = np.array([[[0.25, 0.5], [2.0, 4.0]]], dtype=np.float32)
    masks = np.array([[[0, 1], [0, 1]]], dtype=np.uint8)
    found, exact = streamed(maps, masks), pixel_metrics(maps, masks)
    assert found.auroc == Bounded(exact.auroc, 0.0)
    assert found.f1_max == Bounded(exact.f1_max, 0.0)
    assert found.aupro.error == pytest.approx(0, abs=ROUNDING)
    assert found.aupro.value == pytest.approx(exact.aupro)


def test_order_portions_and_processes_do_not_matter():
    """One portion, one image at a time, in reverse, or added from two counters: the same."""
    maps, masks = blobs(7)
    whole = streamed(maps, masks, portion=len(maps))
    first, second = PixelCounts(), PixelCounts()
    first.add(maps[:2], masks[:2])
    second.add(maps[2:], masks[2:])
    first += second
    for other in (streamed(maps, masks), streamed(maps[::-1], masks[::-1]), first.metrics()):
        for name in NAMES:
            a, b = getattr(whole, name), getattr(other, name)
            assert a.value == pytest.approx(b.value, abs=ROUNDING)
            assert a.error == pytest.approx(b.error, abs=ROUNDING)


def test_memory_does_not_grow_with_the_images():
    """A thousand images are held in as many numbers as one."""
    counts = PixelCounts(bits=12)
    maps, masks = blobs(1, images=3, side=32)
    counts.add(maps, masks)
    held = {name: a.nbytes for name, a in vars(counts).items() if isinstance(a, np.ndarray)}
    for _ in range(333):
        counts.add(maps, masks)
    after = {name: a.nbytes for name, a in vars(counts).items() if isinstance(a, np.ndarray)}
    assert after == held
    assert sum(held.values()) == 24 * 2**12


def test_undefined_without_both_kinds():
    """No pixels, no defective or no defect-free ones: None, as in the exact metrics."""
    counts = PixelCounts()
    assert counts.metrics().auroc is None
    for value in (0, 1):
        maps = np.ones((1, 4, 4), dtype=np.float32)
        found = streamed(maps, np.full(maps.shape, value))
        assert [getattr(found, name) for name in NAMES] == [None] * 4


@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 3)), "expected two"),
        (np.zeros((2, 2), np.float32), np.zeros((2, 2)), "expected two"),
        (np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), "expected float32"),
        (np.full((1, 2, 2), np.nan, np.float32), np.zeros((1, 2, 2)), "NaN or infinity"),
    ],
)
def test_wrong_input_is_refused(maps, masks, message):
    """Shapes, types and numbers that mean nothing, with what was expected."""
    with pytest.raises(ValueError, match=message):
        PixelCounts().add(maps, masks)


def test_wrong_parameters_are_refused():
    """Bits, limits and counts of other bins."""
    with pytest.raises(ValueError, match="bits 9"):
        PixelCounts(9)
    with pytest.raises(ValueError, match="fpr_limit 0"):
        PixelCounts().metrics(0)
    counts = PixelCounts(12)
    with pytest.raises(ValueError, match="expected 12"):
        counts += PixelCounts(13)
