"""CS-Flow: the flow against autograd and a written-out block, its features, training, scores."""

import numpy as np
import pytest
import torch
from method_images import drawn_set, make_context
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from adrepro.datasets.errors import CellError, UsageError
from adrepro.methods.backbones import load_backbone, parse_backbone
from adrepro.methods.checkdata import write_sets
from adrepro.methods.csflow.features import has_sixth_stage, scale_maps
from adrepro.methods.csflow.flow import CrossScaleNet, build_flow
from adrepro.methods.csflow.method import CSFlow, CSFlowSettings
from adrepro.methods.csflow.train import latent_scores, negative_log_likelihood, train_flow
from adrepro.methods.features import FeatureProvider
from adrepro.methods.seeding import seeded
from adrepro.methods.settings import make_settings

SHAPES = ((4, 4, 4), (4, 2, 2), (4, 1, 1))


def small_flow(shapes=SHAPES, seed=0, gain=1.0, **changes):
    """A flow whose gains are not zero, so that it is not the identity."""
    with seeded(seed):
        flow = build_flow(shapes, **({"hidden": 5, "kernels": (3, 5), "clamp": 3.0} | changes))
    with torch.no_grad():
        for module in flow.modules():
            if isinstance(module, CrossScaleNet):
                module.gains.fill_(gain)
    return flow


def draw(count=2, shapes=SHAPES, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, *shape, generator=generator, dtype=dtype) * 2 for shape in shapes]


