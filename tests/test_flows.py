"""The flow against closed forms, and gradient maps by hand."""

import math

import numpy as np
import pytest
import torch
from method_images import drawn_set
from scipy.ndimage import gaussian_filter
from torch import nn

from adrepro.methods.backbones import parse_backbone
from adrepro.methods.features import FeatureProvider, pooled_scales
from adrepro.methods.flows.flow import build_flow, negative_log_likelihood, soft_clamp
from adrepro.methods.flows.localise import blur, gradient_maps
from adrepro.methods.seeding import seeded

SPEC = parse_backbone("efficientnet_lite0")


def small_flow(dim=6, seed=0, **changes):
    with seeded(seed):
        return build_flow(dim, **({"blocks": 3, "hidden": 16, "hidden_layers": 2} | changes))


def reference(flow, x, clamp):
    """DifferNet's coupling written out: permute, then update each half from the other."""
    log_det = torch.zeros(len(x), dtype=x.dtype)
    blocks = list(flow.module_list)
    for permute, coupling in zip(blocks[::2], blocks[1::2], strict=True):
        x = x[:, permute.perm]
        half = x.shape[1] // 2
        first, second = x[:, :half], x[:, half:]
        for net in (coupling.subnet2, coupling.subnet1):
            # (first, second) swap roles after the first half-update
            scale, shift = net(second).chunk(2, dim=1)
            log_scale = clamp * 0.636 * torch.atan(scale / clamp)
            first = first * log_scale.exp() + shift
            log_det = log_det + log_scale.sum(dim=1)
            first, second = second, first
        x = torch.cat([first, second], dim=1)
    return x, log_det


def test_flow_equals_the_closed_form():
    """FrEIA's blocks with our clamp compute the published coupling and its log-determinant."""
    flow = small_flow(dim=8, clamp=3.0)
    x = torch.randn(5, 8) * 4
    z, log_det = flow(x)
    expected_z, expected_log_det = reference(flow, x, 3.0)
    torch.testing.assert_close(z, expected_z)
    torch.testing.assert_close(log_det, expected_log_det)


def test_soft_clamp_has_slope_0636_at_zero():
    """The clamped log-scale a·0.636·arctan(s/a) rises with 0.636 at 0, whatever the bound a."""
    for clamp in (1.0, 3.0):
        s = torch.zeros((), requires_grad=True)
        value = clamp * soft_clamp(clamp)(s)
        value.backward()
        assert float(s.grad) == pytest.approx(0.636)
        bound = clamp * float(soft_clamp(clamp)(torch.tensor(1e9)))
        assert bound == pytest.approx(clamp * 0.636 * math.pi / 2)


def test_log_determinant_equals_autograd():
    """log|det J| is that of the Jacobian matrix."""
    flow = small_flow().double()
    x = torch.randn(1, 6, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: flow(v)[0][0], x)[:, 0]
    expected = torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(flow(x)[1][0], expected)


def test_flow_is_invertible():
    """Backwards through the flow gives the input."""
    flow = small_flow().double()
    x = torch.randn(4, 6, dtype=torch.float64)
    torch.testing.assert_close(flow(flow(x)[0], rev=True)[0], x)


def test_untrained_flow_starts_near_its_input():
    """Eight untrained blocks keep standardised features in range, the reason for the clamp."""
    with seeded(0):
        flow = build_flow(336, hidden=64)
    loss = negative_log_likelihood(flow, torch.randn(64, 336)).detach()
    assert 0.4 < float(loss.mean()) < 1.0


def test_loss_by_hand():
    """The loss is (½‖z‖² − log|det J|) / D."""
    flow = small_flow().requires_grad_(False)
    x = torch.randn(3, 6)
    z, log_det = flow(x)
    expected = [(0.5 * float(z[i] @ z[i]) - float(log_det[i])) / 6 for i in range(3)]
    np.testing.assert_allclose(negative_log_likelihood(flow, x).detach(), expected, rtol=1e-5)


def test_seeded_leaves_no_trace():
    """Libraries that draw from global generators do so unnoticed."""
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    with seeded(3):
        a = torch.rand(2)
        build_flow(4, blocks=1, hidden=4)
    with seeded(3):
        assert torch.equal(a, torch.rand(2))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_permutations_are_those_of_numpy_seeds():
    """Block k permutes by numpy's permutation under seed k, as the official code."""
    flow = small_flow(dim=10)
    for index in range(3):
        expected = np.random.RandomState(index).permutation(10)
        assert np.array_equal(flow.module_list[2 * index].perm, expected)


def test_blur_equals_scipy():
    """The separable blur is scipy's Gaussian filter with a mirrored border."""
    maps = np.random.default_rng(0).normal(size=(2, 3, 40, 50)).astype(np.float32)
    expected = gaussian_filter(maps, (0, 0, 3, 3), mode="mirror", truncate=4.0)
    np.testing.assert_allclose(blur(torch.from_numpy(maps), 3.0), expected, atol=1e-5)


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(SPEC)


def test_gradient_map_by_hand(tmp_path, provider):
    """One unrotated, unblurred view: the squared mean of absolute input gradients."""
    images = drawn_set(tmp_path, 2)
    flow = small_flow(dim=224).requires_grad_(False)
    options = {"sizes": (64, 32), "stride": 16, "angles": (0.0,), "sigma": 0.0}
    found = gradient_maps(images, provider, flow, lambda f: f, **options)
    pixels = provider.backbone.normalise(images[1][None]).requires_grad_()
    features = pooled_scales(provider.backbone, pixels, (64, 32), 16)
    negative_log_likelihood(flow, features)[0].backward()
    expected = pixels.grad[0].abs().mean(dim=0).square()
    np.testing.assert_allclose(found[1], expected, rtol=1e-2, atol=float(expected.max()) * 1e-4)


def test_gradients_are_rotated_back(tmp_path, provider, monkeypatch):
    """With a network that reads one corner, every view's gradient lands on that view's corner."""
    images = drawn_set(tmp_path, 1, size=33)

    def corner(_backbone, batch, _sizes, _stride):
        weight = torch.zeros(1, 1, 33, 33)
        weight[..., :5, :5] = 1.0
        return (batch * weight).flatten(1)[:, : 33 * 33]

    class Identity(nn.Module):
        def forward(self, x):
            return x, torch.zeros(len(x))

    monkeypatch.setattr("adrepro.methods.flows.localise.pooled_scales", corner)
    options = {"sizes": (33,), "stride": 8, "sigma": 0.0}
    found = gradient_maps(images, provider, Identity(), lambda f: f, angles=(0.0, 90.0), **options)[
        0
    ]
    # A view turned by 90° counter-clockwise shows the image's right corner at its top left.
    lit = found > 0
    assert lit[:5, :5].mean() > 0.9
    assert lit[:5, -5:].mean() > 0.9
    assert lit.sum() <= 2 * 36
