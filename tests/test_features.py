"""The feature provider and its cache."""

import numpy as np
import pytest
import torch
from method_images import drawn_set
from PIL import Image
from torch.nn import functional

from adrepro.datasets.errors import ContractError, UsageError
from adrepro.datasets.images import ImageSet
from adrepro.methods.backbones import load_backbone, parse_backbone
from adrepro.methods.cache import Recent, read_arrays, write_arrays
from adrepro.methods.features import FeatureProvider
from adrepro.methods.views import View, apply_view, bank, rotate

SPEC = parse_backbone("efficientnet_lite0")


def test_maps_equal_the_network(tmp_path):
    """Batched, threaded and cached maps are those of one image alone."""
    images = drawn_set(tmp_path / "images", 19)
    maps = FeatureProvider(SPEC, cache_dir=tmp_path / "cache").maps(images, (16, 8))
    backbone = load_backbone(SPEC)
    assert {s: m.shape for s, m in maps.items()} == {8: (19, 40, 8, 8), 16: (19, 112, 4, 4)}
    for index in (0, 17, 18):
        with torch.inference_mode():
            alone = backbone.maps(backbone.normalise(images[index][None]), (8, 16))
        for stride in (8, 16):
            np.testing.assert_allclose(maps[stride][index], alone[stride][0], atol=1e-4)


def test_a_second_run_computes_nothing(tmp_path, counted):
    """Memory, and in a new process the disk, give the same bytes without a forward pass."""
    images = drawn_set(tmp_path / "images")
    provider = FeatureProvider(SPEC, cache_dir=tmp_path / "cache")
    first = provider.maps(images, (8,))[8]
    again = provider.maps(images, (8,))[8]
    fresh = FeatureProvider(SPEC, cache_dir=tmp_path / "cache").maps(images, (8,))[8]
    assert len(counted) == 1
    assert np.array_equal(first, again)
    assert np.array_equal(first, fresh)


def test_only_missing_images_are_computed(tmp_path, counted):
    """A larger set computes its new images only, and equal images once."""
    images = drawn_set(tmp_path / "images")
    provider = FeatureProvider(SPEC, cache_dir=tmp_path / "cache")
    provider.maps(images.subset([0, 1]), (8,))
    doubled = provider.maps(images.subset([4, 0, 1, 4]), (8,))[8]
    assert len(counted) == 2
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 3
    assert np.array_equal(doubled[0], doubled[3])


