"""Kept forward passes: the same maps, no second pass, bounded memory, gone with their network."""

import contextlib
import gc
import weakref

import numpy as np
import pytest
import torch
from method_images import drawn_set

from adrepro.methods.backbones import parse_backbone
from adrepro.methods.features import FeatureProvider
from adrepro.methods.flows import graphs, localise
from adrepro.methods.flows.flow import build_flow
from adrepro.methods.flows.localise import gradient_maps
from adrepro.methods.seeding import seeded

OPTIONS = {"sizes": (64, 32), "stride": 16, "angles": (0.0, 90.0), "sigma": 1.0}


def new_flow(seed):
    with seeded(seed):
        return build_flow(224, blocks=2, hidden=16, hidden_layers=1).requires_grad_(False)


def maps(images, provider, seed=0, **changes):
    return gradient_maps(images, provider, new_flow(seed), lambda f: f, **(OPTIONS | changes))


@pytest.fixture
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


@pytest.fixture
def passes(monkeypatch):
    """Collect the passes that are run through the network."""
    seen, real = [], localise.pooled_scales

    def counted(*arguments):
        seen.append(arguments[1].shape)
        return real(*arguments)

    monkeypatch.setattr(localise, "pooled_scales", counted)
    return seen


def test_other_flows_take_the_same_passes(tmp_path, provider, passes):
    """Two flows over one set of images: as many passes as views, and the maps of fresh ones."""
    images = drawn_set(tmp_path, 3)
    found = [maps(images, provider, seed) for seed in (0, 1, 0)]
    assert len(passes) == 2
    fresh = [maps(images, provider.uncached(), seed) for seed in (0, 1)]
    assert len(passes) == 6
    for got, expected in zip(found, [*fresh, fresh[0]], strict=True):
        np.testing.assert_array_equal(got, expected)
    assert np.abs(found[0] - found[1]).max() > 0


def test_passes_are_part_of_the_features_time(tmp_path, provider):
    """The first flow pays for the passes as for frozen features, the second for nothing."""
    images = drawn_set(tmp_path, 3)
    spent = []
    for _ in range(2):
        before = provider.compute_s
        maps(images, provider)
        spent.append(provider.compute_s - before)
    assert spent[0] > 0
    assert spent[1] == 0


@pytest.mark.parametrize("change", [{"sizes": (64,)}, {"angles": (0.0,), "stride": 8}, "images"])
def test_other_images_or_options_are_other_passes(tmp_path, provider, passes, change):
    """Passes are let go of as soon as others are wanted."""
    images = drawn_set(tmp_path / "a", 2)
    maps(images, provider)
    before = len(passes)
    changes = {} if change == "images" else change
    other = drawn_set(tmp_path / "b", 2, seed=1) if change == "images" else images
    dim = 112 * len(changes.get("sizes", (1, 2))) if "stride" not in changes else 80
    with seeded(0):
        flow = build_flow(dim, blocks=2, hidden=16, hidden_layers=1).requires_grad_(False)
    gradient_maps(other, provider, flow, lambda f: f, **(OPTIONS | changes))
    wanted = len(changes.get("angles", (0, 1)))
    assert len(passes) == before + wanted
    assert len(graphs._HELD[provider.backbone].passes) == wanted


def test_what_does_not_fit_is_not_kept(tmp_path, provider, passes, monkeypatch):
    """Beyond the limit every flow runs its own passes, with the same result."""
    images = drawn_set(tmp_path, 2)
    expected = maps(images, provider.uncached())
    del passes[:]
    monkeypatch.setattr(graphs, "GRAPH_BYTES", 1000)
    for _ in range(2):
        np.testing.assert_array_equal(maps(images, provider), expected)
    assert len(passes) == 4
    assert not graphs._HELD[provider.backbone].passes


def test_the_bytes_counted_are_those_of_activations(tmp_path, provider):
    """Twice the images, twice the bytes; far more than the pixels alone."""
    sizes = []
    for count in (1, 2):
        maps(drawn_set(tmp_path / str(count), count), provider, angles=(0.0,))
        sizes.append(graphs._HELD[provider.backbone].size)
    assert sizes[1] == pytest.approx(2 * sizes[0], rel=0.01)
    assert sizes[0] > 10 * 3 * 64 * 64 * 4


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18.random", "alexnet.random"])
def test_nothing_is_left_of_former_passes(tmp_path, monkeypatch, name):
    """Passes over other images, and the network's end, free every tensor of the former ones.

    Also of networks whose activations work in place: a graph must not hold itself.
    """
    provider = FeatureProvider(parse_backbone(name))
    stride = 32 if name.startswith("alexnet") else 16

    def score(folder, seed):
        images = drawn_set(tmp_path / folder, 1, size=128, seed=seed)
        width = provider.backbone.maps(torch.zeros(1, 3, 128, 128), (stride,))[stride].shape[1]
        with seeded(0):
            flow = build_flow(width, blocks=1, hidden=8, hidden_layers=1).requires_grad_(False)
        options = {"sizes": (128,), "stride": stride, "angles": (0.0,), "sigma": 1.0}
        gradient_maps(images, provider, flow, lambda f: f, **options)

    saved, real = [], graphs._Counter.add

    def watched(counter, tensor):
        kept = real(counter, tensor)
        saved.append(weakref.ref(kept))
        return kept

    monkeypatch.setattr(graphs._Counter, "add", watched)
    score("a", 0)
    first = len(saved)
    assert all(ref() is not None for ref in saved)
    score("b", 1)
    gc.collect()
    assert not any(ref() is not None for ref in saved[:first])
    provider.forget_backbone()
    gc.collect()
    assert len(saved) > first > 5
    assert not any(ref() is not None for ref in saved)


def test_passes_are_made_as_if_nothing_had_been_changed(tmp_path, provider):
    """What a method did to its process must not enter passes that other cells take."""
    images, seen = drawn_set(tmp_path, 1), []

    @contextlib.contextmanager
    def guard():
        seen.append("in")
        yield
        seen.append("out")

    provider.guard = guard
    maps(images, provider, angles=(0.0,))
    assert seen[:2] == ["in", "out"]
