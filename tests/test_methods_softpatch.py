"""SoftPatch: outlier weights, the hard and the soft step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import drawn_set, make_context
from PIL import Image
from scipy.spatial.distance import mahalanobis
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from adrepro.datasets.errors import UsageError
from adrepro.datasets.images import ImageSet, file_sha256
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.check import check_method
from adrepro.methods.checkdata import draw
from adrepro.methods.features import FeatureProvider
from adrepro.methods.patchcore.method import PatchCore, PatchCoreSettings
from adrepro.methods.settings import make_settings
from adrepro.methods.softpatch import noise
from adrepro.methods.softpatch.method import SoftPatch, SoftPatchSettings
from adrepro.methods.softpatch.noise import outlier_weights


def sets(groups, count, dim, seed=0):
    """Groups of points of very different spread, off the origin."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(groups, count, dim, generator=generator)
    return points * torch.logspace(-2, 2, groups)[:, None, None] + 7


def sklearn_lof(points, neighbours):
    found = [LocalOutlierFactor(n_neighbors=neighbours).fit(part) for part in points.numpy()]
    return np.stack([-one.negative_outlier_factor_ for one in found])


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 40), st.integers(1, 12), st.integers(2, 30), st.integers(0, 9))
def test_local_outlier_factor_is_sklearns(count, neighbours, dim, seed):
    """Position by position, also where there are fewer other images than neighbours."""
    points = sets(3, count, dim, seed)
    expected = sklearn_lof(points, min(neighbours, count - 1))
    np.testing.assert_allclose(outlier_weights(points, "lof", neighbours), expected, rtol=1e-3)


@pytest.mark.parametrize("discriminator", ["lof", "nearest", "gaussian"])
def test_positions_do_not_influence_each_other(monkeypatch, discriminator):
    """A position's weights are the same alone and in blocks of any size."""
    points = sets(7, 20, 8)
    whole = outlier_weights(points, discriminator, 6)
    alone = [outlier_weights(part[None], discriminator, 6)[0] for part in points]
    torch.testing.assert_close(whole, torch.stack(alone))
    monkeypatch.setattr(noise, "BLOCK", 1000)
    torch.testing.assert_close(outlier_weights(points, discriminator, 6), whole)


def test_nearest_is_sklearns():
    """One plus the distance to the nearest other patch at the position."""
    points = sets(4, 25, 6)
    found = [NearestNeighbors(n_neighbors=2).fit(p).kneighbors(p)[0][:, 1] for p in points.numpy()]
    expected = 1 + np.stack(found)
    np.testing.assert_allclose(outlier_weights(points, "nearest", 6), expected, rtol=1e-4)


@pytest.mark.parametrize("count", [5, 60])
def test_gaussian_is_scipys_mahalanobis(count):
    """One plus the distance under the covariance + 0.01, also with fewer images than dimensions."""
    points = sets(2, count, 12)
    for found, part in zip(outlier_weights(points, "gaussian", 6), points.double(), strict=True):
        inverse = np.linalg.inv(np.cov(part.numpy().T) + 0.01 * np.eye(12))
        mean = part.numpy().mean(axis=0)
        expected = [1 + mahalanobis(row, mean, inverse) for row in part.numpy()]
        np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize("discriminator", ["lof", "nearest", "gaussian"])
def test_a_planted_outlier_weighs_most(discriminator):
    """Every discriminator gives the patch that lies far off the highest weight."""
    points = torch.randn(5, 30, 10, generator=torch.Generator().manual_seed(1))
    points[torch.arange(5), torch.arange(5)] += 8
    assert outlier_weights(points, discriminator, 6).argmax(dim=1).tolist() == [0, 1, 2, 3, 4]


def test_one_image_cannot_be_compared():
    """A single training image is one line."""
    with pytest.raises(UsageError, match="expected at least 2"):
        outlier_weights(torch.zeros(4, 1, 3), "lof", 6)


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


def small(**changes):
    plain = {"layer_dim": 32, "dim": 32, "coreset_fraction": 0.5}
    return SoftPatch(SoftPatchSettings(**(plain | changes)))


@pytest.mark.parametrize("remove", [0.0, 0.15, 0.6])
def test_share_removed(tmp_path, provider, remove):
    """The hard step removes the share it is told to, and none of that is in the bank."""
    images, context = drawn_set(tmp_path, 9), make_context(provider)
    method = small(remove=remove, coreset_fraction=1.0)
    method.fit(images, context)
    patches = method._embed(images, context)
    assert method.train_weights.dtype == np.float32
    assert method.train_weights.shape == (9,)
    kept = float(method.train_weights.mean()) * len(patches)
    assert kept == pytest.approx((1 - remove) * len(patches), abs=1)
    assert len(method._bank) == round(kept)
    weights = outlier_weights(patches.reshape(9, -1, 32).transpose(0, 1), "lof", 6)
    lightest = weights.flatten().sort().values[: round(kept)]
    torch.testing.assert_close(method._bank_weights.sort().values, lightest)


