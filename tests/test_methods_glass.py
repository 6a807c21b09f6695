"""GLASS: losses, global anomalies, training, method."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import drawn_set, make_context
from sklearn.metrics import log_loss, roc_auc_score

from adrepro.datasets.errors import UsageError
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.check import check_method
from adrepro.methods.features import FeatureProvider
from adrepro.methods.glass.ascent import Ascent, truncate
from adrepro.methods.glass.losses import cross_entropy, focal_loss, hardest
from adrepro.methods.glass.method import Glass
from adrepro.methods.glass.settings import GlassSettings
from adrepro.methods.glass.train import Batch, Training, TrainingPlan
from adrepro.methods.settings import make_settings, preset_image_size
from adrepro.methods.simplenet.network import OptimiserSpec, PatchNet, grid_outputs

ASCENT = Ascent(noise=0.5, steps=4, rate=0.05, project_every=2)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def plan(**changes):
    adam = OptimiserSpec(kind="adam", rate=2e-3, decay=0.0)
    base = TrainingPlan(
        epochs=40, batch_images=4, image_limit=None, patches_per_step=None, ascent=ASCENT,
        hypersphere=False, radius=0.5, radius_quantile=0.75, hard_quantile=0.5,
        adaptor=adam, discriminator=adam,
    )  # fmt: skip
    return replace(base, **changes)


def network(dim=16, seed=0):
    torch.manual_seed(seed)
    return PatchNet(dim, 32, bias=True)


# Losses


def test_cross_entropy_is_sklearns():
    """The same mean as sklearn's log loss against a single label."""
    logits = draw(50)
    for anomalous in (False, True):
        expected = log_loss([anomalous] * 50, logits.double().sigmoid(), labels=[False, True])
        assert float(cross_entropy(logits, anomalous)) == pytest.approx(expected, rel=1e-5)


def test_focal_loss_by_hand():
    """(1 − q)² · −log q of the true class; a sure mistake costs a lot but stays finite."""
    probabilities = torch.tensor([0.9, 0.2, 0.7])
    mask = torch.tensor([True, True, False])
    q = np.array([0.9, 0.2, 0.3])
    assert float(focal_loss(probabilities, mask)) == pytest.approx(
        ((1 - q) ** 2 * -np.log(q)).mean(), rel=1e-3
    )
    worst = focal_loss(torch.tensor([0.0]), torch.tensor([True]))
    assert 5 < float(worst) < 20


def test_hardest_are_the_worst_half():
    """Positions at or above the quantile of the squared error, as numpy finds it."""
    probabilities, mask = draw(101).sigmoid(), draw(101, seed=1) > 0
    errors = (probabilities.numpy() - mask.numpy()) ** 2
    for quantile in (0.0, 0.5, 0.9):
        expected = errors >= np.quantile(errors, quantile)
        assert np.array_equal(hardest(probabilities, mask, quantile).numpy(), expected)


# Global anomalies


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 2.0))
def test_truncated_projection(seed, low):
    """Distances end in [low, 2·low], directions stay, and what lay inside is not moved."""
    anchor = draw(20, 5, seed=seed)
    offset = draw(20, 5, seed=seed + 1)
    moved = truncate(anchor + offset, anchor, low, 2 * low) - anchor
    before, after = offset.norm(dim=1), moved.norm(dim=1)
    torch.testing.assert_close(after, before.clamp(low, 2 * low), rtol=1e-4, atol=1e-4)
    cosine = torch.nn.functional.cosine_similarity(offset, moved)
    torch.testing.assert_close(cosine, torch.ones(20), rtol=1e-4, atol=1e-4)


def test_projection_of_the_anchor_itself_is_finite():
    """No direction to go in: the feature stays where it is."""
    same = torch.ones(1, 3)
    torch.testing.assert_close(truncate(same, same, 0.5, 1.0), same)


def test_ascent_against_a_linear_discriminator():
    """Towards logit w·x the loss grows along −w: n steps of length η give exactly −nη w/|w|."""
    weight = torch.tensor([3.0, 0.0, 4.0])
    ascent = Ascent(noise=1e-12, steps=7, rate=0.1, project_every=100)
    features = draw(6, 3)
    made = ascent.synthesise(features, lambda x: x @ weight, lambda x: x, generator())
    expected = features - 0.7 * weight / 5
    torch.testing.assert_close(made, expected)


