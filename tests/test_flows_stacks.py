"""Stacks of whole methods: what is fitted together equals what is fitted alone, each with its own.

Tuning gives the cells of a stack other rates and limits, so the methods here differ in them.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from flow_worlds import planted_context, planted_set

from adrepro.methods.comet.method import CoMet, CoMetSettings
from adrepro.methods.differnet.method import DifferNet, DifferNetSettings
from adrepro.methods.flows.plan import Meta
from adrepro.methods.flows.stack import FlowStack
from adrepro.methods.flows.train import Training
from adrepro.methods.rad.method import RAD, tuned
from adrepro.methods.rad.settings import RADSettings
from adrepro.methods.refiners.osr import OSR, OSRSettings

SMALL = {
    "epochs": 6,
    "train_views": 2,
    "test_views": 2,
    "views_per_step": 2,
    "blocks": 2,
    "hidden": 16,
    "hidden_layers": 1,
    "learning_rate": 3e-3,
}
# Large steps and a sharp rule, so that mixing up two flows' settings shows in the scores.
RAD_SMALL = RADSettings(**SMALL, bayesian_optimisation=False, refine_every=0.34, penalty=1e-3)
CHOSEN = (
    {"alpha": 0.3, "beta": 3e-3, "k": 0.2},
    {"alpha": 1e-4, "beta": 3e-3, "k": 3.0},
    {"alpha": 0.1, "beta": 1e-2, "k": 0.5},
)


def tuned_rads():
    return [RAD(tuned(RAD_SMALL, chosen)) for chosen in CHOSEN]


MAKERS = {
    "differnet": lambda: [DifferNet(DifferNetSettings(**SMALL)) for _ in range(3)],
    "rad": tuned_rads,
    "comet": lambda: [CoMet(CoMetSettings(**SMALL, alpha=1e-2, meta_rate=0.5)) for _ in range(3)],
    "osr": lambda: [OSR(OSRSettings(**SMALL, cycles=2, factor=1.0)) for _ in range(3)],
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_methods_fitted_together_score_as_alone(make):
    """Every method of a stack scores and weighs as if it had been fitted alone."""
    trains = [planted_set(16, 4, first=100 * index) for index in range(3)]
    contexts = [planted_context(4.0, seed=index) for index in range(3)]
    test, together = planted_set(6, 6, first=5000), make()
    type(together[0]).fit_stack(together, trains, contexts)
    for method, alone, train, context in zip(together, make(), trains, contexts, strict=True):
        alone.fit(train, context)
        found, expected = (m.score(test, context).image for m in (method, alone))
        np.testing.assert_allclose(found, expected, rtol=2e-3)
        if alone.train_weights is None:
            assert method.train_weights is None
        else:
            np.testing.assert_allclose(method.train_weights, alone.train_weights, atol=1e-3)


def test_rates_and_limits_of_a_stack_matter():
    """The tuned settings of the stack above lead to other scores, so mixing them would show."""
    train, context, test = planted_set(16, 4), planted_context(4.0), planted_set(6, 6, first=5000)
    scores = []
    for method in tuned_rads():
        method.fit(train, context)
        scores.append(method.score(test, context).image)
    assert not np.allclose(scores[0], scores[1], rtol=0.02)
    assert not np.allclose(scores[0], scores[2], rtol=0.02)


def test_covariance_is_of_training_and_validation_loss():
    """Per epoch Σ is fed with the support loss before, and the query loss after the inner step."""
    method = RAD(RAD_SMALL)
    features = method.learn_features(planted_set(20), planted_context())
    stack = FlowStack([method.new_flow(features.shape[-1], planted_context())])
    plan = replace(method.plan(), epochs=1, meta=Meta(alpha=0.3), batch_images=10)
    training = Training(stack, features[None], [plan], [0])
    pushed, steps = [], []
    training.observe = lambda train, validation: pushed.append((train, validation))
    inner = training._step

    def spy(support, query):
        with torch.no_grad():
            before = training.loss(support)
        found = inner(support, query)
        steps.append((before, *found))
        return found

    training._step = spy
    training._epoch()
    ((train, validation),) = pushed
    for before, support_loss, _ in steps:
        torch.testing.assert_close(before, support_loss)
    torch.testing.assert_close(train, torch.stack([s for _, s, _ in steps]).mean(dim=0))
    torch.testing.assert_close(validation, torch.stack([q for *_, q in steps]).mean(dim=0))
    assert not torch.allclose(train, validation)
