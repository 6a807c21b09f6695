"""RIAD: masks, inpainting that cannot look, and what it finds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import drawn_set
from reconstruction_world import generator, make_world, scratch_context
from scipy import ndimage
from skimage.metrics import structural_similarity
from torch import nn

from adrepro.datasets.errors import UsageError
from adrepro.methods.check import check_method
from adrepro.methods.reconstruction.similarity import multiscale_gms_loss, multiscale_gms_map
from adrepro.methods.riad.masks import disjoint_masks, inpaint
from adrepro.methods.riad.method import RIAD, RIADSettings, inpainting_loss
from adrepro.methods.riad.network import InpaintingUNet
from adrepro.methods.settings import make_settings

pytestmark = pytest.mark.usefixtures("one_thread")


def quickly(**changes):
    plain = {"width": 8, "epochs": 1, "learning_rate": 1e-2, "cells": (8, 16), "filter": 5}
    return RIAD(RIADSettings(**(plain | changes)))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(1, 5), st.integers(2, 4), st.integers(0, 100))
def test_masks_divide_the_image(side, cell, parts, seed):
    """Every pixel is removed exactly once, in whole cells, and parts are equally large."""
    found = disjoint_masks(side * cell, cell, parts, generator(seed))
    assert torch.equal(found.sum(dim=0), torch.ones(side * cell, side * cell, dtype=torch.int64))
    cells = found.reshape(parts, side, cell, side, cell).permute(0, 1, 3, 2, 4).flatten(3)
    assert torch.equal(cells.all(dim=3), cells.any(dim=3))
    counts = found.sum(dim=(1, 2)) // cell**2
    assert int(counts.max() - counts.min()) <= 1


def test_masks_are_drawn_anew():
    """Two draws of one generator differ; the same state gives the same masks."""
    source = generator(3)
    first, second = (disjoint_masks(32, 4, 3, source) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, disjoint_masks(32, 4, 3, generator(3)))


def test_no_pixel_sees_itself():
    """The guess at a removed cell does not move with what was there, with what is left it does."""
    network = InpaintingUNet(4).eval()
    image = torch.rand(1, 3, 32, 32, generator=generator())
    removed = disjoint_masks(32, 8, 3, generator())
    with torch.no_grad():
        plain = inpaint(network, image, removed)
        for part in range(3):
            changed = torch.where(removed[part], torch.rand(1, 3, 32, 32), image)
            moved = (inpaint(network, changed, removed) - plain).abs().amax(dim=(0, 1))
            assert float(moved[removed[part]].max()) == 0.0
            assert float(moved[~removed[part]].max()) > 1e-4


def test_parts_are_put_back_where_they_were():
    """A network that returns its input shows exactly the holes; one that adds one, ones."""
    image = torch.rand(2, 3, 16, 16, generator=generator()) + 1
    removed = disjoint_masks(16, 4, 3, generator())
    assert float(inpaint(nn.Identity(), image, removed).abs().max()) == 0.0

    class PlusOne(nn.Module):
        def forward(self, x):
            return x + 1

    assert torch.equal(inpaint(PlusOne(), image, removed), torch.ones(2, 3, 16, 16))


def test_network_of_the_third_party_code():
    """Its levels and shape: 64 to 512 channels, strides 2, a skip connection at every level."""
    network = InpaintingUNet(64)
    levels = [block[0][0].out_channels for block in network.down]
    assert levels == [64, 128, 256, 512, 512]
    assert [block[0][0].in_channels for block in network.merge] == [1024, 512, 256, 128]
    assert network(torch.zeros(1, 3, 32, 48)).shape == (1, 3, 32, 48)


def test_loss_adds_three_errors():
    """Squared error, scikit-image's SSIM and gradient similarity, each with weight one."""
    image, guess = (torch.rand(1, 3, 40, 40, generator=generator(s)) for s in (0, 1))
    similarity = structural_similarity(
        image[0].numpy(),
        guess[0].numpy(),
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )[1].mean()  # fmt: skip
    squared = float(np.square(image.numpy() - guess.numpy()).mean())
    expected = squared + (1 - similarity) + float(multiscale_gms_loss(image, guess))
    # The border of SSIM differs a little between the libraries.
    assert float(inpainting_loss(image, guess)) == pytest.approx(expected, abs=5e-3)