def test_projection_comes_every_few_steps():
    """Seven steps with a projection every third: two projections, on the features so far."""
    calls = []
    ascent = replace(ASCENT, steps=7, project_every=3)
    ascent.synthesise(
        draw(4, 3), lambda x: x.sum(dim=1), lambda x: calls.append(len(x)) or x, generator()
    )
    assert calls == [4, 4]


def test_without_steps_global_anomalies_are_noise():
    """The ablation: features plus noise of the deviation asked for, nothing else."""
    features = draw(4000, 3)
    made = replace(ASCENT, steps=0).synthesise(features, torch.sum, torch.abs, generator())
    assert float((made - features).std()) == pytest.approx(0.5, rel=0.03)


def test_gradients_reach_the_clean_features_unchanged():
    """Around the clean feature, noise, steps and projection are constants: the gradient is one."""
    features = draw(5, 3).requires_grad_()
    project = partial(truncate, anchor=features, low=0.5, high=1.0)
    made = ASCENT.synthesise(features, lambda x: x.square().sum(dim=1), project, generator())
    (gradient,) = torch.autograd.grad(made.sum(), features)
    torch.testing.assert_close(gradient, torch.ones(5, 3))


@pytest.mark.parametrize("trained_with_ascent", [False, True])
def test_ascent_makes_harder_anomalies(trained_with_ascent):
    """In a trained network, from the same noise, ascent raises the loss it is named after."""
    features = draw(8, 5, 5, 16)
    net, steps = network(), 4 if trained_with_ascent else 0
    ascent = replace(ASCENT, steps=steps)
    Training(net, features, None, plan(ascent=ascent, epochs=5), generator()).run(
        lambda _f, _t: None
    )
    clean = net.adaptor(features.flatten(0, 2)).detach()
    losses = []
    for tried in (replace(ASCENT, steps=0), ASCENT):
        made = tried.synthesise(
            clean, lambda x: net.discriminator(x)[:, 0], lambda x: x, generator(1)
        )
        logits = net.discriminator(torch.cat([clean, made]))[len(clean) :, 0]
        losses.append(float(cross_entropy(logits.detach(), True)))
    assert losses[1] > 1.02 * losses[0]


# Training


def plane(seed=1):
    """Features that fill 4 of 16 dimensions, and a test grid: nominal, then off the plane."""
    basis = torch.linalg.qr(draw(16, 16, seed=seed)).Q
    features = draw(8, 10, 20, 4, seed=2) @ basis[:, :4].T
    inside = draw(300, 4, seed=4) @ basis[:, :4].T
    outside = inside + 0.5 * draw(300, 12, seed=5) @ basis[:, 4:].T
    return features, torch.cat([inside, outside]).reshape(1, 30, 20, 16)


def auroc(net, grid):
    return roc_auc_score([0] * 300 + [1] * 300, grid_outputs(net, grid).flatten())


@pytest.mark.parametrize("hypersphere", [False, True])
def test_global_branch_finds_what_lies_off_the_nominal_plane(hypersphere):
    """Both hypotheses separate the plane from its surroundings."""
    features, grid = plane()
    net = network()
    Training(net, features, None, plan(hypersphere=hypersphere), generator()).run(
        lambda _f, _t: None
    )
    assert auroc(net, grid) > (0.85 if hypersphere else 0.95)


class PastedFeatures:
    """Twins whose marked features lie off the plane along one known direction."""

    def __init__(self, features, direction):
        self.features, self.direction = features, direction

    def batch(self, indices, epoch):
        mask = torch.rand(8, 10, 20, generator=generator(epoch))[: len(indices)] > 0.8
        return self.features[list(indices)] + mask[..., None] * self.direction, mask


