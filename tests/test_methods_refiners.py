"""OSR, IRP, MLD-IR and CoMet: what they remove, when, and what CoMet's tasks do."""

import numpy as np
import pytest
import torch
from flow_worlds import planted_context, planted_set

from adrepro.methods.comet.method import CoMet, CoMetSettings
from adrepro.methods.comet.tasks import Adaptation
from adrepro.methods.flows.stack import FlowStack
from adrepro.methods.flows.train import Training
from adrepro.methods.refiners.irp import IRP, IRPSettings
from adrepro.methods.refiners.mld_ir import MLDIR, MLDIRSettings
from adrepro.methods.refiners.osr import OSR, OSRSettings

SMALL = {
    "epochs": 20,
    "train_views": 2,
    "test_views": 2,
    "views_per_step": 2,
    "blocks": 2,
    "hidden": 16,
    "hidden_layers": 1,
    "learning_rate": 2e-3,
}
REMOVERS = [(OSR, OSRSettings), (IRP, IRPSettings), (MLDIR, MLDIRSettings)]


@pytest.mark.parametrize(("method", "settings"), REMOVERS)
def test_planted_contaminants_are_removed(method, settings):
    """At 10 % contamination, far from the nominal line, most contaminants are gone in the end."""
    fitted = method(settings(**SMALL, warm_up=0.2))
    fitted.fit(planted_set(45, 5), planted_context(shift=6.0))
    assert set(np.unique(fitted.train_weights)) <= {0.0, 1.0}
    assert (fitted.train_weights[45:] == 0).mean() >= 0.8
    assert (fitted.train_weights[:45] == 0).mean() <= 0.2


@pytest.mark.parametrize(("method", "settings"), REMOVERS)
def test_removal_lowers_the_score_of_nothing_it_kept_out(method, settings):
    """Removed contaminants score higher after removal than when they were trained on."""
    context, train = planted_context(shift=6.0), planted_set(45, 5)
    with_removal, without = (
        method(settings(**SMALL, warm_up=0.2, factor=factor)) for factor in (3.0, 1e6)
    )
    for fitted in (with_removal, without):
        fitted.fit(train, context)
    assert without.train_weights.min() == 1
    contaminants = planted_set(0, 5)
    assert (
        with_removal.score(contaminants, context).image.mean()
        > 1.2 * without.score(contaminants, context).image.mean()
    )


def test_schedules_are_those_of_the_papers_readings():
    """OSR removes once at half time; IRP and MLD-IR up to five times after a quarter."""
    assert OSR().plan().refinement.epochs == (120,)
    assert OSR().plan().refinement.fresh_optimiser
    assert IRP().plan().refinement.epochs == (60, 96, 132, 168, 204)
    assert (IRP().plan().refinement.stop_below, IRP().plan().refinement.min_kept) == (0.01, 0.5)
    assert MLDIR().plan().meta.alpha == 1e-4
    assert MLDIR().plan().refinement.rule.spread == "iqr"
    assert OSR().plan().refinement.rule.factor == 3.0
    for method in (OSR, IRP, MLDIR):
        assert method().plan().refinement.score == "nll"
        assert method().plan().refinement.cumulative


def comet_training(settings, shift=4.0):
    method, context = CoMet(settings), planted_context(shift)
    features = method.learn_features(planted_set(20, 2), context)
    stack = FlowStack([method.new_flow(features.shape[-1], context)])
    return Training(stack, features[None], [method.plan()], [1]), method


def test_meta_step_goes_towards_the_adapted_weights():
    """A full step with one task lands on the adapted weights; none leaves them where they were."""
    for rate, share in ((1.0, 1.0), (0.5, 0.5), (0.0, 0.0)):
        settings = CoMetSettings(**SMALL, tasks=1, alpha=1e-2, meta_rate=rate)
        training, _ = comet_training(settings)
        before = {n: w.detach().clone() for n, w in training.stack.weights.items()}
        adapted = {}
        step = Adaptation(settings)
        inner = step._adapt

        def spy(*args, inner=inner, adapted=adapted):
            found, loss = inner(*args)
            adapted.update({n: w.detach().clone() for n, w in found.items()})
            return found, loss

        step._adapt = spy
        step(training, 0)
        for name, weight in training.stack.weights.items():
            expected = before[name] + share * (adapted[name] - before[name])
            torch.testing.assert_close(weight.detach(), expected)
        assert any(not torch.equal(adapted[n], before[n]) for n in before)


def test_adaptation_lowers_the_loss_of_its_task():
    """Inner steps fit the task's training images."""
    settings = CoMetSettings(**SMALL, alpha=1e-2)
    training, _ = comet_training(settings)
    task = torch.cat([torch.arange(4)[:, None], torch.zeros(4, 2, dtype=torch.long)], dim=1)[None]
    before = float(training.loss(task).detach())
    adapted, first = Adaptation(settings)._adapt(training, task)
    assert float(first[0]) == pytest.approx(before, rel=1e-5)
    assert float(training.loss(task, adapted).detach()) < before


def test_doubtful_images_are_seldom_in_tasks():
    """Tasks are drawn by weight: an image of weight 0 never appears."""
    settings = CoMetSettings(**SMALL)
    training, _ = comet_training(settings)
    training.weights[0, [1, 5]] = 0
    step = Adaptation(settings)
    drawn = torch.cat([step._draw(training, 0)[:, 0] for _ in range(20)]).tolist()
    assert not {1, 5} & set(drawn[: 5 * 3])


def test_comet_weights_and_penalises():
    """Soft weights stay in (0, 1], contaminants get the smallest; λ is doubled at the start."""
    method = CoMet(CoMetSettings(**SMALL, refine_every=0.2))
    plan = method.plan()
    assert (plan.penalty, plan.first_penalty, plan.weight_decay) == (5e-6, 2.0, 0.0)
    method.fit(planted_set(45, 5), planted_context(shift=6.0))
    assert 0 < method.train_weights.min() < 1
    assert method.train_weights[45:].mean() < method.train_weights[:45].mean()
