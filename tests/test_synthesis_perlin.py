"""Perlin noise and the masks made of it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrepro.methods.synthesis.perlin import perlin_mask, perlin_noise


def naive_noise(size, cells, angles):
    """Gradient noise by its definition, pixel by pixel."""
    field = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            y, x = i * cells[0] / size, j * cells[1] / size
            top, left = int(y), int(x)
            dy, dx = y - top, x - left
            fy, fx = (t**3 * (t * (6 * t - 15) + 10) for t in (dy, dx))
            for a in (0, 1):
                for b in (0, 1):
                    angle = angles[top + a, left + b]
                    ramp = math.cos(angle) * (dy - a) + math.sin(angle) * (dx - b)
                    weight = (fy if a else 1 - fy) * (fx if b else 1 - fx)
                    field[i, j] += math.sqrt(2) * weight * ramp
    return field


@pytest.mark.parametrize(("size", "cells"), [(16, (2, 4)), (21, (4, 1)), (9, (8, 8))])
def test_noise_is_the_naive_one(size, cells):
    """Vectorised noise equals a loop over pixels, also where cells do not divide the side."""
    field = perlin_noise(size, cells, np.random.default_rng(3))
    angles = np.random.default_rng(3).uniform(0, 2 * math.pi, (cells[0] + 1, cells[1] + 1))
    np.testing.assert_allclose(field, naive_noise(size, cells, angles), atol=1e-5)


def test_noise_is_zero_on_lattice_points():
    """Every gradient's ramp starts at its own lattice point."""
    field = perlin_noise(64, (8, 4), np.random.default_rng(0))
    assert np.abs(field[::8, ::16]).max() == 0
    assert field.std() > 0.1


def test_noise_of_impossible_size():
    """No pixels or no cells is a programming error."""
    with pytest.raises(ValueError, match="at least 1"):
        perlin_noise(8, (0, 1), np.random.default_rng(0))


@settings(max_examples=20, deadline=None)
@given(st.integers(8, 150), st.integers(0, 2**32))
def test_masks_repeat_with_the_seed(size, seed):
    """Any size; the same generator state gives the same mask."""
    first, second = (perlin_mask(size, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == (size, size)
    assert first.dtype == bool
    np.testing.assert_array_equal(first, second)


def test_masks_differ_and_cover_a_part():
    """Masks are all different, a few empty, and cover a small share of the image on average."""
    generator = np.random.default_rng(1)
    masks = np.stack([perlin_mask(96, generator) for _ in range(200)])
    filled = masks[masks.any(axis=(1, 2))]
    assert len(filled) > 150
    assert len(np.unique(filled.reshape(len(filled), -1), axis=0)) == len(filled)
    assert 0.01 < masks.mean() < 0.15


def test_threshold_and_scale_do_what_they_say():
    """A lower threshold masks more; more cells make more and smaller blobs."""
    from scipy.ndimage import label

    def masks(**options):
        generator = np.random.default_rng(2)
        return [perlin_mask(128, generator, **options) for _ in range(30)]

    assert np.mean(masks(threshold=0.2)) > 2 * np.mean(masks(threshold=0.5))
    coarse, fine = masks(scale_powers=(1, 2)), masks(scale_powers=(5, 6))
    blobs = [np.mean([label(mask)[1] for mask in one]) for one in (coarse, fine)]
    assert blobs[1] > 20 * max(blobs[0], 1)
