"""An image's features are the same bytes whatever else is computed, before it or with it."""

import numpy as np
import pytest
from method_images import drawn_set

from adrepro.datasets.errors import DataError
from adrepro.datasets.images import ImageSet
from adrepro.methods import passes
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.features import FeatureProvider
from adrepro.methods.views import View

SPEC = parse_backbone("efficientnet_lite0")
VIEWS = (View(0.0), View(90.0), View(30.0))


@pytest.fixture
def images(tmp_path):
    return drawn_set(tmp_path / "images", 37)


def maps_of(provider: FeatureProvider, images: ImageSet) -> np.ndarray:
    return provider.maps(images, (8, 32))[32]


def pooled_of(provider: FeatureProvider, images: ImageSet) -> np.ndarray:
    return provider.pooled(images, sizes=(64, 32), stride=32, views=VIEWS)


@pytest.mark.parametrize("features", [maps_of, pooled_of])
@pytest.mark.parametrize("expecting", [False, True])
def test_what_was_computed_before_changes_no_byte(images, features, expecting):
    """All at once, or in parts of any size in any order: equal bytes, image by image."""
    whole = features(FeatureProvider(SPEC), images)
    provider = FeatureProvider(SPEC)
    if expecting:
        provider.expect(images)
    order = np.random.default_rng(0).permutation(len(images))
    for part in np.split(order, [1, 3, 4, 20]):
        found = features(provider, images.subset(list(part)))
        assert found.tobytes() == whole[part].tobytes()


def test_expected_images_fill_passes(images, counted):
    """Asked for one by one, 37 images take three passes, not 37; each is computed once."""
    provider = FeatureProvider(SPEC)
    provider.expect(images)
    for index in range(len(images)):
        maps_of(provider, images.subset([index]))
    assert counted == [16, 16, 16]


def test_a_companion_that_cannot_be_read_fails_who_asks_for_it(images, tmp_path):
    """Not the cell whose pass it was to fill."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    paths = [broken, *images._paths]
    everything = ImageSet(paths, ["0" * 64, *images.hashes], images.size)
    provider = FeatureProvider(SPEC)
    provider.expect(everything)
    found = maps_of(provider, images.subset([5]))
    assert found.tobytes() == maps_of(FeatureProvider(SPEC), images)[5].tobytes()
    with pytest.raises(DataError, match=r"broken\.png"):
        maps_of(provider, everything.subset([0]))


@pytest.mark.parametrize("error", [MemoryError, ValueError])
def test_a_companion_that_takes_too_much_is_passed_over(images, monkeypatch, error):
    """Whatever reading it raises, out of memory too, is not laid to another cell."""
    provider = FeatureProvider(SPEC)
    provider.expect(images)
    whole = ImageSet.__getitem__

    def read(self, index):
        if len(self) == len(images):  # the companions, not what was asked for
            raise error
        return whole(self, index)

    asked = images.subset([5])
    monkeypatch.setattr(ImageSet, "__getitem__", read)
    assert maps_of(provider, asked).shape[0] == 1


def test_features_of_unlike_machines_are_kept_apart(images, tmp_path, monkeypatch):
    """Another processor rounds otherwise: in one folder, each has its own features."""
    import torch

    one = images.subset([0])
    for capability in ("AVX2", "AVX512"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda c=capability: c)
        maps_of(FeatureProvider(SPEC, cache_dir=tmp_path / "cache"), one)
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 2


def test_a_timed_image_passes_alone(images, counted):
    """What nobody else sees is not filled up: latency is that of one image."""
    maps_of(FeatureProvider(SPEC).uncached(), images.subset([0]))
    assert counted == [1]


def test_each_view_is_offered_each_image_once(images):
    """Whether it was wanted or not; another view gets it too."""
    companions = passes.Companions(images)
    refused = images.hashes[:30]
    first = [name for name, _ in companions.take("a", 64, 5, lambda n: n not in refused)]
    assert first == list(images.hashes[30:35])
    assert len(list(companions.take("a", 64, 50, lambda _n: True))) == 2
    assert len(list(companions.take("b", 64, 50, lambda _n: True))) == 37
