"""PaDiM: embedding, Gaussians and distances against scipy and numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import drawn_set, make_context
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import mahalanobis as scipy_mahalanobis
from torch.nn import functional

from adrepro.datasets.errors import CellError, UsageError
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.features import FeatureProvider
from adrepro.methods.maps import smoothed_maximum
from adrepro.methods.padim import gaussian
from adrepro.methods.padim.gaussian import embed, fit_gaussians, mahalanobis
from adrepro.methods.padim.method import Padim, PadimSettings
from adrepro.methods.settings import make_settings


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 100))
def test_distance_equals_scipy(images, dim, seed):
    """Every position's distance is scipy's with numpy's sample covariance plus the ridge."""
    vectors = torch.randn(5, images, dim, generator=generator(seed)) * 3 + 1
    queries = torch.randn(5, 4, dim, generator=generator(seed + 1)) * 3
    found = mahalanobis(queries, *fit_gaussians(vectors, 0.01))
    for position in range(5):
        rows = vectors[position].double().numpy()
        ridge = 0.01 * np.eye(dim)
        inverse = np.linalg.inv(np.cov(rows, rowvar=False).reshape(dim, dim) + ridge)
        for i, query in enumerate(queries[position].double().numpy()):
            expected = scipy_mahalanobis(query, rows.mean(axis=0), inverse)
            assert float(found[i, position]) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_blocks_change_nothing(monkeypatch):
    """Covariances computed in several blocks are those computed in one."""
    vectors = torch.randn(9, 4, 3, generator=generator())
    whole = fit_gaussians(vectors, 0.1)
    monkeypatch.setattr(gaussian, "BLOCK", 30)
    torch.testing.assert_close(fit_gaussians(vectors, 0.1), whole)


def test_fewer_images_than_channels():
    """Off the span of two images only the ridge counts: the distance is |δ| / √ε."""
    vectors = torch.zeros(1, 2, 3)
    vectors[0, 1, 0] = 100.0  # all variance on the first axis
    gaussians = fit_gaussians(vectors, 0.01)
    query = torch.tensor([[[50.0, 0.3, -0.4]]])
    assert float(mahalanobis(query, *gaussians)) == pytest.approx(0.5 / 0.1, rel=1e-4)


def test_embedding_by_hand():
    """Channels are counted finest layer first, and a coarse value covers its block."""
    maps = {
        8: torch.arange(8.0).reshape(1, 2, 2, 2) + 100,
        4: torch.arange(32.0).reshape(1, 2, 4, 4),
    }
    found = embed(maps, torch.tensor([1, 3]))  # second of stride 4, second of stride 8
    assert found.shape == (16, 1, 2)
    grid = found.reshape(4, 4, 2)
    assert torch.equal(grid[:, :, 0], maps[4][0, 1])
    expected = maps[8][0, 1].repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
    assert torch.equal(grid[:, :, 1], expected)


@pytest.mark.parametrize("sides", [(8, 4, 2), (7, 4, 2), (9, 3, 3), (5, 5, 5)])
def test_embedding_equals_nearest_interpolation(sides):
    """Whether coarse grids divide the finest or not; written into part of a larger tensor too."""
    maps = {
        s: torch.rand(3, c, n, n, generator=generator())
        for s, c, n in zip((4, 8, 16), (3, 4, 5), sides, strict=True)
    }
    channels = torch.tensor([0, 2, 4, 6, 7, 11])
    joined = torch.cat([functional.interpolate(m, size=sides[:1] * 2) for m in maps.values()], 1)
    expected = joined[:, channels].flatten(2).permute(2, 0, 1)
    assert torch.equal(embed(maps, channels), expected)
    whole = torch.zeros(sides[0] ** 2, 5, len(channels))
    embed(maps, channels, whole[:, 1:4])
    assert torch.equal(whole[:, 1:4], expected)
    assert not whole[:, [0, 4]].any()


def test_smoothed_maximum_equals_the_harness():
    """The image score is the largest value of the map that the harness measures."""
    from adrepro.harness.smoothing import upsample_and_smooth

    maps = torch.rand(3, 7, 7, generator=generator())
    for size, sigma in ((28, 2.0), (28, 0.0), (7, 1.0)):
        expected = upsample_and_smooth(maps.numpy(), size, sigma).max(axis=(1, 2))
        np.testing.assert_allclose(smoothed_maximum(maps, size, sigma), expected, rtol=1e-5)


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


@pytest.fixture
def images(tmp_path):
    return drawn_set(tmp_path / "images", 8)


def fitted(images, provider, seed=0, **changes):
    method = Padim(PadimSettings(**changes))
    method.fit(images, make_context(provider, seed))
    return method


def test_one_gaussian_per_position(images, provider):
    """The same patch is likely at one position and unlikely at another."""
    method = fitted(images, provider)
    vectors = method._embed(images.subset([0]), make_context(provider))
    own = mahalanobis(vectors, method._means, method._factors)
    moved = mahalanobis(vectors.roll(5, dims=0), method._means, method._factors)
    assert float(own.max()) < float(moved.mean())


def test_image_score_is_the_smoothed_maximum(images, provider):
    """Maps lie on the stride-4 grid; the image score is taken after upsampling and smoothing."""
    scores = fitted(images.subset(range(5)), provider).score(images, make_context(provider))
    assert scores.maps.shape == (8, 16, 16)
    full = torch.nn.functional.interpolate(
        torch.from_numpy(scores.maps)[:, None], size=(64, 64), mode="bilinear"
    )[:, 0]
    smooth = gaussian_filter(full.numpy(), (0, 4, 4))
    np.testing.assert_allclose(scores.image, smooth.max(axis=(1, 2)), rtol=1e-6)
    assert scores.image[:5].max() < scores.image[5:].min()


def test_the_seed_draws_the_channels(images, provider):
    """The same seed draws the same channels, another seed others, none twice."""
    first, again, other = (fitted(images, provider, seed, dim=20)._channels for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(set(first.tolist())) == 20


@pytest.mark.parametrize(
    ("name", "available", "dim"),
    [
        ("wide_resnet50_2", 1792, 550),
        ("resnet18", 448, 100),
        ("efficientnet_lite0", 176, 100),
        ("efficientnet_lite0", 40, 40),
    ],
)
def test_papers_dimensions(name, available, dim):
    """The paper's two networks get its numbers of channels, others 100 or all."""
    context = make_context(FeatureProvider(parse_backbone(f"{name}.random")))
    channels = Padim()._draw(available, context)
    assert len(channels.unique()) == len(channels) == dim
    assert int(channels.max()) < available


def test_too_many_channels(images, provider):
    """More channels than there are is one line that says how many there are."""
    with pytest.raises(UsageError, match=r"padim.dim=200: .* have 176 channels"):
        fitted(images, provider, dim=200)


def test_one_image_has_no_covariance(images, provider):
    """One training image is a failed cell, not a division by zero."""
    with pytest.raises(CellError, match="1 training image, expected at least 2"):
        fitted(images.subset([0]), provider)


@pytest.mark.parametrize(("key", "value"), [("strides", "()"), ("dim", "0"), ("epsilon", "0")])
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key):
        make_settings(Padim, "paper", {key: value})
