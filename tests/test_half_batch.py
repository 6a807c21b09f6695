"""Half the batch: fewer images at once, the same scores."""

import numpy as np
import pytest
from method_images import drawn_set

from adrepro.methods import features as features_module
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.base import Context
from adrepro.methods.features import FeatureProvider
from adrepro.methods.registry import method_class


def context_with(scale: float, backbone: str | None = None) -> Context:
    spec = parse_backbone(backbone, None) if backbone else None
    provider = FeatureProvider(spec, batch_scale=scale)
    return Context(device="cpu", features=provider, seed_axes=("test", 0), batch_scale=scale)


def test_a_batch_is_never_empty():
    """Sixteen become eight, four, and at last one."""
    counts = [context_with(scale).batch(16) for scale in (1.0, 0.5, 0.25, 0.01)]
    assert counts == [16, 8, 4, 1]


def test_backbone_is_given_fewer_images(tmp_path, monkeypatch):
    """Feature maps are computed eight images at a time instead of sixteen, and are the same."""
    images = drawn_set(tmp_path, 18, size=64)
    found, sizes = [], []
    real = features_module.decoded

    def spied(images, indices, prepare, batch):
        sizes.append(batch)
        return real(images, indices, prepare, batch)

    monkeypatch.setattr(features_module, "decoded", spied)
    for scale in (1.0, 0.5):
        provider = context_with(scale, "efficientnet_lite0").features
        found.append(provider.maps(images, (8,))[8])
        assert provider.uncached().maps(images.subset([0]), (8,))[8].shape[0] == 1
    assert sizes == [16, 16, 8, 8]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["padim", "patchcore"])
def test_methods_score_the_same_with_half_the_batch(tmp_path, name):
    """Scores and maps of images taken half as many at once."""
    train = drawn_set(tmp_path / "train", 6, size=64)
    test = drawn_set(tmp_path / "test", 19, size=64)
    scored = []
    for scale in (1.0, 0.5):
        context = context_with(scale, "efficientnet_lite0")
        method = method_class(name)()
        method.fit(train, context)
        scored.append(method.score(test, context))
    np.testing.assert_allclose(scored[0].image, scored[1].image, rtol=1e-3)
    np.testing.assert_allclose(scored[0].maps, scored[1].maps, rtol=1e-3, atol=1e-4)
