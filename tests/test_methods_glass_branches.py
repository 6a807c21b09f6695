"""GLASS: what its branches add up to, and that its central ideas are in use."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from method_images import drawn_set, make_context
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from adrepro.methods.backbones import parse_backbone
from adrepro.methods.checkdata import write_sets
from adrepro.methods.features import FeatureProvider
from adrepro.methods.glass import train as training_module
from adrepro.methods.glass.ascent import Ascent
from adrepro.methods.glass.method import Glass
from adrepro.methods.glass.settings import GlassSettings
from adrepro.methods.glass.train import Batch, Training, TrainingPlan
from adrepro.methods.settings import make_settings
from adrepro.methods.simplenet.network import OptimiserSpec, PatchNet

STEPS, EVERY, RATE, NOISE, RADIUS = 5, 2, 0.05, 0.1, 0.8
ADAM = OptimiserSpec(kind="adam", rate=1e-3, decay=0.0)
ASCENT = Ascent(noise=NOISE, steps=STEPS, rate=RATE, project_every=EVERY)
BOTH = pytest.mark.parametrize("hypersphere", [False, True])


@pytest.fixture(autouse=True)
def one_thread():
    """Small matrices: several threads would mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_training(hypersphere, ascent=ASCENT):
    torch.manual_seed(0)
    plan = TrainingPlan(
        epochs=1, batch_images=2, image_limit=None, patches_per_step=None, ascent=ascent,
        hypersphere=hypersphere, radius=RADIUS, radius_quantile=0.75, hard_quantile=0.5,
        adaptor=ADAM, discriminator=ADAM,
    )  # fmt: skip
    net = PatchNet(6, 12, bias=True)
    return Training(net, draw(2, 3, 4, 6), None, plan, torch.Generator().manual_seed(1))


def make_batch():
    """Vectors whose twins lie near the centre, so that the projection has to move them."""
    mask = torch.arange(24) % 3 == 0
    return Batch(draw(24, 6, seed=2), 0.1 * draw(24, 6, seed=3), draw(24, 6, seed=4), mask)


# The loss


def clamped(vectors, anchor, low, high):
    """Truncated projection, one vector after the other."""
    moved = []
    for vector, origin in zip(vectors, anchor, strict=True):
        distance = torch.linalg.vector_norm(vector - origin)
        moved.append(origin + (vector - origin) / distance * distance.clip(low, high))
    return torch.stack(moved)


def reference(training, batch, *, hypersphere):
    """The three branches' losses written out."""
    net = training.net
    noise = torch.Generator()
    noise.set_state(training._noise_source.get_state())
    clean, twins = net.adaptor(batch.clean).detach(), net.adaptor(batch.twins).detach()
    nominal = torch.cat([clean - batch.centre, (twins - batch.centre)[~batch.mask]])
    radius = float(np.quantile(nominal.norm(dim=1).numpy(), 0.75)) if hypersphere else RADIUS
    anchor = batch.centre if hypersphere else clean

    def logits_of(made):
        return net.discriminator(torch.cat([clean, made])).squeeze(1).split(len(clean))

    made = clean + NOISE * torch.randn(clean.shape, generator=noise)
    for step in range(1, STEPS + 1):
        made = made.requires_grad_()
        # Cross entropy against "anomalous" is softplus(−logit).
        functional.softplus(-logits_of(made)[1]).mean().backward()
        made = made.detach() + RATE * functional.normalize(made.grad, dim=1)
        if step % EVERY == 0:
            made = clamped(made, anchor, radius, 2 * radius)
    for_clean, for_made = logits_of(made)
    if hypersphere:
        far = clamped(twins, batch.centre, 2 * radius, 4 * radius)
        twins = torch.where(batch.mask[:, None], far, twins)
    probability = net.discriminator(twins).squeeze(1).sigmoid()
    wrong = torch.where(batch.mask, 1 - probability, probability)
    hard = wrong**2 >= np.quantile((wrong**2).detach().numpy(), 0.5)
    focal = (wrong**2 * -torch.log(1 - wrong))[hard].mean()
    total = functional.softplus(for_clean).mean() + functional.softplus(-for_made).mean() + focal
    return float(total.detach())


