"""Backbones in mixed precision: another name, float32 in and out, features near float32's."""

import numpy as np
import pytest
import torch

from adrepro.datasets.errors import UsageError
from adrepro.datasets.images import ImageSet, file_sha256
from adrepro.methods.backbones import load_backbone, parse_backbone
from adrepro.methods.features import FeatureProvider
from conftest import grey_image, save

NAME = "efficientnet_lite0"


@pytest.fixture(scope="module")
def both():
    return [load_backbone(parse_backbone(name)) for name in (NAME, f"{NAME}+bf16")]


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("efficientnet_lite0+bf16", "efficientnet_lite0.packaged+bf16"),
        ("timm/resnet18.a1_in1k+bf16", "timm/resnet18.a1_in1k+bf16"),
        ("alexnet+bf16", "torchvision/alexnet.IMAGENET1K_V1+bf16"),
    ],
)
def test_precision_is_part_of_the_name(text, identity):
    """It enters tables and keys; the same name without it is another backbone."""
    spec = parse_backbone(text)
    assert spec.identity() == identity
    assert parse_backbone(text.removesuffix("+bf16")).identity() == identity.removesuffix("+bf16")


def test_a_precision_that_is_not_there_is_refused():
    """One line, as for any name that is none."""
    with pytest.raises(UsageError, match=r"fp4"):
        parse_backbone("efficientnet_lite0+fp4")


def test_maps_are_near_and_not_equal(both):
    """bfloat16 has 8 significant bits: maps differ, by less than a tenth of their size."""
    pixels = np.random.default_rng(0).integers(0, 255, (2, 128, 128, 3), dtype=np.uint8)
    plain, mixed = (one.maps(one.normalise(pixels), (8, 16, 32)) for one in both)
    for stride, expected in plain.items():
        assert mixed[stride].dtype is torch.float32
        off = (mixed[stride] - expected).norm() / expected.norm()
        assert 1e-4 < off < 0.1


def test_gradients_flow_and_are_near(both):
    """Gradient maps work through it; rounding shows in them most."""
    gradients = []
    for one in both:
        batch = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
        batch.requires_grad_()
        one.maps(batch, (32,))[32].square().mean().backward()
        gradients.append(batch.grad.flatten())
    assert torch.cosine_similarity(*gradients, dim=0) > 0.5


def test_stored_features_are_kept_apart(tmp_path):
    """One cache folder, two precisions: neither gets the other's."""
    path = save(tmp_path / "a.png", grey_image(90, spot=True)[0])
    images = ImageSet([path], [file_sha256(path)], 64)
    found = []
    for _ in range(2):  # computed, then from disk
        for name in (NAME, f"{NAME}+bf16"):
            provider = FeatureProvider(parse_backbone(name), cache_dir=tmp_path / "cache")
            found.append(provider.maps(images, [16])[16])
    assert not np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert np.array_equal(found[1], found[3])


def test_csflow_taps_in_the_named_precision(both):
    """Its own way through the network, past `Backbone.maps`, takes the precision, too."""
    from adrepro.methods.csflow.features import scale_maps

    pixels = np.random.default_rng(1).integers(0, 255, (1, 128, 128, 3), dtype=np.uint8)
    plain, mixed = (scale_maps(one, pixels, (1,))[0] for one in both)
    assert mixed.dtype is torch.float32
    assert 1e-4 < (mixed - plain).norm() / plain.norm() < 0.1
