"""DifferNet: published defaults, score and features."""

import pytest
import torch
from method_images import drawn_set, make_context

from adrepro.datasets.errors import UsageError
from adrepro.methods import backbones
from adrepro.methods.backbones import load_backbone, parse_backbone
from adrepro.methods.differnet.method import DifferNet, DifferNetSettings
from adrepro.methods.features import FeatureProvider
from adrepro.methods.settings import make_settings
from adrepro.methods.views import bank

SPEC = parse_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(SPEC)


def quick(**changes):
    plain = {
        "epochs": 2,
        "train_views": 4,
        "test_views": 2,
        "blocks": 2,
        "hidden": 16,
        "localise_views": 2,
    }
    return DifferNet(DifferNetSettings(**(plain | changes)))


def test_score_is_the_mean_square_of_z(tmp_path, provider):
    """The score is the mean of z² over views and dimensions, of standardised features."""
    images, context = drawn_set(tmp_path, 4), make_context(provider)
    method = quick()
    method.fit(images, context)
    scores = method.score(images.subset([2]), context)
    assert scores.maps.shape == (1, 64, 64)
    train = provider.pooled(images, sizes=(64, 32, 16), stride=16, views=bank(4))
    flat = train.reshape(-1, train.shape[-1])
    views = provider.pooled(images, sizes=(64, 32, 16), stride=16, views=bank(2))[2]
    standard = (views - flat.mean(axis=0)) / flat.std(axis=0, ddof=1).clip(1e-6)
    z = method._flow(torch.from_numpy(standard))[0]
    assert float(scores.image[0]) == pytest.approx(float(z.square().mean()), rel=1e-3)


def test_alexnet_is_taken_as_published(tmp_path, monkeypatch):
    """With the paper's network and weights: last map, three scales, 768 features, as they are.

    The weights are drawn, under the digits of the published file: only whose they are matters.
    """
    file = tmp_path / "alexnet.pth"
    torch.save(load_backbone(parse_backbone("alexnet.random"), "cpu").model.state_dict(), file)
    provider = FeatureProvider(parse_backbone("alexnet", weights=file))
    images = drawn_set(tmp_path / "images", 3, size=256)
    taken = []
    for published in (False, True):
        if published:
            digits = provider.spec.weights_sha256()[:8]
            found = ("torchvision/alexnet", "IMAGENET1K_V1")
            monkeypatch.setitem(backbones.PUBLISHED, digits, found)
        method = quick(train_views=1, test_views=1, epochs=1, localise=False)
        method.fit(images, make_context(provider))
        assert method._mean.shape == (768,)
        taken.append(not method._mean.any() and bool(method._deviation.eq(1).all()))
        assert not method.localises
        assert method.score(images, make_context(provider)).maps is None
    assert taken == [False, True], "other weights of AlexNet are standardised"
    assert method._stride(make_context(FeatureProvider(parse_backbone("alexnet.random")))) == 32


def test_defaults_are_published_values():
    """The settings that the official code and the RAD paper print."""
    s = DifferNetSettings()
    assert (s.epochs, s.batch_images, s.views_per_step, s.test_views) == (240, 24, 4, 64)
    assert (s.blocks, s.hidden, s.hidden_layers, s.clamp) == (8, 2048, 3, 3.0)
    assert (s.learning_rate, s.betas, s.epsilon, s.weight_decay) == (2e-4, (0.8, 0.8), 1e-4, 1e-5)
    assert (DifferNet.image_size, s.scales, DifferNet.backbone) == (448, (1, 2, 4), "alexnet")


@pytest.mark.parametrize(("key", "value"), [("epochs", "0"), ("scales", "2,4"), ("clamp", "0")])
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key):
        make_settings(DifferNet, "paper", {key: value})
