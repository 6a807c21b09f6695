"""Drawn images: pure, exact, varied, and neither trivial nor impossible."""

from __future__ import annotations

import hashlib
import warnings
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from adrepro.datasets import synthetic
from adrepro.datasets.errors import DataError, UnknownNameError
from adrepro.datasets.mvtec import MVTEC_CATEGORIES
from adrepro.datasets.synthetic import (
    CATEGORIES,
    Counts,
    defects,
    draw,
    draw_strip,
)
from adrepro.datasets.synthetic.canvas import Pose, canvas, noise, over
from adrepro.datasets.synthetic.shapes import blob, stroke

GREY = {"grid", "screw", "zipper"}
ALL_DEFECTS = [(c, d) for c in CATEGORIES for d in defects(c)]


def test_categories_are_those_of_mvtec():
    """Every official category can be drawn, each with at least three kinds of defect."""
    assert sorted(CATEGORIES) == sorted(MVTEC_CATEGORIES)
    assert all(len(set(defects(c))) >= 3 for c in CATEGORIES)


@given(
    st.sampled_from(ALL_DEFECTS),
    st.integers(0, 5_000_000),
    st.integers(0, 2**40),
    st.sampled_from([64, 90, 128]),
)
@settings(max_examples=25, deadline=None)
def test_drawing_is_pure(kind, index, seed, size):
    """The same arguments give the same bytes, whatever was drawn in between."""
    category, defect = kind
    first = draw(category, index, defect=defect, size=size, seed=seed)
    draw("carpet", index + 1, defect="hole", size=64, seed=seed)
    again = draw(category, index, defect=defect, size=size, seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].shape == (size, size, 3)
    assert first[0].dtype == first[1].dtype == np.uint8
    assert set(np.unique(first[1])) == {0, 1}


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("category", CATEGORIES)
def test_masks_are_exact(category, size):
    """An image differs from the same one without its defect exactly inside the mask."""
    for k, defect in enumerate(defects(category)):
        index = 2_000_000 + 37 * k
        nominal, empty = draw(category, index, defect=None, size=size, seed=1)
        image, mask = draw(category, index, defect=defect, size=size, seed=1)
        assert not empty.any()
        assert np.array_equal((image != nominal).any(axis=2), mask == 1), defect
        assert 6 <= mask.sum() <= 0.5 * mask.size, defect


@pytest.mark.parametrize("category", CATEGORIES)
def test_only_whole_part_defects_are_large(category):
    """A defect covers less than 40 % of the picture, unless it is the part itself."""
    whole_part = {("metal_nut", "flip"), ("pill", "pill_type"), ("transistor", "misplaced")}
    for defect in defects(category):
        for index in range(3):
            _, mask = draw(category, index, defect=defect, size=64, seed=2)
            assert mask.mean() < 0.4 or (category, defect) in whole_part


@pytest.mark.parametrize("category", CATEGORIES)
def test_nominal_images_vary(category):
    """Two nominal images, and the same index under two seeds, differ in most pixels."""
    first, second = (draw(category, i, defect=None, size=96, seed=0)[0] for i in range(2))
    other = draw(category, 0, defect=None, size=96, seed=1)[0]
    assert (first != second).any(axis=2).mean() > 0.5
    assert (first != other).any(axis=2).mean() > 0.5


@pytest.mark.parametrize("category", CATEGORIES)
def test_scene_does_not_depend_on_size(category):
    """A larger picture shows the same scene: shrunk, it resembles its small twin."""
    small = draw(category, 5, defect=None, size=64, seed=0)[0].astype(float)
    large = draw(category, 5, defect=None, size=256, seed=0)[0].astype(float)
    stranger = draw(category, 6, defect=None, size=256, seed=0)[0].astype(float)
    shrunk, other = (x.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3)) for x in (large, stranger))
    smooth = [ndimage.gaussian_filter(x, (1.5, 1.5, 0)) for x in (small, shrunk, other)]
    assert np.abs(smooth[0] - smooth[1]).mean() < 0.8 * np.abs(smooth[0] - smooth[2]).mean()


