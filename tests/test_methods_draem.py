"""DRAEM: simulated anomalies, the two networks, the losses and what they lead to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import drawn_set
from reconstruction_world import generator, make_world, scratch_context
from scipy import ndimage
from torch.nn import functional

from adrepro.datasets.errors import DataError, UsageError
from adrepro.methods.check import check_method
from adrepro.methods.draem import anomalies
from adrepro.methods.draem.method import (
    DRAEM,
    DRAEMSettings,
    draw_batch,
    focal_loss,
    repair_loss,
)
from adrepro.methods.draem.networks import repair_network, segmentation_network
from adrepro.methods.reconstruction.similarity import ssim_error
from adrepro.methods.settings import make_settings
from adrepro.methods.synthesis.textures import TextureSource

pytestmark = pytest.mark.usefixtures("one_thread")


def quickly(**changes):
    plain = {"repair_width": 8, "segment_width": 8, "epochs": 1, "learning_rate": 2e-3, "filter": 5}
    return DRAEM(DRAEMSettings(**(plain | changes)))


def test_networks_of_the_official_size():
    """97 million parameters at full width, and an output of the input's size."""
    with torch.device("meta"):  # counted, not drawn
        networks = (repair_network(128), segmentation_network(64))
    total = sum(p.numel() for network in networks for p in network.parameters())
    assert round(total / 1e6) == 97
    images = torch.zeros(1, 3, 64, 32)
    assert repair_network(4)(images).shape == (1, 3, 64, 32)
    assert segmentation_network(4)(images.repeat(1, 2, 1, 1)).shape == (1, 2, 64, 32)


def test_only_the_segmentation_has_skips():
    """Cut off from its coarsest level, the autoencoder shows nothing of the image."""
    image = torch.rand(1, 3, 64, 64, generator=generator())
    torch.manual_seed(0)
    for network, depends in ((repair_network(4), False), (segmentation_network(4), True)):
        network.down[-1] = torch.nn.Sequential(network.down[-1], _Zero())
        x = image.repeat(1, 2, 1, 1) if depends else image
        with torch.no_grad():
            change = (network(x) - network(x * 0)).abs().max()
        assert (float(change) > 0) == depends


class _Zero(torch.nn.Module):
    def forward(self, x):
        return x * 0


def test_initial_weights_are_the_official_ones():
    """Convolutions N(0, 0.02), normalisation N(1, 0.02)."""
    torch.manual_seed(0)
    network = repair_network(32)
    for kind, mean in ((torch.nn.Conv2d, 0.0), (torch.nn.BatchNorm2d, 1.0)):
        values = torch.cat(
            [m.weight.detach().flatten() for m in network.modules() if isinstance(m, kind)]
        )
        assert float(values.mean()) == pytest.approx(mean, abs=0.002)
        assert float(values.std()) == pytest.approx(0.02, rel=0.05)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_an_anomaly_changes_its_mask_and_nothing_else(seed):
    """Outside the mask the image is as it was; inside it is between image and texture."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    clean, damaged, mask = anomalies.simulate(image, TextureSource(), rng)
    assert clean.shape == damaged.shape == (32, 32, 3)
    assert clean.dtype == damaged.dtype == np.uint8
    assert np.array_equal(damaged[~mask], clean[~mask])


def test_shares_of_clean_and_turned_images():
    """Half of the examples and more have no anomaly, 30 percent are turned."""
    rng = np.random.default_rng(0)
    image = np.full((16, 16, 3), 255, dtype=np.uint8)  # turning it brings in black corners
    drawn = [anomalies.simulate(image, TextureSource(), rng) for _ in range(600)]
    turned = np.mean([clean.min() < 255 for clean, _, _ in drawn])
    clean = np.mean([not mask.any() for _, _, mask in drawn])
    assert turned == pytest.approx(0.3, abs=0.06)
    assert 0.45 < clean < 0.75


def test_opacity_is_uniform_up_to_four_fifths(monkeypatch):
    """A black image under a white texture shows one minus the image's share."""
    monkeypatch.setattr(anomalies, "change", lambda texture, _generator: texture)
    monkeypatch.setattr(anomalies, "CLEAN", 0.0)

    class White:
        def draw(self, size, _generator):
            return np.full((size, size, 3), 255, dtype=np.uint8)

    rng = np.random.default_rng(0)
    black = np.zeros((32, 32, 3), dtype=np.uint8)
    drawn = [anomalies.simulate(black, White(), rng) for _ in range(800)]
    shares = np.array([1 - damaged.max() / 255 for _, damaged, mask in drawn if mask.any()])
    assert shares.min() < 0.02
    assert 0.78 < shares.max() <= 0.803
    assert shares.mean() == pytest.approx(0.4, abs=0.04)