def test_local_branch_learns_the_masks():
    """Alone, it finds the kind of defect that was pasted; the network is blind to others."""
    features, grid = plane()
    basis = torch.linalg.qr(draw(16, 16, seed=1)).Q
    local = PastedFeatures(features, 2 * basis[:, 7])
    net = network()
    Training(net, features, local, plan(ascent=None), generator()).run(lambda _f, _t: None)
    pasted = grid.clone().flatten(0, 2)
    pasted[300:] = pasted[:300] + 2 * basis[:, 7]
    assert auroc(net, pasted.reshape(grid.shape)) > 0.95
    assert auroc(net, pasted.reshape(grid.shape)) > auroc(net, grid) + 0.05


def test_hypersphere_radius_holds_most_clean_features():
    """The radius is the quantile of the clean distances, unmasked positions of twins included."""
    training = Training(network(4), draw(2, 3, 3, 4), None, plan(hypersphere=True), generator())
    clean, twins, centre = draw(40, 4), 3 * draw(40, 4, seed=1), draw(40, 4, seed=2)
    mask = draw(40, seed=3) > 0
    radius = training._radius(clean, twins, Batch(clean, centre, twins, mask))
    distances = [*(clean - centre).norm(dim=1), *(twins - centre)[~mask].norm(dim=1)]
    assert float(radius) == pytest.approx(float(np.quantile(distances, 0.75)), rel=1e-5)
    assert training.plan.hypersphere
    other = Training(network(4), draw(2, 3, 3, 4), None, plan(), generator())
    assert other._radius(clean, twins, Batch(clean, centre, twins, mask)) == 0.5


def test_an_epoch_ends_past_its_limit():
    """The official code stops with the batch that brings it past the limit."""
    features = draw(20, 2, 2, 3)
    training = Training(network(3), features, None, plan(image_limit=8), generator())
    assert [len(batch) for batch in training._batches()] == [4, 4, 4]


def test_scores_are_probabilities_on_the_finest_grid(tmp_path, provider):
    """Image scores are the maxima of maps in [0, 1]."""
    context = make_context(provider)
    images = drawn_set(tmp_path / "a", 4, 64)
    method = Glass(replace(make_settings(Glass, "demo")[0], epochs=1))
    method.fit(images, context)
    scores = method.score(images, context)
    assert scores.maps is not None
    assert scores.maps.shape == (4, 8, 8)
    assert scores.maps.min() >= 0
    assert scores.maps.max() <= 1
    np.testing.assert_array_equal(scores.image, scores.maps.max(axis=(1, 2)))


@pytest.mark.parametrize("name", ["glass", "glass@only-local"])
def test_contract(name):
    """The contract check passes."""
    failed = [result for result in check_method(name) if not result.passed]
    assert not failed


def test_saha_variant_is_what_the_report_says():
    """256 px, 100 epochs of batches of 8, Adam at 1e-4 and 2e-4, σ = 0.015, manifold, both."""
    assert preset_image_size(Glass, "paper", "saha") == 256
    chosen = make_settings(Glass, variant="saha")[0]
    assert (chosen.epochs, chosen.batch_images, chosen.image_limit) == (100, 8, None)
    assert (chosen.adaptor_optimiser, chosen.discriminator_optimiser) == ("adam", "adam")
    assert (chosen.adaptor_rate, chosen.discriminator_rate) == (1e-4, 2e-4)
    assert (chosen.noise, chosen.hypothesis) == (0.015, "manifold")
    assert chosen.global_branch
    assert chosen.local_branch


@pytest.mark.parametrize(
    "change",
    [
        {"strides": ()}, {"patch": 2}, {"epochs": 0}, {"image_limit": 1}, {"radius": 0.0},
        {"deviation": -1.0}, {"twin_bank": -1}, {"hard_quantile": 1.5},
    ],
)  # fmt: skip
def test_impossible_settings(change):
    """A value that means nothing is refused by name."""
    name, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=name):
        GlassSettings(**change)
    with pytest.raises(UsageError, match=name):
        make_settings(Glass, overrides={name: "" if value == () else str(value)})


def test_a_branch_has_to_be_left():
    """With both branches off there is nothing to learn from."""
    with pytest.raises(ValueError, match="nothing to learn"):
        GlassSettings(global_branch=False, local_branch=False)
