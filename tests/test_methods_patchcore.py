"""PatchCore: patch features, coreset, search."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import drawn_set, make_context
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional

from adrepro.datasets.errors import UsageError
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.features import FeatureProvider
from adrepro.methods.patchcore import coreset
from adrepro.methods.patchcore.coreset import greedy_coreset, nearest, project
from adrepro.methods.patchcore.method import PatchCore, PatchCoreSettings
from adrepro.methods.patchcore.patches import patch_features, pool_neighbourhood
from adrepro.methods.settings import make_settings


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def naive_greedy(points, count, start):
    """Greedy k-centre by its definition, in double precision."""
    distance = start.clone()
    chosen = []
    for _ in range(count):
        best = int(distance.argmax())
        chosen.append(best)
        distance = torch.minimum(distance, (points - points[best]).norm(dim=1))
        distance[best] = -1
    return chosen


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("count", [1, 40, 300])
def test_coreset_is_the_naive_one(monkeypatch, exact, count):
    """Rounds on the farthest few points select what rounds on all points select."""
    monkeypatch.setattr(coreset, "MIN_ACTIVE", 32)
    points = torch.randn(900, 6, generator=generator(1), dtype=torch.float64)
    if exact:
        # sqrt(Σ d²), the norm of a row of the distance matrix
        start = torch.cdist(points, points).norm(dim=1)
    else:
        picks = torch.randperm(900, generator=generator(7))[: coreset.STARTS]
        start = torch.cdist(points, points[picks]).mean(dim=1)
    found = greedy_coreset(points, count, generator(7), exact=exact)
    assert found.tolist() == naive_greedy(points, count, start)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))
def test_coreset_never_takes_a_point_twice(total, count, seed):
    """Not even where most points are copies of each other."""
    count = min(count, total)
    points = torch.randint(0, 2, (total, 3), generator=generator(seed)).float()
    chosen = greedy_coreset(points, count, generator(seed)).tolist()
    assert len(set(chosen)) == len(chosen) == count


def test_coreset_covers_better_than_chance():
    """The farthest point is nearer to a greedy coreset than to a random one of the same size."""
    points = torch.randn(2000, 16, generator=generator(2)) * torch.linspace(0.1, 3, 16)
    greedy = points[greedy_coreset(points, 100, generator())]
    random = points[torch.randperm(2000, generator=generator())[:100]]
    radius = [torch.cdist(points, bank).min(dim=1).values.max() for bank in (greedy, random)]
    assert radius[0] < 0.8 * radius[1]


def test_coreset_of_impossible_size():
    """More points than there are is a programming error."""
    with pytest.raises(ValueError, match="coreset of 4"):
        greedy_coreset(torch.zeros(3, 2), 4, generator())


def test_projection_keeps_order_of_distances():
    """Random projection to 128 numbers ranks distances nearly as the features do."""
    points = torch.randn(200, 1024, generator=generator()) * torch.rand(
        200, 1, generator=generator()
    )
    small = project(points, generator())
    assert small.shape == (200, 128)
    pairs = torch.stack([functional.pdist(points), functional.pdist(small)])
    assert float(torch.corrcoef(pairs)[0, 1]) > 0.95
    assert project(small, generator()) is small


@pytest.mark.parametrize("neighbours", [1, 4])
def test_search_equals_sklearn(monkeypatch, neighbours):
    """Blocked search finds sklearn's neighbours and squared distances."""
    monkeypatch.setattr(coreset, "BLOCK", 500)
    bank = torch.randn(120, 20, generator=generator(3)) + 50  # far off the origin: cancellation
    queries = torch.randn(77, 20, generator=generator(4)) + 50
    reference = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(bank.double())
    expected, index = reference.kneighbors(queries.double())
    distances, found = nearest(queries, bank, neighbours)
    np.testing.assert_allclose(distances, expected**2, rtol=1e-4)
    assert np.array_equal(found, index)


def test_own_patches_are_at_distance_zero():
    """A bank entry's distance to the bank is exactly zero."""
    bank = torch.randn(50, 8, generator=generator()) * 100
    assert float(nearest(bank, bank)[0].max()) == 0.0