def test_coreset_size_is_patchcores(tmp_path, provider):
    """The fraction counts all patches, as in the official code, removed ones included."""
    images, context = drawn_set(tmp_path, 6), make_context(provider)
    method = small(coreset_fraction=0.25, remove=0.5)
    method.fit(images, context)
    assert len(method._bank) == len(method._embed(images, context)) // 4


def test_soft_step_multiplies_by_the_neighbours_weight(tmp_path, provider):
    """Maps with the soft step are those without, times the weight of the nearest bank entry."""
    images, context = drawn_set(tmp_path, 8), make_context(provider)
    train, test = images.subset(range(6)), images.subset([6, 7])
    soft, plain = small(), small(soft=False)
    soft.fit(train, context)
    plain.fit(train, context)
    assert torch.equal(soft._bank, plain._bank)
    distances = torch.cdist(soft._embed(test, context), soft._bank)
    weights = soft._bank_weights[distances.argmin(dim=1)].numpy()
    found, bare = soft.score(test, context), plain.score(test, context)
    np.testing.assert_allclose(found.maps.ravel(), bare.maps.ravel() * weights, rtol=1e-4)
    np.testing.assert_array_equal(found.image, found.maps.max(axis=(1, 2)))
    assert weights.std() > 0


def test_the_seed_decides(tmp_path, provider):
    """The same seed gives the same scores, another one another coreset."""
    images, results = drawn_set(tmp_path, 8), []
    for seed in (0, 0, 1):
        method = small(coreset_fraction=0.05, layer_dim=160, dim=160)  # long enough to project
        method.fit(images.subset(range(6)), make_context(provider, seed))
        results.append(method.score(images, make_context(provider, seed)).image)
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


@pytest.fixture(scope="module")
def contaminated(tmp_path_factory):
    """Eleven nominal checkerboards, and one with a blot, last."""
    folder, rng, paths = tmp_path_factory.mktemp("board"), np.random.default_rng(0), []
    for index in range(12):
        paths.append(Path(folder, f"{index}.png"))
        Image.fromarray(draw(rng, 64, defect=index == 11)[0]).save(paths[-1])
    return ImageSet(paths, [file_sha256(path) for path in paths], 64)


def test_an_anomaly_in_training_is_still_found(contaminated, provider):
    """The hard step keeps a training anomaly out of memory; without it the anomaly scores zero."""
    context, scores = make_context(provider), {}
    for remove in (0.15, 0.0):
        method = small(remove=remove, soft=False, coreset_fraction=1.0)
        method.fit(contaminated, context)
        scores[remove] = method.score(contaminated, context).image
        assert method.train_weights.argmin() == 11 or remove == 0
    plain = PatchCore(PatchCoreSettings(layer_dim=32, dim=32, coreset_fraction=1.0))
    plain.fit(contaminated, context)
    assert scores[0.15][11] > 2 * scores[0.15][:11].max()
    assert scores[0.0].max() == plain.score(contaminated, context).image.max() == 0


@pytest.mark.parametrize("variant", ["nearest", "gaussian", "no-hard", "no-soft"])
def test_variants_change_the_scores(tmp_path, provider, variant):
    """Each named variant is another method on the same images."""
    images, context = drawn_set(tmp_path, 8), make_context(provider)
    scores = []
    for change in ({}, SoftPatch.variants[variant].settings):
        method = small(**change)
        method.fit(images.subset(range(6)), context)
        scores.append(method.score(images, context).image)
    assert np.isfinite(scores).all()
    assert not np.array_equal(*scores)


def test_published_values():
    """The settings that the official code runs with, on top of PatchCore's."""
    s = SoftPatchSettings()
    assert (s.discriminator, s.lof_neighbours, s.remove, s.soft) == ("lof", 6, 0.15, True)
    assert (s.dim, s.coreset_fraction, s.patch) == (1024, 0.1, 3)


@pytest.mark.parametrize(
    ("key", "value"), [("remove", "1"), ("lof_neighbours", "0"), ("patch", "2")]
)
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line, PatchCore's own included."""
    with pytest.raises(UsageError, match=key):
        make_settings(SoftPatch, "paper", overrides={key: value})


def test_keeps_the_contract():
    """Every contract test passes."""
    assert [r for r in check_method("softpatch") if not r.passed] == []