@BOTH
def test_loss_is_the_sum_of_the_three_branches(hypersphere):
    """Noise, ascent, projection, hard examples and focal loss, against a naive computation."""
    training, batch = make_training(hypersphere), make_batch()
    expected = reference(training, batch, hypersphere=hypersphere)
    assert float(training.loss(batch).detach()) == pytest.approx(expected, rel=1e-3)


@BOTH
def test_projections_of_a_step(hypersphere, monkeypatch):
    """Global anomalies: r to 2r around the clean feature or the centre; twins: 2r to 4r, or not."""
    training, batch = make_training(hypersphere), make_batch()
    calls = []
    truncate = training_module.truncate

    def spy(features, anchor, low, high):
        calls.append((features.detach(), anchor.detach(), float(low), float(high)))
        return truncate(features, anchor, low, high)

    monkeypatch.setattr(training_module, "truncate", spy)
    training.loss(batch)
    clean, twins = training.net.adaptor(batch.clean), training.net.adaptor(batch.twins)
    radius = float(training._radius(clean, twins, batch))
    globally, locally = calls[: STEPS // EVERY], calls[STEPS // EVERY :]
    assert len(globally) == STEPS // EVERY
    for _, anchor, low, high in globally:
        torch.testing.assert_close(anchor, (batch.centre if hypersphere else clean).detach())
        assert (low, high) == pytest.approx((radius, 2 * radius))
    assert len(locally) == (1 if hypersphere else 0)
    for features, anchor, low, high in locally:
        torch.testing.assert_close(features, twins.detach())
        torch.testing.assert_close(anchor, batch.centre)
        assert (low, high) == pytest.approx((2 * radius, 4 * radius))


@BOTH
def test_synthesis_gets_the_clean_features_and_all_its_steps(hypersphere, monkeypatch):
    """What the discriminator is shown as anomalous is what the whole ascent made."""
    training, batch = make_training(hypersphere), make_batch()
    seen = []
    synthesise = Ascent.synthesise

    def spy(self, features, *others):
        made = synthesise(self, features, *others)
        seen.append((self, features.detach(), made.detach()))
        return made

    monkeypatch.setattr(Ascent, "synthesise", spy)
    shown = []
    training.net.discriminator.register_forward_pre_hook(
        lambda _part, given: shown.append(given[0].detach())
    )
    training.loss(batch)
    ((ascent, features, made),) = seen
    assert ascent == ASCENT
    torch.testing.assert_close(features, training.net.adaptor(batch.clean).detach())
    # One pass per step, one over clean and made ones together, one over the twins.
    assert len(shown) == STEPS + 2
    torch.testing.assert_close(shown[STEPS], torch.cat([features, made]))


def test_focal_loss_sees_the_hardest_positions_only(monkeypatch):
    """Half of the twins' positions reach the focal loss: those with the largest errors."""
    training, batch = make_training(False, ascent=None), make_batch()
    seen = []
    focal_loss = training_module.focal_loss

    def spy(probabilities, mask):
        seen.append((probabilities.detach(), mask))
        return focal_loss(probabilities, mask)

    monkeypatch.setattr(training_module, "focal_loss", spy)
    training.loss(batch)
    ((probabilities, mask),) = seen
    everything = training._logits(training.net.adaptor(batch.twins)).sigmoid().detach()
    errors = (everything - batch.mask.float()).abs()
    assert len(probabilities) == 12
    worst = errors.sort(descending=True).values[:12]
    torch.testing.assert_close(
        (probabilities - mask.float()).abs().sort(descending=True).values, worst
    )


# From settings to a plan


def test_plan_is_what_the_settings_say():
    """Every setting of the training arrives under its name, none of them at its default."""
    chosen = GlassSettings(
        epochs=3, batch_images=5, image_limit=7, patches_per_step=11, noise=0.13, ascent_steps=17,
        ascent_rate=0.19, project_every=4, hypothesis="hypersphere", radius=0.23,
        radius_quantile=0.29, hard_quantile=0.31, adaptor_optimiser="adamw", adaptor_rate=0.37,
        adaptor_decay=0.41, discriminator_optimiser="adam", discriminator_rate=0.43,
        discriminator_decay=0.47,
    )  # fmt: skip
    images = np.zeros((1, 8, 8, 3), np.uint8)
    expected = TrainingPlan(
        epochs=3, batch_images=5, image_limit=7, patches_per_step=11,
        ascent=Ascent(noise=0.13, steps=17, rate=0.19, project_every=4), hypersphere=True,
        radius=0.23, radius_quantile=0.29, hard_quantile=0.31,
        adaptor=OptimiserSpec(kind="adamw", rate=0.37, decay=0.41),
        discriminator=OptimiserSpec(kind="adam", rate=0.43, decay=0.47),
    )  # fmt: skip
    assert Glass(chosen).plan(images) == expected
    assert not Glass(replace(chosen, hypothesis="manifold")).plan(images).hypersphere
    assert Glass(replace(chosen, global_branch=False)).plan(images).ascent is None


@pytest.mark.parametrize("preset", ["paper", "quick", "demo"])
def test_every_preset_ascends_and_projects(preset):
    """No reduction takes the ascent away, nor its last projection; only the ablation does."""
    images = np.zeros((1, 8, 8, 3), np.uint8)
    ascent = Glass(make_settings(Glass, preset)[0]).plan(images).ascent
    assert ascent is not None
    assert ascent.steps >= ascent.project_every > 0
    assert ascent.steps % ascent.project_every == 0
    ablated = Glass(make_settings(Glass, preset, variant="no-ascent")[0]).plan(images).ascent
    assert ablated == replace(ascent, steps=0)


# The tiny world


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_sets(tmp_path_factory.mktemp("tiny"), 64)


def trained(tiny, provider, **changes):
    """Fit on the tiny world; return test AUROC and how far apart the mean probabilities are."""
    train, test, labels, _ = tiny
    demo = make_settings(Glass, "demo")[0]
    small = {"epochs": 10, "local_branch": False, "hypothesis": "manifold", "noise": 0.001}
    small |= {"deviation": 0.029}  # what noise of 0.015 would ask for; the rule follows the noise
    method = Glass(replace(demo, **(small | changes)))
    method.fit(train, make_context(provider))
    image = method.score(test, make_context(provider)).image
    return roc_auc_score(labels, image), image[labels].mean() - image[~labels].mean()


def test_without_ascent_and_projection_nothing_is_learnt_from_faint_noise(tiny, provider):
    """Both together make anomalies of what noise alone leaves among the clean features.

    The projection would do for that; what the direction of the ascent does is tested by itself.
    """
    auroc, gap = trained(tiny, provider)
    assert auroc == 1.0
    assert gap > 0.2
    assert trained(tiny, provider, ascent_steps=0)[1] < 0.1


def test_what_was_judged_is_said(tmp_path, provider, capsys):
    """The log and the progress name the hypothesis, and whether it was judged or set."""
    images = drawn_set(tmp_path / "a", 3, 32)
    demo = make_settings(Glass, "demo")[0]
    for hypothesis in ("judged", "hypersphere"):
        said = []
        context = replace(make_context(provider), progress=lambda _f, text, s=said: s.append(text))
        method = Glass(replace(demo, epochs=1, local_branch=False, hypothesis=hypothesis))
        method.fit(images, context)
        line = capsys.readouterr().out.strip()
        assert line in said
        trained_under = method.plan(images.array()).hypersphere
        assert line.startswith(f"hypothesis: {'hypersphere' if trained_under else 'manifold'}, ")
        assert ("judged from the mean of 3 training images" in line) == (hypothesis == "judged")