def naive_patch_features(maps, patch, layer_dim, dim):
    """The official order of steps: resize neighbourhoods, then pool each, then pool both."""
    finest = maps[min(maps)].shape[-2:]
    layers = []
    for stride in sorted(maps):
        count, channels, height, width = maps[stride].shape
        unfolded = functional.unfold(maps[stride], patch, padding=patch // 2)
        flat = unfolded.reshape(count, channels * patch**2, height, width)
        flat = functional.interpolate(flat, size=finest, mode="bilinear", align_corners=False)
        vectors = flat.permute(0, 2, 3, 1).reshape(-1, 1, channels * patch**2)
        layers.append(functional.adaptive_avg_pool1d(vectors, layer_dim)[:, 0])
    stacked = torch.stack(layers, dim=1).reshape(len(layers[0]), 1, -1)
    pooled = functional.adaptive_avg_pool1d(stacked, dim)[:, 0]
    return pooled.reshape(-1, *finest, dim)


@pytest.mark.parametrize("layer_dim", [12, 100])
def test_patch_features_in_the_official_order(layer_dim):
    """Pooling before resizing changes nothing, also where pooling lengthens (8·9 < 100)."""
    maps = {
        8: torch.randn(2, 8, 6, 6, generator=generator(5)),
        16: torch.randn(2, 20, 3, 3, generator=generator(6)),
    }
    found = patch_features(maps, 3, layer_dim, 16)
    expected = naive_patch_features(maps, 3, layer_dim, 16)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_pooling_to_the_channels_is_a_mean_filter():
    """With as many bins as channels the neighbourhood is a 3 × 3 mean with zero padding."""
    maps = torch.randn(1, 5, 7, 7, generator=generator())
    expected = functional.avg_pool2d(maps, 3, stride=1, padding=1)
    torch.testing.assert_close(pool_neighbourhood(maps, 3, 5), expected)


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


@pytest.fixture
def images(tmp_path):
    return drawn_set(tmp_path / "images", 6)


def small(**changes):
    plain = {"layer_dim": 32, "dim": 32, "coreset_fraction": 0.5}
    return PatchCore(PatchCoreSettings(**(plain | changes)))


def test_score_is_the_largest_map_value(images, provider):
    """The image score is the largest raw patch distance, and training patches are near."""
    method = small(coreset_fraction=1.0)
    method.fit(images.subset(range(4)), make_context(provider))
    scores = method.score(images, make_context(provider))
    assert scores.maps.shape == (6, 8, 8)
    np.testing.assert_array_equal(scores.image, scores.maps.max(axis=(1, 2)))
    assert scores.image[:4].max() == 0.0
    assert scores.image[4:].min() > 0.0


def test_the_seed_decides_the_coreset(images, provider):
    """The same seed gives the same scores, another seed others."""
    results = []
    for seed in (0, 0, 1):
        method = small(coreset_fraction=0.05)
        method.fit(images, make_context(provider, seed))
        results.append(method.score(images, make_context(provider, seed)).image)
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_reweighting_follows_equation_seven(images, provider):
    """The weighted score is (1 − exp(d*) / Σ exp(d)) · d*, over the match's neighbours."""
    method = small(reweight=True, reweight_neighbours=3)
    context = make_context(provider)
    method.fit(images.subset(range(4)), context)
    scores = method.score(images.subset([5]), context)
    bank = method._bank.double()
    patches = method._embed(images.subset([5]), context).double()
    distances = torch.cdist(patches, bank)
    nearest_distance, match = distances.min(dim=1)
    query = int(nearest_distance.argmax())
    best, centre = nearest_distance[query], bank[match[query]]
    around = (bank - centre).norm(dim=1).topk(3, largest=False).indices
    weight = 1 - torch.exp(best) / torch.exp(distances[query, around]).sum()
    assert float(scores.image[0]) == pytest.approx(float(weight * best), rel=1e-4)


@pytest.mark.parametrize(
    ("key", "value"),
    [("patch", "2"), ("coreset_fraction", "0"), ("strides", "()"), ("dim", "0")],
)
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key):
        make_settings(PatchCore, "paper", {key: value})
