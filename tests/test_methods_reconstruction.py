"""What reconstructing methods share: similarity maps, batches, the training loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import drawn_set
from reconstruction_world import scratch_context
from scipy import ndimage
from skimage.metrics import structural_similarity
from torch import nn

from adrepro.datasets.errors import CellError
from adrepro.methods.reconstruction import pixels as pixel_tools
from adrepro.methods.reconstruction import similarity
from adrepro.methods.reconstruction.training import step_decay, train


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_ssim_is_that_of_scikit_image():
    """At every pixel, borders included, for images that are alike and images that are not."""
    first = noise(2, 3, 24, 32)
    second = torch.stack([noise(3, 24, 32, seed=1), first[1] * 0.8 + 0.1 * noise(3, 24, 32)])
    found = similarity.ssim_error(first, second)
    for index in range(2):
        _, expected = structural_similarity(
            first[index].double().numpy(),
            second[index].double().numpy(),
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        inner = (slice(5, -5), slice(5, -5))  # scipy repeats the outermost pixel, kornia does not
        np.testing.assert_allclose(found[index][inner], 1 - expected.mean(axis=0)[inner], atol=1e-4)


def test_gradient_magnitude_is_prewitts_after_a_median():
    """The definition with scipy's filters, inside; zero on a constant image up to the border."""
    images = noise(2, 3, 20, 26)
    found = similarity.gradient_magnitude(images)[:, 0].numpy()
    for index in range(2):
        grey = ndimage.median_filter(images[index].double().mean(dim=0).numpy(), 3)
        expected = np.hypot(ndimage.prewitt(grey, 0), ndimage.prewitt(grey, 1)) / 3
        np.testing.assert_allclose(found[index, 2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-5)
    constant = similarity.gradient_magnitude(torch.full((1, 3, 9, 9), 0.4))
    assert float(constant.max()) < 1e-5


def test_a_ramp_has_the_slope_that_it_has():
    """Prewitt divided by three measures the difference over two pixels."""
    ramp = torch.arange(16.0).repeat(16, 1) / 100
    found = similarity.gradient_magnitude(ramp.expand(1, 3, 16, 16))
    assert float(found[0, 0, 8, 8]) == pytest.approx(0.02, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_similarities_are_symmetric_and_bounded(seed):
    """Errors vanish between equal images, are the same both ways and lie in their range."""
    first, second = noise(1, 3, 32, 32, seed=seed), noise(1, 3, 32, 32, seed=seed + 1)
    for error, most in ((similarity.ssim_error, 2), (similarity.multiscale_gms_map, 1)):
        forth, back = error(first, second), error(second, first)
        torch.testing.assert_close(forth, back, atol=1e-5, rtol=0)
        assert 0 <= float(forth.min()) <= float(forth.max()) <= most
        assert float(error(first, first).abs().max()) < 1e-5


def test_multiscale_loss_is_the_mean_over_scales():
    """Four scales, each the 2 × 2 average of the one before, count the same."""
    first, second = noise(2, 3, 32, 32), noise(2, 3, 32, 32, seed=1)
    expected = []
    for scale in range(4):
        shrunk = [
            image.reshape(2, 3, 32 >> scale, 1 << scale, 32 >> scale, 1 << scale).mean(dim=(3, 5))
            for image in (first, second)
        ]
        expected.append(float(similarity.gms_error(*shrunk).mean()))
    found = float(similarity.multiscale_gms_loss(first, second))
    assert found == pytest.approx(np.mean(expected), rel=1e-4)


def test_gradients_stay_finite_on_flat_images():
    """The root's infinite slope at zero does not reach the weights."""
    flat = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    similarity.multiscale_gms_loss(torch.zeros(1, 3, 16, 16), flat).backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


def test_mean_filter_is_scipys():
    """A uniform filter with zeros beyond the border."""
    maps = noise(2, 17, 13)
    expected = [ndimage.uniform_filter(m.double().numpy(), 5, mode="constant") for m in maps]
    np.testing.assert_allclose(similarity.mean_filter(maps, 5), np.stack(expected), atol=1e-6)
    assert torch.equal(similarity.mean_filter(maps, 1), maps)


def test_chunks_are_all_images_in_order(tmp_path):
    """Chunks put together are the set itself, in [0, 1]."""
    images = drawn_set(tmp_path / "images", pixel_tools.CHUNK + 3, size=16)
    found = torch.cat(list(pixel_tools.chunks(images, scratch_context())))
    expected = images.array().transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(found, expected, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 3))
def test_an_epoch_shows_every_image_once(count, batch, epochs):
    """Batches of an epoch are a permutation, as many as `steps_per_epoch` says."""
    batches = pixel_tools.shuffled_batches(count, batch, torch.Generator().manual_seed(0))
    for _ in range(epochs):
        steps = pixel_tools.steps_per_epoch(count, batch)
        epoch = torch.cat([next(batches) for _ in range(steps)])
        assert sorted(epoch.tolist()) == list(range(count))


def test_training_descends_in_training_mode_and_ends_in_evaluation_mode():
    """A least-squares fit reaches the closed-form solution; the mode is switched around it."""
    layer = nn.Linear(2, 1, bias=False)
    inputs = noise(40, 2)
    targets = inputs @ torch.tensor([[2.0], [-1.0]])
    modes, told = [], []

    def loss():
        modes.append(layer.training)
        return (layer(inputs) - targets).square().mean()

    layer.eval()
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    with torch.no_grad():  # a caller's mode does not matter
        train([layer], optimiser, None, loss, 400, lambda fraction, _text: told.append(fraction))
    assert all(modes)
    assert not layer.training
    assert told[-1] == 1.0
    assert layer.weight.tolist()[0] == pytest.approx([2.0, -1.0], abs=1e-2)


def test_divergence_is_one_line():
    """A loss that is no number ends the training with the step and what to do."""
    layer = nn.Linear(1, 1)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)

    def loss():
        return layer(torch.ones(1, 1)).sum() * float("inf")

    with pytest.raises(CellError, match=r"step 1 of 3.*learning_rate"):
        train([layer], optimiser, None, loss, 3, lambda _fraction, _text: None)


def test_the_rate_falls_at_its_shares():
    """Ten steps, a fifth after 80 and after 90 percent."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    decay = step_decay(optimiser, 10, (0.8, 0.9), 0.2)
    rates = []
    for _ in range(10):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        decay.step()
    assert rates == pytest.approx([1.0] * 8 + [0.2, 0.04])
