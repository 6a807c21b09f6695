"""CutPaste: what is cut, where it is pasted, the classifier and the density behind it."""

import math

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import drawn_set
from reconstruction_world import generator, make_world, scratch_context
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf
from torchvision.transforms.v2 import functional as transforms

from adrepro.datasets.errors import UsageError
from adrepro.methods.check import check_method
from adrepro.methods.cutpaste import augment
from adrepro.methods.cutpaste.method import CutPaste, CutPasteSettings, gaussian
from adrepro.methods.cutpaste.network import ThreeWayClassifier, resnet18
from adrepro.methods.reconstruction.pixels import pixels, unit
from adrepro.methods.settings import make_settings

pytestmark = pytest.mark.usefixtures("one_thread")


def quickly(**changes):
    return CutPaste(
        CutPasteSettings(**({"width": 8, "head": (64, 32), "steps": 2, "batch": 4} | changes))
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_patches_have_the_papers_sizes(seed):
    """Areas within 2 to 15 percent, aspect ratios within 0.3 to 1 / 0.3, up to whole pixels."""
    width, height = augment.patch_sizes(64, 256, generator(seed)).unbind(dim=1)
    assert float((width * height / 256**2).min()) >= 0.019
    assert float((width * height / 256**2).max()) <= 0.153
    assert 0.28 <= float((width / height).min()) <= float((width / height).max()) <= 3.6


def test_upright_and_flat_patches_are_equally_likely():
    """Half of the aspect ratios lie below one; each half is uniform."""
    width, height = augment.patch_sizes(20_000, 4096, generator()).unbind(dim=1)
    aspect = width / height
    assert float((aspect < 1).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert float(aspect[aspect < 1].mean()) == pytest.approx(0.65, abs=0.01)
    assert float(aspect[aspect > 1].mean()) == pytest.approx((1 + 1 / 0.3) / 2, abs=0.03)


@pytest.mark.parametrize(
    ("side", "width", "length"), [(256, (2, 16), (10, 25)), (64, (1, 4), (3, 6))]
)
def test_scars_grow_with_the_image(side, width, length):
    """2 to 16 by 10 to 25 pixels at 256, a quarter of it at 64."""
    sizes = augment.scar_sizes(2000, side, generator())
    found = [(int(column.min()), int(column.max())) for column in sizes.unbind(dim=1)]
    assert found == [width, length]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_an_upright_patch_is_a_piece_of_its_source(seed):
    """What changed is one rectangle of the wanted size, and stands somewhere in the source."""
    image, source = torch.zeros(1, 3, 24, 24), torch.rand(1, 3, 24, 24, generator=generator(seed))
    size = torch.randint(3, 15, (1, 2), generator=generator(seed)).float()
    found = augment.paste(image, source + 1, size, torch.zeros(1), generator(seed))[0]
    rows, columns = (found[0] > 0).nonzero().unbind(dim=1)
    width, height = (int(value) for value in size[0])
    assert int(rows.max() - rows.min()) == height - 1
    assert int(columns.max() - columns.min()) == width - 1
    assert len(rows) == width * height
    piece = found[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    windows = (source[0] + 1).unfold(1, height, 1).unfold(2, width, 1)
    distances = (windows.permute(1, 2, 0, 3, 4) - piece).abs().amax(dim=(2, 3, 4))
    assert float(distances.min()) < 1e-4


def test_a_turned_scar_keeps_its_area_and_stays_inside():
    """At 45 degrees the number of changed pixels is about width times length."""
    images = torch.zeros(40, 3, 64, 64)
    size = torch.tensor([[6.0, 20.0]]).expand(40, 2)
    angles = torch.full((40,), math.pi / 4)
    found = augment.paste(images, images + 1, size, angles, generator())
    changed = (found[:, 0] > 0.5).sum(dim=(1, 2)).float()
    assert float((changed - 120).abs().max()) < 12
    # On the diagonal that runs down to the left, as a turn by +45° brings the long axis there.
    rows, columns = (found[0, 0] > 0.5).nonzero().unbind(dim=1)
    assert float(torch.corrcoef(torch.stack([rows, columns]).float())[0, 1]) < -0.5


def test_jitter_is_torchvisions():
    """The same factors give what torchvision's colour functions give, one after the other."""
    images = torch.rand(3, 3, 16, 16, generator=generator())
    found = augment.jitter(images, 0.1, generator(5))
    change = 0.1 * (2 * torch.rand(4, 3, generator=generator(5)) - 1)
    for index, image in enumerate(images):
        light, contrast, saturation, hue = change[:, index].tolist()
        image = transforms.adjust_brightness(image, 1 + light)  # noqa: PLW2901
        image = transforms.adjust_contrast(image, 1 + contrast)  # noqa: PLW2901
        image = transforms.adjust_saturation(image, 1 + saturation)  # noqa: PLW2901
        expected = transforms.adjust_hue(image, hue)
        # The libraries' grey weights differ in the third digit.
        torch.testing.assert_close(found[index], expected, atol=4e-3, rtol=0)
    assert augment.jitter(images, 0.0, generator()) is images


def test_translation_moves_whole_pixels():
    """The middle of a moved image is found in the original, no farther than allowed."""
    images = torch.rand(30, 3, 32, 32, generator=generator())
    found = augment.translate(images, 24, generator())  # 3 pixels of 32
    offsets = set()
    for before, after in zip(images, found, strict=True):
        middle = after[:, 8:24, 8:24]
        gaps = {
            (down, right): float(
                (before[:, down : down + 16, right : right + 16] - middle).abs().max()
            )
            for down in range(17)
            for right in range(17)
        }
        best = min(gaps, key=gaps.__getitem__)
        assert gaps[best] < 1e-4
        offsets |= {best[0] - 8, best[1] - 8}
    assert offsets == set(range(-3, 4))


def test_three_classes_in_equal_shares():
    """A third of a batch is untouched, each other third changed."""
    images = torch.rand(4, 3, 64, 64, generator=generator())
    found, classes = augment.three_way(images, 0.1, generator())
    assert classes.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert torch.equal(found[:4], images)
    changed = (found[4:].reshape(2, 4, 3, 64, 64) != images).any(dim=2).float().mean(dim=(2, 3))
    assert float(changed[0].min()) > 0.015
    assert 0 < float(changed[1].min()) <= float(changed[1].max()) < 0.01


def test_encoder_is_resnet18():
    """With torchvision's weights in the same order it gives torchvision's features."""
    reference = torchvision.models.resnet18().eval()
    values = [v for k, v in reference.state_dict().items() if not k.startswith("fc.")]
    network = resnet18(64).eval()
    network.load_state_dict(dict(zip(network.state_dict(), values, strict=True)))
    reference.fc = torch.nn.Identity()  # type: ignore[assignment]
    images = torch.rand(2, 3, 64, 64, generator=generator())
    with torch.no_grad():
        torch.testing.assert_close(network(images), reference(images))


def test_head_of_the_third_party_code():
    """Two hidden layers with normalisation, three classes, features before the head."""
    network = ThreeWayClassifier(8, (20, 10))
    widths = [m.out_features for m in network.head if isinstance(m, torch.nn.Linear)]
    assert widths == [20, 10, 3]
    assert sum(isinstance(m, torch.nn.BatchNorm1d) for m in network.head) == 2
    assert network.eval().embed(torch.zeros(1, 3, 32, 32)).shape == (1, 64)


def test_score_is_the_negative_log_density(tmp_path):
    """Up to a constant it is scipy's Gaussian with scikit-learn's shrunk covariance."""
    images = drawn_set(tmp_path / "images", 9)
    method = quickly()
    method.fit(images, scratch_context())
    features = method._features(images, scratch_context())
    density = multivariate_normal(features.mean(axis=0), ledoit_wolf(features)[0])
    expected = -density.logpdf(features)
    found = method.score(images, scratch_context()).image
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-3, atol=1e-3)


def test_gaussian_of_features_that_do_not_vary():
    """A dead feature does not blow up: the estimate stays finite."""
    features = np.random.default_rng(0).normal(size=(10, 4))
    features[:, 2] = 0.0
    mean, precision = gaussian(features)
    assert mean[2] == 0.0
    assert np.isfinite(precision).all()


def test_it_learns_to_spot_patches_and_scars(tmp_path, monkeypatch):
    """It tells the kinds apart on unseen images; untrained, or shown nothing pasted, it guesses."""
    world = make_world(tmp_path / "world")
    nominal = unit(pixels(world.test.subset(list(np.flatnonzero(~world.labels))), "cpu"))
    augmented, classes = augment.three_way(nominal.repeat(6, 1, 1, 1), 0.1, generator(9))

    def accuracy(steps, rate):
        method = quickly(steps=steps, batch=8, learning_rate=rate)
        method.fit(world.train, scratch_context())
        with torch.no_grad():
            right = method._network(augmented).argmax(dim=1) == classes
        return float(right.float().mean())

    assert accuracy(120, 0.03) > 0.48
    assert accuracy(1, 1e-9) < 0.42  # a third, give or take
    monkeypatch.setattr(augment, "paste", lambda images, *_: images)
    assert accuracy(120, 0.03) < 0.42


def test_contract():
    """The contract's own tests pass."""
    assert [result for result in check_method("cutpaste") if not result.passed] == []


@pytest.mark.parametrize(
    ("key", "value"), [("head", "()"), ("jitter", "0.6"), ("translation", "-1"), ("steps", "0")]
)
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key):
        make_settings(CutPaste, "paper", {key: value})