def test_views_do_not_mix(tmp_path, counted):
    """Another size, layer, angle or network never meets another's features."""
    images = drawn_set(tmp_path / "images", 1)
    provider = FeatureProvider(SPEC, cache_dir=tmp_path / "cache")
    assert provider.maps(images, (8,))[8].shape[-1] == 8
    assert provider.maps(images, (8,), size=32)[8].shape[-1] == 4
    a = provider.pooled(images, sizes=(64, 32), stride=8, views=(View(0.0), View(90.0)))
    b = provider.pooled(images, sizes=(64, 32), stride=8, views=(View(0.0), View(45.0)))
    assert np.allclose(a[:, 0], b[:, 0], atol=1e-4)
    assert not np.allclose(a[:, 1], b[:, 1], atol=1e-2)
    other = FeatureProvider(
        parse_backbone("efficientnet_lite0.random"), cache_dir=tmp_path / "cache"
    )
    assert not np.allclose(other.maps(images, (8,))[8], provider.maps(images, (8,))[8], atol=1e-2)
    assert len(counted) == 5


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign"])
def test_a_damaged_file_is_computed_again(tmp_path, counted, damage):
    """A torn or altered feature file is detected by its checksum and replaced."""
    images = drawn_set(tmp_path / "images", 1)
    cache = tmp_path / "cache"
    good = FeatureProvider(SPEC, cache_dir=cache).maps(images, (8,))[8]
    (path,) = cache.rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    broken = {
        "truncated": path.read_bytes()[:-100],
        "flipped": bytes(content),
        "empty": b"",
        "foreign": b"not a feature file",
    }
    path.write_bytes(broken[damage])
    assert read_arrays(path) is None
    again = FeatureProvider(SPEC, cache_dir=cache).maps(images, (8,))[8]
    assert np.array_equal(good, again)
    assert len(counted) == 2
    assert read_arrays(path) is not None


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    """A write that breaks off leaves neither the file nor a temporary one."""

    def fail(*_args):
        raise OSError("disk full")

    path = tmp_path / "ab" / "x.safetensors"
    monkeypatch.setattr("adrepro.methods.cache.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_arrays(path, {"a": np.zeros(3, dtype=np.float32)})
    assert list(path.parent.iterdir()) == []


def test_memory_is_bounded():
    """The oldest features go when space is short; what is too large is not kept."""
    kept = Recent(limit=100)
    for name in "abc":
        kept.put(("f", name), {"x": np.zeros(10, dtype=np.float32)})
    assert kept.held == 80
    assert kept.get(("f", "a")) is None
    assert kept.get(("f", "c")) is not None
    kept.put(("f", "huge"), {"x": np.zeros(100, dtype=np.float32)})
    assert kept.get(("f", "huge")) is None


def test_uncached_remembers_nothing(tmp_path, counted):
    """The provider for timing computes every time, with the same network."""
    images = drawn_set(tmp_path / "images", 1)
    provider = FeatureProvider(SPEC, cache_dir=tmp_path / "cache")
    network = provider.backbone
    cold = provider.uncached()
    assert cold.backbone is network
    cold.maps(images, (8,))
    cold.maps(images, (8,))
    assert len(counted) == 2
    assert not (tmp_path / "cache").exists()


def test_pooled_by_hand(tmp_path):
    """Pooled features are global means per scale; small scales are every second pixel."""
    images = drawn_set(tmp_path / "images", 2)
    pooled = FeatureProvider(SPEC).pooled(
        images, sizes=(64, 32), stride=16, views=(View(0.0), View(30.0))
    )
    assert pooled.shape == (2, 2, 224)
    backbone = load_backbone(SPEC)
    turned = np.asarray(Image.fromarray(images[1]).rotate(30.0))
    with torch.inference_mode():
        large = backbone.normalise(turned[None])
        small = functional.interpolate(large, size=(32, 32), mode="nearest")
        assert torch.equal(small, large[:, :, ::2, ::2])
        parts = [backbone.maps(x, (16,))[16].mean(dim=(2, 3))[0] for x in (large, small)]
    np.testing.assert_allclose(pooled[1, 1], torch.cat(parts), atol=1e-4)


def test_rotation_keeps_the_canvas():
    """A quarter turn is exact; an eighth leaves black corners and the size."""
    image = np.random.default_rng(0).integers(1, 256, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(rotate(image, 90), np.rot90(image))
    assert np.array_equal(rotate(image, 360), image)
    eighth = rotate(image, 45)
    assert eighth.shape == image.shape
    assert not eighth[0, 0].any()


def test_no_images():
    """Features of nothing are a usage error, not an empty array of unknown shape."""
    with pytest.raises(UsageError, match="at least one"):
        FeatureProvider(SPEC).maps(ImageSet([], [], 64), (8,))


def test_features_without_a_backbone(tmp_path):
    """A method whose class names no backbone gets no features by accident."""
    with pytest.raises(ContractError, match="names no backbone"):
        FeatureProvider(None).maps(drawn_set(tmp_path, 1), (8,))


def test_views_by_hand():
    """A flip mirrors left to right, a shift moves and blackens; the flip comes first."""
    image = np.random.default_rng(0).integers(1, 256, (12, 12, 3), dtype=np.uint8)
    assert np.array_equal(apply_view(image, View()), image)
    assert np.array_equal(apply_view(image, View(flip=True)), image[:, ::-1])
    assert np.array_equal(apply_view(image, View(90.0, flip=True)), np.rot90(image[:, ::-1]))
    moved = apply_view(image, View(shift=(0.25, -0.5)))  # 3 to the right, 6 up
    assert np.array_equal(moved[:6, 3:], image[6:, :9])
    assert not moved[6:].any()
    assert not moved[:, :3].any()


def test_bank_turns_flips_and_shifts():
    """A bank turns evenly; flips take every second view, shifts all but the first."""
    assert [view.angle for view in bank(4)] == [0, 90, 180, 270]
    assert [view.flip for view in bank(4, flips=True)] == [False, True, False, True]
    shifted = bank(9, shift=0.1)
    assert shifted[0].shift == (0.0, 0.0)
    assert len({view.shift for view in shifted}) == 9
    assert all(np.hypot(*view.shift) == pytest.approx(0.1) for view in shifted[1:])
    assert len({str(view) for view in bank(8, flips=True, shift=0.1)}) == 8