@pytest.mark.parametrize("category", sorted(GREY))
def test_grey_categories_are_grey(category):
    """Grid, screw and zipper have three equal channels, with and without a defect."""
    for defect in (None, *defects(category)):
        image, _ = draw(category, 3, defect=defect, size=64, seed=0)
        assert (image == image[..., :1]).all()


def test_bytes_are_those_of_this_version():
    """The drawn bytes are pinned; whoever changes them also changes `VERSION`.

    The digest was the same under NumPy 2.0 with SciPy 1.13 and NumPy 2.4 with SciPy 1.17, with
    and without the vector units that NumPy chooses by processor.
    """
    digest = hashlib.sha256()
    for category in CATEGORIES:
        for index, defect in enumerate((None, *defects(category))):
            for pixels in draw(category, index, defect=defect, size=64, seed=5):
                digest.update(pixels.tobytes())
    for pixels in draw_strip(0, defective=True, height=300, width=110, seed=0):
        digest.update(pixels.tobytes())
    assert (synthetic.VERSION, digest.hexdigest()[:16]) == ("1", "5a7e4d654939bf89")


def test_severity_ranges_from_faint_to_obvious():
    """Within one kind of defect the mean change spans at least a factor of four."""
    changes = []
    for index in range(16):
        nominal, _ = draw("wood", index, defect=None, size=128, seed=0)
        image, mask = draw("wood", index, defect="scratch", size=128, seed=0)
        changes.append(np.abs(image.astype(int) - nominal)[mask == 1].mean())
    assert min(changes) < 16
    assert max(changes) > 4 * min(changes)


def test_strip_is_exact_and_varied():
    """A defective strip differs from the flawless one exactly inside its mask."""
    for index in range(8):
        arguments = {"height": 158, "width": 58, "seed": 4}
        nominal, empty = draw_strip(index, defective=False, **arguments)
        image, mask = draw_strip(index, defective=True, **arguments)
        assert image.shape == (158, 58, 3)
        assert not empty.any()
        assert np.array_equal((image != nominal).any(axis=2), mask == 1)
        assert 6 <= mask.sum() < 0.4 * mask.size


def test_bad_arguments_are_one_line():
    """An unknown name suggests the nearest one; a tiny size says what is possible."""
    with pytest.raises(UnknownNameError, match="did you mean leather"):
        draw("lether", 0, defect=None, size=64, seed=0)
    with pytest.raises(UnknownNameError, match="did you mean scratch"):
        draw("wood", 0, defect="scrach", size=64, seed=0)
    for bad in (
        lambda: draw("wood", 0, defect=None, size=10, seed=0),
        lambda: draw_strip(0, defective=True, height=200, width=10, seed=0),
        lambda: Counts(train=0),
        lambda: Counts(test_anomalous=-1),
    ):
        with pytest.raises(DataError) as caught:
            bad()
        assert "\n" not in str(caught.value)


def test_noise_has_unit_variance_and_follows_the_lattice():
    """The field has mean 0 and variance 1 whatever its frequency, and reproduces B-splines."""
    rng = np.random.default_rng(0)
    for cells in (20.0, 47.5, 90.0):
        fields = np.stack([noise(rng, canvas(128, 128), cells) for _ in range(20)])
        assert abs(fields.mean()) < 0.05
        assert fields.std() == pytest.approx(1, abs=0.05)