def test_every_change_gives_an_image_and_does_something():
    """Each of the ten operations returns uint8 of the same shape; some draw changes the image."""
    rng = np.random.default_rng(1)
    texture = ndimage.gaussian_filter(rng.uniform(0, 255, (32, 32, 3)), (2, 2, 0)).astype(np.uint8)
    assert len(anomalies.CHANGES) == 10
    for operation in anomalies.CHANGES:
        results = [operation(texture, rng) for _ in range(8)]
        assert {(r.shape, r.dtype) for r in results} == {((32, 32, 3), np.dtype(np.uint8))}
        assert any(not np.array_equal(result, texture) for result in results)


def test_three_different_changes(monkeypatch):
    """A texture passes three operations, none of them twice."""
    passed = []
    names = list(range(10))
    monkeypatch.setattr(
        anomalies,
        "CHANGES",
        [lambda texture, _generator, name=name: passed.append(name) or texture for name in names],
    )
    for _ in range(50):
        anomalies.change(np.zeros((4, 4, 3), dtype=np.uint8), np.random.default_rng(len(passed)))
    triples = np.array(passed).reshape(50, 3)
    assert all(len(set(triple)) == 3 for triple in triples)
    assert set(passed) == set(names)


def test_batches_are_drawn_with_replacement():
    """A batch larger than the pool is possible; values lie in [0, 1], masks are 0 and 1."""
    pool = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    clean, damaged, masks = draw_batch(pool, 6, TextureSource(), np.random.default_rng(0))
    assert clean.shape == damaged.shape == (6, 3, 32, 32)
    assert 0 <= float(damaged.min()) <= float(damaged.max()) <= 1
    assert masks.dtype == torch.int64
    assert set(masks.unique().tolist()) <= {0, 1}


def test_focal_loss_by_its_formula():
    """−(1 − p)^γ log p, averaged over pixels; γ = 0 is the cross-entropy."""
    logits = 3 * torch.randn(2, 2, 5, 5, generator=generator())
    masks = torch.randint(0, 2, (2, 5, 5), generator=generator())
    p = logits.softmax(dim=1).gather(1, masks[:, None])[:, 0]
    expected = (-((1 - p) ** 2) * p.log()).mean()
    assert float(focal_loss(logits, masks, 2.0)) == pytest.approx(float(expected), rel=1e-5)
    cross_entropy = functional.cross_entropy(logits, masks)
    assert float(focal_loss(logits, masks, 0.0)) == pytest.approx(float(cross_entropy), rel=1e-5)


def test_repair_loss_adds_two_errors():
    """Mean squared error plus mean SSIM error, weight one each."""
    first, second = (torch.rand(2, 3, 24, 24, generator=generator(s)) for s in (0, 1))
    expected = (first - second).square().mean() + ssim_error(first, second).mean()
    assert float(repair_loss(first, second)) == pytest.approx(float(expected), rel=1e-6)


def test_image_score_is_the_largest_mean(tmp_path):
    """Maps are raw probabilities; the image score comes from a mean filter over them."""
    images = drawn_set(tmp_path / "images", 3, size=32)
    method = quickly()
    method.fit(images, scratch_context())
    scores = method.score(images, scratch_context())
    assert 0 <= scores.maps.min() <= scores.maps.max() <= 1
    filtered = [ndimage.uniform_filter(m.astype(float), 5, mode="constant") for m in scores.maps]
    np.testing.assert_allclose(scores.image, np.max(filtered, axis=(1, 2)), atol=1e-5)


def test_without_simulated_anomalies_nothing_is_learnt(tmp_path, monkeypatch):
    """A blot is segmented; a network that was shown clean images only calls everything clean."""
    world = make_world(tmp_path / "world")

    def means():
        method = quickly(steps=160, batch=4, learning_rate=1e-3)
        method.fit(world.train, scratch_context())
        maps = method.score(world.test, scratch_context()).maps
        return maps[world.masks].mean(), maps[~world.masks].mean()

    inside, outside = means()
    assert inside > max(0.3, 2 * outside)
    monkeypatch.setattr(anomalies, "CLEAN", 1.0)
    inside, _ = means()
    assert inside < 0.2


def test_textures_of_ones_own(tmp_path):
    """A folder of pictures is used; one that holds none is refused in one line."""
    images = drawn_set(tmp_path / "images", 2, size=32)
    quickly(textures=str(tmp_path / "images")).fit(images, scratch_context())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        quickly(textures=str(tmp_path / "empty")).fit(images, scratch_context())


def test_sizes_that_do_not_divide(tmp_path):
    """An image size that the strides do not divide is refused in one line."""
    images = drawn_set(tmp_path / "images", 2, size=48)
    with pytest.raises(UsageError, match="48 is no multiple of 32"):
        quickly().fit(images, scratch_context())


def test_contract():
    """The contract's own tests pass."""
    assert [result for result in check_method("draem") if not result.passed] == []


@pytest.mark.parametrize(
    ("key", "value"), [("filter", "4"), ("focus", "-1"), ("epochs", "0"), ("steps", "0")]
)
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key):
        make_settings(DRAEM, "paper", {key: value})