def test_flow_is_invertible():
    """Backwards through the flow gives every scale's map, and the log-determinant's negative."""
    flow = small_flow().double()
    maps = draw(dtype=torch.float64)
    latents, log_det = flow(maps)
    back, undone = flow(latents, rev=True)
    for found, expected in zip(back, maps, strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(undone, -log_det)


def test_log_determinant_equals_autograd():
    """log|det J| is that of the Jacobian over all scales together."""
    flow = small_flow().double()
    maps = draw(1, dtype=torch.float64)
    sizes = [m.numel() for m in maps]

    def flat(vector):
        parts = [p.reshape(1, *s) for p, s in zip(vector.split(sizes), SHAPES, strict=True)]
        return torch.cat([z.flatten() for z in flow(parts)[0]])

    jacobian = torch.autograd.functional.jacobian(flat, torch.cat([m.flatten() for m in maps]))
    expected = torch.linalg.slogdet(jacobian).logabsdet
    assert abs(float(expected)) > 0.1
    torch.testing.assert_close(flow(maps)[1][0], expected)


def test_one_block_by_hand():
    """Permute, update the first half from the second, then the second from the new first."""
    flow = small_flow(kernels=(3,))
    permute, coupling = flow.module_list
    maps = draw()
    latents, _ = flow(maps)
    shuffled = [m[:, order] for m, order in zip(maps, permute.orders, strict=True)]
    first, second = [m[:, :2] for m in shuffled], [m[:, 2:] for m in shuffled]
    for net in (coupling.from_second, coupling.from_first):
        moved = []
        for m, p in zip(first, net(second), strict=True):
            log_scale = 3.0 * 0.636 * torch.atan(p[:, :2] / 3.0)
            moved.append(m * log_scale.exp() + p[:, 2:])
        first, second = second, moved
    for z, a, b in zip(latents, first, second, strict=True):
        torch.testing.assert_close(z, torch.cat([a, b], dim=1))


def test_subnetwork_by_hand():
    """The middle scale sums its own path, the finer one by stride 2, the coarser one upsampled."""
    with seeded(3):
        net = CrossScaleNet(2, 4, hidden=5, scales=3, kernel=3)
    net.gains.data.copy_(torch.tensor([1.0, 0.5, 2.0]))
    maps = draw(shapes=((2, 8, 8), (2, 4, 4), (2, 2, 2)))
    h = [functional.leaky_relu(conv(m), 0.1) for conv, m in zip(net.enter, maps, strict=True)]
    up = functional.interpolate(h[2], scale_factor=2, mode="bilinear")
    expected = net.leave[1](h[1]) + net.to_coarser[0](h[0]) + net.to_finer[1](up)
    torch.testing.assert_close(net(maps)[1], 0.5 * expected)


def test_scales_exchange_information():
    """A change at the coarsest scale reaches the finest latent map and the other way round."""
    flow = small_flow()
    maps = draw()
    before, _ = flow(maps)
    for changed, seen in ((2, 0), (0, 2)):
        other = [m + (k == changed) for k, m in enumerate(maps)]
        assert not torch.allclose(flow(other)[0][seen], before[seen])


def test_untrained_flow_is_a_permutation():
    """Gains start at zero: values are only shuffled, and the log-determinant is zero."""
    flow = small_flow(gain=0.0)
    maps = draw()
    latents, log_det = flow(maps)
    assert not log_det.any()
    for z, m in zip(latents, maps, strict=True):
        assert torch.equal(z.sort(dim=1).values, m.sort(dim=1).values)


def test_permutations_are_drawn_in_turn():
    """Block k draws one permutation per scale from numpy's generator of seed k."""
    flow = small_flow()
    for index in range(2):
        rng = np.random.RandomState(index)
        for order in flow.module_list[2 * index].orders:
            assert np.array_equal(order, rng.permutation(4))


def test_loss_and_scores_by_hand():
    """Loss (½‖z‖² − log|det J|)/D; image score mean of z²/2; map mean of z² at the finest scale."""
    flow = small_flow().requires_grad_(False)
    maps = draw()
    latents, log_det = flow(maps)
    image, finest = latent_scores(latents)
    for i in range(2):
        z = np.concatenate([latent[i].numpy().ravel() for latent in latents])
        assert z.size == 84
        expected = (0.5 * z @ z - float(log_det[i])) / 84
        loss = float(negative_log_likelihood(flow, maps)[i])
        assert loss == pytest.approx(expected, rel=1e-4)
        assert float(image[i]) == pytest.approx((z**2 / 2).mean(), rel=1e-5)
    np.testing.assert_allclose(finest, (latents[0].numpy() ** 2).mean(axis=1), rtol=1e-5)


def options(**changes):
    plain = {"epochs": 30, "batch_images": 8, "learning_rate": 1e-2, "epsilon": 1e-4}
    return plain | {"weight_decay": 1e-5, "generator": torch.Generator().manual_seed(0)} | changes


def structured(count, seed):
    """Every channel and scale shows one number per image, and a little noise."""
    value = torch.randn(count, 1, 1, 1, generator=torch.Generator().manual_seed(seed))
    return [value + 0.05 * m for m in draw(count, seed=seed)]


def test_training_finds_structure():
    """Training lowers the loss, and maps that break the relation between scales score higher."""
    flow = small_flow(gain=0.0, hidden=16)
    losses = train_flow(flow, structured(32, 1), **options())
    assert losses[-1] < losses[0] - 0.5
    nominal = structured(16, 2)
    broken = [nominal[0], nominal[1], nominal[2].flip(0)]
    with torch.no_grad():
        scores = [latent_scores(flow(maps)[0])[0].mean() for maps in (nominal, broken)]
    assert scores[1] > 1.5 * scores[0]


@pytest.mark.parametrize("value", [float("nan"), 1e4])
def test_divergence_is_a_failure(value):
    """A loss that is no number, or far too high, is never turned into scores."""
    maps = [torch.full_like(m, value) for m in draw(4)]
    with pytest.raises(CellError, match="flow diverged"):
        train_flow(small_flow(), maps, **options(epochs=1))


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


def test_features_are_the_sixth_stage(tmp_path, provider):
    """The sixth stage's output, also of the scales made by nearest neighbour."""
    images = drawn_set(tmp_path, 2, size=128)
    backbone = provider.backbone
    found = scale_maps(backbone, images.array(), (1, 2))
    seen = []
    handle = backbone.model.blocks[5].register_forward_hook(lambda *args: seen.append(args[2]))
    batch = backbone.normalise(images.array())
    with torch.no_grad():
        backbone.model(batch)
        backbone.model(batch[:, :, ::2, ::2])
    handle.remove()
    assert [tuple(m.shape) for m in found] == [(2, 192, 4, 4), (2, 192, 2, 2)]
    for m, expected in zip(found, seen, strict=True):
        torch.testing.assert_close(m, expected, rtol=1e-3, atol=1e-3)


def test_efficientnet_b5_gives_the_papers_maps():
    """304 channels at stride 32, the output of the 36th block."""
    backbone = load_backbone(parse_backbone("timm/tf_efficientnet_b5.random"))
    assert has_sixth_stage(backbone.model)
    assert sum(len(stage) for stage in backbone.model.blocks[:6]) == 36
    (found,) = scale_maps(backbone, np.zeros((1, 64, 64, 3), np.uint8), (1,))
    assert found.shape == (1, 304, 2, 2)
    assert parse_backbone(CSFlow.backbone).architecture == "tf_efficientnet_b5"


def test_other_networks_give_their_last_map():
    """A ResNet has no sixth stage: its stride-32 map is taken."""
    backbone = load_backbone(parse_backbone("resnet18.random"))
    assert not has_sixth_stage(backbone.model)
    assert scale_maps(backbone, np.zeros((1, 64, 64, 3), np.uint8), (1,))[0].shape[1] == 512


def quick(**changes):
    plain = {"hidden": 16, "kernels": (3, 3), "epochs": 10, "learning_rate": 1e-2}
    return CSFlow(CSFlowSettings(**(plain | changes)))


def test_training_is_what_finds_defects(tmp_path, provider):
    """Trained, defects stand further out than by the standardised features alone."""
    train, test, labels, _ = write_sets(tmp_path, 128)
    context = make_context(provider)
    distances = []
    for rate in (1e-2, 1e-9):
        method = quick(learning_rate=rate)
        method.fit(train, context)
        scores = method.score(test, context)
        assert scores.maps.shape == (len(test), 4, 4)
        assert roc_auc_score(labels, scores.image) == 1.0
        good = scores.image[~labels]
        distances.append((scores.image[labels].mean() - good.mean()) / good.mean())
    assert distances[0] > 1.5 * distances[1]


def test_standardisation_depends_on_the_network(tmp_path, provider):
    """Training maps come out with unit deviation, except with the paper's weights."""
    images = drawn_set(tmp_path, 4, size=128)
    context = make_context(provider)
    method = quick(epochs=1)
    method.fit(images, context)
    for m in method._standardised(method._maps(images, context)):
        torch.testing.assert_close(m.std(dim=(0, 2, 3)), torch.ones(192), rtol=1e-3, atol=1e-3)
    raw = quick(epochs=1, standardise=False)
    raw._moments = [raw._moments_of(m, context) for m in raw._maps(images, context)]
    maps = raw._maps(images, context)
    assert all(torch.equal(a, b) for a, b in zip(raw._standardised(maps), maps, strict=True))
    for tag, taken_as_it_is in (("aa_in1k", True), ("ns_jft_in1k", False), ("random", False)):
        spec = parse_backbone(f"timm/tf_efficientnet_b5.{tag}")
        mean, deviation = quick()._moments_of(maps[0], make_context(FeatureProvider(spec)))
        assert (not mean.any() and bool(deviation.eq(1).all())) is taken_as_it_is, tag


def test_defaults_are_published_values():
    """The settings of the official code."""
    s = CSFlowSettings()
    assert (s.scales, s.kernels, s.hidden, s.clamp) == ((1, 2, 4), (3, 3, 3, 5), 1024, 3.0)
    assert (s.epochs, s.batch_images, s.learning_rate) == (240, 16, 2e-4)
    assert (s.epsilon, s.weight_decay, CSFlow.image_size) == (1e-4, 1e-5, 768)


def test_image_size_must_fit(tmp_path, provider):
    """A size that the scales cannot halve is one line."""
    with pytest.raises(UsageError, match="images of 192 px, expected a multiple of 128"):
        quick().fit(drawn_set(tmp_path, 2, size=192), make_context(provider))


@pytest.mark.parametrize(
    ("key", "value"), [("scales", "1,3"), ("kernels", "3,4"), ("epochs", "0"), ("clamp", "0")]
)
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key):
        make_settings(CSFlow, "paper", {key: value})