def test_stroke_and_blob_have_the_area_they_claim():
    """Coverage integrates to length × width of a line and to about πr² of a round spot."""
    on = canvas(200, 200)
    line = stroke(on, np.array([[-0.5, -0.3], [0.5, 0.4]]), 0.1)
    expected = np.hypot(1.0, 0.7) * 0.1 + np.pi * 0.05**2
    assert line.sum() * on.px**2 == pytest.approx(expected, rel=0.02)
    spot = blob(np.random.default_rng(0), on, (0.1, 0.2), 0.4, rough=0.0, soft=0.0)
    assert spot.sum() * on.px**2 == pytest.approx(np.pi * 0.4**2, rel=0.02)


def test_pose_inverts_and_over_blends():
    """A pose and its inverse cancel; blending is linear in coverage, channel by channel."""
    rng = np.random.default_rng(1)
    pose, points = Pose(0.1, -0.2, 0.7, 1.3), rng.normal(size=(50, 2))
    moved = pose.forward(points)
    back = np.stack(pose.inverse(moved[:, 0], moved[:, 1]), axis=1)
    assert np.allclose(back, points)
    rgb, alpha = rng.random((6, 7, 3)), rng.random((6, 7)) * (rng.random((6, 7)) > 0.6)
    expected = rgb * (1 - alpha[..., None]) + alpha[..., None] * np.array([0.1, 0.5, 0.9])
    over(rgb, (0.1, 0.5, 0.9), alpha)
    assert np.allclose(rgb, expected)


@lru_cache(maxsize=1)
def _baselines():
    """I-AUROC per category of a per-pixel z-score and of local mean and spread."""
    pixel, patch = [], []
    for category in CATEGORIES:
        train = _many(category, [(i, None) for i in range(24)])
        kinds = defects(category)
        bad = [(2_000_000 + i, kinds[i % len(kinds)]) for i in range(20)]
        test = _many(category, [(1_000_000 + i, None) for i in range(12)] + bad)
        labels = np.arange(len(test)) >= 12
        centre, spread = train.mean(axis=0), train.std(axis=0) + 2
        z = np.abs(test - centre) / spread
        pixel.append(roc_auc_score(labels, z.mean(axis=3).max(axis=(1, 2))))
        known, asked = _patches(train), _patches(test)
        scale = known.reshape(-1, 6).std(axis=0)
        near = NearestNeighbors(n_neighbors=1).fit(known.reshape(-1, 6) / scale)
        nearest = [near.kneighbors(each / scale)[0].max() for each in asked]
        patch.append(roc_auc_score(labels, nearest))
    return np.array(pixel), np.array(patch)


def _many(category, draws):
    return np.stack([draw(category, i, defect=d, size=96, seed=7)[0] for i, d in draws]).astype(
        np.float64
    )


def _patches(images):
    """Mean and spread of 6×6 patches: ``[N, 256, 6]``."""
    blocks = images.reshape(len(images), 16, 6, 16, 6, 3)
    stats = np.concatenate([blocks.mean(axis=(2, 4)), blocks.std(axis=(2, 4))], axis=-1)
    return stats.reshape(len(images), 256, 6)


def test_pixel_mean_does_not_solve_it():
    """A per-pixel mean and spread stay well below 0.9 on average."""
    pixel, _ = _baselines()
    assert pixel.mean() < 0.9


def test_patch_statistics_find_something():
    """Local statistics with a nearest neighbour are above 0.6 on average: there is a signal."""
    _, patch = _baselines()
    assert patch.mean() > 0.6


def test_no_warnings_and_nothing_global():
    """Drawing raises no floating-point warning and leaves NumPy's global generator alone."""
    state = np.random.get_state(legacy=False)["state"]["key"].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for category in CATEGORIES:
            draw(category, 11, defect=defects(category)[0], size=64, seed=3)
    assert np.array_equal(state, np.random.get_state(legacy=False)["state"]["key"])


def test_public_surface():
    """What the package offers is what it says it offers."""
    offered = {"CATEGORIES", "VERSION", "Counts", "defects", "draw", "draw_strip", "materialise"}
    assert set(synthetic.__all__) == offered
    assert all(hasattr(synthetic, name) for name in synthetic.__all__)
