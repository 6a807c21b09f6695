"""GLASS: anomalies made in image space, the object they lie on, and the judged hypothesis."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adrepro.datasets.errors import CellError
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.features import FeatureProvider
from adrepro.methods.glass.augment import CHANGES, augment
from adrepro.methods.glass.foreground import foreground_mask
from adrepro.methods.glass.hypothesis import is_hypersphere
from adrepro.methods.glass.local import LocalAnomalies, Twin, blend, draw_mask, draw_twin
from adrepro.methods.synthesis.textures import TextureSource

REAL = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "mvtec_ad"


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


def disc(size=96, radius=0.3, level=40):
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    inside = np.hypot(rows, columns) < radius
    noise = np.random.default_rng(0).normal(0, 3, (size, size, 3))
    image = np.where(inside[..., None], level, 200) + noise
    return image.clip(0, 255).astype(np.uint8), inside


def test_foreground_of_an_object():
    """A disc on a plain background is found to a few percent, dark or bright, hole filled."""
    for level in (40, 250):
        image, inside = disc(level=level)
        image[44:50, 44:50] = 200
        found = foreground_mask(image)
        assert (found & inside).sum() / (found | inside).sum() > 0.9


def test_foreground_of_a_texture_is_everything():
    """No plain background: texture, a flat image, an object that fills the image."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    stripes = np.repeat(np.tile([[40], [200]], (8, 64)).repeat(4, axis=0)[..., None], 3, axis=2)
    for image in (texture, stripes.astype(np.uint8), np.full((64, 64, 3), 7, np.uint8)):
        assert foreground_mask(image).all()
    assert foreground_mask(disc(radius=0.8)[0]).all()


def test_masks_lie_on_the_foreground():
    """Every mask is part of the foreground and none is empty; a hopeless one is an error."""
    _, inside = disc()
    for seed in range(30):
        mask = draw_mask(inside, np.random.default_rng(seed))
        assert mask.any()
        assert not (mask & ~inside).any()
    with pytest.raises(CellError, match="foreground of 0 pixels"):
        draw_mask(np.zeros((16, 16), bool), np.random.default_rng(0))


def test_masks_are_unions_intersections_and_single_ones(monkeypatch):
    """Each of the three in about a third of the draws."""
    first, second = np.zeros((2, 2), bool), np.zeros((2, 2), bool)
    first[0], second[:, 0] = True, True
    pair = [first, second]
    monkeypatch.setattr(
        "adrepro.methods.glass.local.perlin_mask", lambda *_: pair[0] if pair.reverse() else pair[1]
    )
    rng = np.random.default_rng(0)
    sizes = [int(draw_mask(np.ones((2, 2), bool), rng).sum()) for _ in range(300)]
    assert all(70 < sizes.count(count) < 130 for count in (1, 2, 3))


def test_blend_by_hand(provider):
    """β of the image and 1 − β of the texture under the mask, the untouched image beside it."""
    rng = np.random.default_rng(0)
    image, texture = rng.integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    mask = rng.random((8, 8)) > 0.5
    found = blend(provider.backbone, image[None], [Twin(texture, mask, 0.3)])
    mixed = torch.from_numpy(0.3 * image + 0.7 * texture.astype(np.float64))
    white, black = (
        provider.backbone.normalise(np.full((1, 1, 1, 3), level, np.uint8)) for level in (255, 0)
    )
    expected = black + (white - black) * mixed.permute(2, 0, 1) / 255
    where = torch.from_numpy(mask)
    torch.testing.assert_close(
        found[0][:, where].double(), expected[0][:, where], rtol=0, atol=1e-5
    )
    untouched = provider.backbone.normalise(image[None])
    torch.testing.assert_close(found[0][:, ~where], untouched[0][:, ~where])