def test_map_is_the_mean_over_cells(tmp_path):
    """Errors of every cell size count the same, are filtered by a mean, and the largest scores."""
    images = drawn_set(tmp_path / "images", 2, size=32)
    method = quickly(cells=(4, 8), filter=3)
    method.fit(images, scratch_context())
    scores = method.score(images, scratch_context())
    batch = torch.from_numpy(images.array().transpose(0, 3, 1, 2) / np.float32(255))
    errors = [
        multiscale_gms_map(batch, inpaint(method._network, batch, removed))
        for removed in method._test_masks(32, scratch_context())
    ]
    mean = ((errors[0] + errors[1]) / 2).detach().numpy()
    expected = [ndimage.uniform_filter(m, 3, mode="constant") for m in mean]
    np.testing.assert_allclose(scores.maps, expected, atol=1e-5)
    np.testing.assert_array_equal(scores.image, scores.maps.max(axis=(1, 2)))


def test_what_cannot_be_guessed_is_found(tmp_path):
    """A blot's surroundings do not say that it is there: errors are large on it only."""
    world = make_world(tmp_path / "world")
    method = quickly(epochs=8, batch=2)
    method.fit(world.train, scratch_context())
    maps = method.score(world.test, scratch_context()).maps
    assert maps[world.masks].mean() > 2 * maps[world.labels][~world.masks[world.labels]].mean()
    assert maps[world.masks].mean() > 4 * maps[~world.labels].mean()


def test_the_network_never_sees_a_whole_image(tmp_path, monkeypatch):
    """In training and in scoring, a third of the cells of everything it is shown is black."""
    images = drawn_set(tmp_path / "images", 4, size=32)
    assert images.array().max(axis=3).min() > 0  # no pixel is black by itself
    seen = []
    plain = InpaintingUNet.forward

    def forward(self, x):
        black = (x == 0).all(dim=1)
        seen.append((self.training, float(black.float().mean(dim=(1, 2)).min())))
        return plain(self, x)

    monkeypatch.setattr(InpaintingUNet, "forward", forward)
    method = quickly(cells=(2, 4))
    method.fit(images, scratch_context())
    method.score(images, scratch_context())
    assert {training for training, _ in seen} == {True, False}
    assert all(least == pytest.approx(1 / 3, abs=0.02) for _, least in seen)


@pytest.mark.parametrize(("changes", "taken"), [({"epochs": 2}, 4), ({"steps": 3}, 3)])
def test_steps_taken(tmp_path, changes, taken):
    """Five images in batches of four are two steps an epoch; steps, if set, count instead."""
    told = []
    images = drawn_set(tmp_path / "images", 5, size=32)
    context = replace(scratch_context(), progress=lambda _fraction, text: told.append(text))
    quickly(**changes).fit(images, context)
    assert len(told) == taken
    assert told[-1].startswith(f"step {taken} of {taken}")


@pytest.mark.parametrize("size", [40, 24])
def test_sizes_that_do_not_divide(tmp_path, size):
    """An image size that the strides or the cells do not divide is refused in one line."""
    images = drawn_set(tmp_path / "images", 2, size=size)
    with pytest.raises(UsageError, match=f"image size of {size} is no multiple of 16"):
        quickly().fit(images, scratch_context())


def test_contract():
    """The contract's own tests pass."""
    assert [result for result in check_method("riad") if not result.passed] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("cells", "()"), ("parts", "1"), ("filter", "4"), ("width", "0"), ("steps", "0")],
)
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key):
        make_settings(RIAD, "paper", {key: value})