def test_transparency_is_clipped_normal():
    """β has mean 0.5, deviation 0.1, and stays in [0.2, 0.8]."""
    full = np.ones((8, 8), bool)
    rng, source = np.random.default_rng(0), TextureSource()
    betas = np.array([draw_twin(full, source, rng).beta for _ in range(300)])
    assert betas.mean() == pytest.approx(0.5, abs=0.03)
    assert betas.std() == pytest.approx(0.1, abs=0.02)
    assert betas.min() >= 0.2
    assert betas.max() <= 0.8


def test_every_texture_change_keeps_the_format():
    """Each operation gives RGB of the same size; three different ones change nearly every image."""
    rng = np.random.default_rng(0)
    texture = TextureSource().draw(32, rng)
    for change in CHANGES:
        picture = change(Image.fromarray(texture), rng)
        assert (picture.mode, picture.size) == ("RGB", (32, 32))
    changed = [not np.array_equal(augment(texture, rng), texture) for _ in range(20)]
    assert sum(changed) >= 19


def local_anomalies(images, provider, bank=0):
    return LocalAnomalies(
        images, provider.backbone, strides=(8,), combine=lambda m: m[8].permute(0, 2, 3, 1),
        source=TextureSource(), foreground=True, bank=bank, seed=5,
    )  # fmt: skip


def test_twins_depend_on_seed_epoch_and_image_only(provider):
    """Order and company change nothing; another epoch gives another twin, a bank the same again."""
    images = np.stack([disc(64)[0]] * 3)
    features, masks = local_anomalies(images, provider).batch([0, 1, 2], 0)
    again, same = local_anomalies(images, provider).batch([2, 0], 0)
    torch.testing.assert_close(again, features[[2, 0]], rtol=1e-3, atol=1e-3)
    assert torch.equal(same, masks[[2, 0]])
    assert masks.any(dim=(1, 2)).all()
    assert features.shape[:3] == masks.shape == (3, 8, 8)
    other = local_anomalies(images, provider).batch([0, 1, 2], 1)[1]
    assert not torch.equal(other, masks)
    kept = local_anomalies(images, provider, bank=1)
    assert torch.equal(kept.batch([0, 1], 0)[0], kept.batch([0, 1], 9)[0])


def test_masks_mark_every_grid_cell_with_a_defective_pixel(provider, monkeypatch):
    """One masked pixel is enough for its cell."""
    mask = np.zeros((64, 64), bool)
    mask[9, 63] = True
    monkeypatch.setattr("adrepro.methods.glass.local.draw_mask", lambda *_: mask)
    _, masks = local_anomalies(disc(64)[0][None], provider).batch([0], 0)
    assert masks[0].nonzero().tolist() == [[1, 7]]


def test_hypothesis_of_simple_images():
    """A flat image and fine noise are a manifold, a round object on a plain ground is not."""
    noise = np.random.default_rng(0).integers(100, 120, (64, 64, 3)).astype(np.uint8)
    assert not is_hypersphere(noise)
    assert not is_hypersphere(np.full((64, 64, 3), 90, np.uint8))
    assert is_hypersphere(disc(289, 0.42, level=20)[0])


@pytest.mark.skipif(not REAL.is_dir(), reason="no real images beside the repository")
@pytest.mark.parametrize(
    ("category", "least", "most"),
    [("bottle", 10, 10), ("screw", 1, 9), ("capsule", 0, 0), ("toothbrush", 0, 0)],
)
def test_hypothesis_over_several_draws(category, least, most):
    """Ten draws: three categories always get the official file's choice, screw now and then."""
    paths = sorted((REAL / category / "train" / "good").iterdir())
    images = np.stack(
        [np.asarray(Image.open(path).convert("RGB").resize((96, 96))) for path in paths]
    )
    judged = []
    for seed in range(10):
        drawn = np.random.default_rng(seed).permutation(len(images))[: min(100, len(images) - 5)]
        judged.append(is_hypersphere(images[drawn].mean(axis=0).astype(np.uint8)))
    assert least <= sum(judged) <= most
