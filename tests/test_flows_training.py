"""Training: stacks equal single flows, MAML by hand, weights, the penalty and its coefficient."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from FrEIA.framework import SequenceINN
from FrEIA.modules import GLOWCouplingBlock, PermuteRandom
from torch import nn

from adrepro.datasets.errors import CellError
from adrepro.methods.flows.flow import build_flow, negative_log_likelihood
from adrepro.methods.flows.plan import Meta, TrainingPlan
from adrepro.methods.flows.refine import Refinement, Rule
from adrepro.methods.flows.stack import FlowStack, squared_norm
from adrepro.methods.flows.train import Training
from adrepro.methods.flows.uncertainty import LossCovariance
from adrepro.methods.seeding import seeded

DIM = 6
PLAN = TrainingPlan(
    epochs=4,
    batch_images=8,
    views_per_step=2,
    rate=3e-3,
    betas=(0.8, 0.8),
    epsilon=1e-4,
    weight_decay=1e-5,
    refine_views=4,
)
SOFT = Refinement(rule=Rule(spread="iqr", factor=0.5, soft=True), epochs=(1, 2))


def flow(seed=0, dim=DIM):
    with seeded(seed):
        return build_flow(dim, blocks=3, hidden=16, hidden_layers=2)


def rows(count=20, views=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(count, views, 1, generator=generator) * torch.ones(DIM)
    return shared + 0.1 * torch.randn(count, views, DIM, generator=generator)


def trained(plan=PLAN, flows=(0,), data=(0,), count=20, plans=None):
    training = Training(
        FlowStack([flow(seed) for seed in flows]),
        torch.stack([rows(count, seed=seed) for seed in data]),
        plans or [plan] * len(flows),
        [100 + seed for seed in data],
    )
    training.run()
    return training


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, meta=Meta(alpha=0.05)),
        replace(PLAN, meta=Meta(alpha=0.05, steps=2, second_order=True)),
        replace(PLAN, penalty=1e-4, refinement=SOFT),
        replace(PLAN, meta=Meta(alpha=0.01), penalty=1e-4, refinement=SOFT),
    ],
    ids=["plain", "first-order", "second-order", "penalty", "rad"],
)
def test_stack_equals_its_flows_one_by_one(plan):
    """Three flows on three data sets train together as they do alone, whatever the recipe."""
    together = trained(plan, flows=(0, 1, 2), data=(3, 4, 5))
    for index in range(3):
        alone = trained(plan, flows=(index,), data=(3 + index,))
        one, other = together.stack.flow(index), alone.stack.flow(0)
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(together.weights[index], alone.weights[0], rtol=1e-4, atol=1e-5)


def test_stack_forward_is_the_flows():
    """The stacked forward pass is each flow's own."""
    flows = [flow(seed) for seed in (0, 1)]
    stack, batch = FlowStack(flows), torch.randn(2, 5, DIM)
    z, log_det = stack(batch)
    for index in range(2):
        expected = flows[index](batch[index])
        torch.testing.assert_close(z[index], expected[0])
        torch.testing.assert_close(log_det[index], expected[1])
        torch.testing.assert_close(
            stack.nll(batch)[index], negative_log_likelihood(flows[index], batch[index])
        )


def test_stack_gradients_are_freias():
    """The gradient and the gradient of its norm equal those that autograd finds through FrEIA."""
    single, batch = flow(3), torch.randn(7, DIM)
    stack = FlowStack([single])
    ours, theirs = (
        list(stack.weights.values()),
        [dict(single.named_parameters())[n] for n in stack.weights],
    )
    found = []
    for loss, weights in (
        (stack.nll(batch[None]).mean(), ours),
        (negative_log_likelihood(single, batch).mean(), theirs),
    ):
        first = torch.autograd.grad(loss, weights, create_graph=True)
        norm = torch.stack([g.square().sum() for g in first]).sum()
        found.append((first, torch.autograd.grad(norm, weights)))
    for ours_of, theirs_of in zip(*found, strict=True):
        for a, b in zip(ours_of, theirs_of, strict=True):
            torch.testing.assert_close(a[0], b, rtol=1e-4, atol=1e-6)


def test_stack_refuses_other_flows():
    """A flow of other blocks or subnets would be evaluated wrongly, so it is refused."""
    other = SequenceINN(DIM)
    other.append(PermuteRandom, seed=0)
    other.append(
        GLOWCouplingBlock,
        subnet_constructor=lambda i, o: nn.Sequential(nn.Linear(i, 8), nn.Tanh(), nn.Linear(8, o)),
    )
    with pytest.raises(TypeError, match=r"subnet1: expected linear layers with biases and ReLU"):
        FlowStack([other])
    other = SequenceINN(DIM)
    other.append(PermuteRandom, seed=0)
    other.append(PermuteRandom, seed=1)
    with pytest.raises(TypeError, match="block 0 is PermuteRandom and PermuteRandom"):
        FlowStack([other])


def test_training_finds_structure():
    """Training lowers the loss, and points off the training data become less likely."""
    training = trained(replace(PLAN, epochs=20), count=40)
    losses = [loss[0] for loss in training.losses]
    assert len(losses) == 20
    assert losses[-1] < losses[0] - 0.3
    on, off = torch.full((1, DIM), 0.5), torch.tensor([[1.0, -1, 1, -1, 1, -1]])
    with torch.no_grad():
        nll = [negative_log_likelihood(training.stack.flow(0), x) for x in (off, on)]
    assert nll[0] > 2 * nll[1].abs()


def test_training_depends_on_its_seed_only():
    """The same seed gives the same losses whatever the global generator says."""
    runs = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        runs.append(trained().losses)
    assert runs[0] == runs[1]


@pytest.mark.parametrize("value", [float("nan"), 1e4])
def test_divergence_is_a_failure(value):
    """A loss that is no number, or starts far too high, is never turned into scores."""
    training = Training(FlowStack([flow()]), torch.full((1, 8, 2, DIM), value), [PLAN], [0])
    with pytest.raises(CellError, match="flow diverged"):
        training.run()


def gradients_after_one_step(plan):
    """Return the training and its parameter gradients after one meta step on two fixed batches."""
    training = Training(FlowStack([flow()]), rows(4, 1)[None], [plan], [0])
    support = torch.tensor([[[0, 0], [1, 0]]])
    query = torch.tensor([[[2, 0], [3, 0]]])
    before = {name: w.detach().clone() for name, w in training.stack.weights.items()}
    training._step(support, query)
    found = {name: w.grad for name, w in training.stack.weights.items()}
    return before, found


def by_hand(before, alpha, *, second_order, penalty=0.0):
    """MAML's outer gradient written out: one inner step on rows 0 and 1, outer loss on 2 and 3."""
    base, data = FlowStack([flow()]), rows(4, 1)[None, :, 0]
    own = {name: w.clone().requires_grad_() for name, w in before.items()}
    inner = base.nll(data[:, :2], own).mean()
    first = torch.autograd.grad(inner, list(own.values()), create_graph=second_order)
    moved = {n: w - alpha * g for (n, w), g in zip(own.items(), first, strict=True)}
    if not second_order:
        moved = {n: w.detach().requires_grad_() for n, w in moved.items()}
    outer = base.nll(data[:, 2:], moved).mean() + penalty * sum(
        w.square().sum() for w in moved.values()
    )
    wanted = own if second_order else moved
    return dict(zip(own, torch.autograd.grad(outer, list(wanted.values())), strict=True))


@pytest.mark.parametrize("second_order", [False, True])
def test_outer_gradient_by_hand(second_order):
    """The first-order gradient is that at θ′; the second-order one goes through the inner step."""
    plan = replace(PLAN, meta=Meta(alpha=0.5, second_order=second_order), weight_decay=0.0)
    before, found = gradients_after_one_step(plan)
    expected = by_hand(before, 0.5, second_order=second_order)
    other = by_hand(before, 0.5, second_order=not second_order)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-6)
    # With so large an inner step the two differ, so the test tells them apart.
    assert any(not torch.allclose(found[n], other[n], rtol=1e-2, atol=1e-4) for n in found)


def test_penalty_is_taken_at_the_adapted_weights():
    """2 λ θ′ joins the outer gradient, not 2 λ θ."""
    plan = replace(PLAN, meta=Meta(alpha=0.5), weight_decay=0.0, penalty=0.01)
    training = Training(FlowStack([flow()]), rows(4, 1)[None], [plan], [0])
    training._set_penalty(0)
    before = {name: w.detach().clone() for name, w in training.stack.weights.items()}
    training._step(torch.tensor([[[0, 0], [1, 0]]]), torch.tensor([[[2, 0], [3, 0]]]))
    expected = by_hand(before, 0.5, second_order=False, penalty=0.01)
    for name, weight in training.stack.weights.items():
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-3, atol=1e-6)


def test_first_and_second_order_nearly_agree_for_a_small_inner_step():
    """With a small α first order is a good stand-in for second order, on a small flow."""
    meta = Meta(alpha=1e-3)
    one = trained(replace(PLAN, meta=meta)).losses[-1][0]
    two = trained(replace(PLAN, meta=replace(meta, second_order=True))).losses[-1][0]
    assert one == pytest.approx(two, abs=0.02)


def test_removed_images_are_never_drawn_and_steps_stay():
    """Weight 0 takes an image out of every batch; the number of drawn rows stays."""
    training = Training(FlowStack([flow()]), rows(20)[None], [PLAN], [0])
    training.weights[0, [3, 7, 11]] = 0
    for _ in range(3):
        drawn = torch.cat(training._batches(), dim=1)[0]
        assert len(drawn) == 20
        assert not {3, 7, 11} & set(drawn[:, 0].tolist())
        assert set(drawn[:, 0].tolist()) == set(range(20)) - {3, 7, 11}


def test_weighted_loss_by_hand():
    """Σ w·loss / Σ w over the vectors of a batch."""
    training = Training(FlowStack([flow()]), rows(4, 1)[None], [PLAN], [0])
    training.weights[0] = torch.tensor([1.0, 0.25, 0.5, 1.0])
    with torch.no_grad():
        per_vector = training.stack.nll(rows(4, 1)[None, :, 0])[0]
        found = training.loss(torch.tensor([[[0, 0], [1, 0], [2, 0]]]))[0]
    expected = (per_vector[0] + 0.25 * per_vector[1] + 0.5 * per_vector[2]) / 1.75
    torch.testing.assert_close(found, expected)


def test_support_and_query_are_other_images():
    """The query batch is the next one; a training set of one batch is halved."""
    for count in (20, 8, 2):
        plan = replace(PLAN, meta=Meta(alpha=0.1))
        training = Training(FlowStack([flow()]), rows(count)[None], [plan], [0])
        pairs = training._pairs(training._batches())
        for support, query in pairs:
            assert not set(support[0, :, 0].tolist()) & set(query[0, :, 0].tolist())


def test_soft_refinement_gives_outliers_less_weight():
    """A planted outlier ends with less weight than every other image, before it is learnt."""
    data = rows(30)
    data[5] = torch.tensor([4.0, -4, 4, -4, 4, -4])
    refinement = Refinement(rule=Rule(spread="iqr", factor=1.5, soft=True), epochs=(3,))
    plan = replace(PLAN, refinement=refinement, epochs=4)
    training = Training(FlowStack([flow()]), data[None], [plan], [0])
    training.run()
    assert int(training.weights[0].argmin()) == 5
    assert float(training.weights[0, 5]) < 0.7


def test_covariance_by_hand():
    """Σ is numpy's sample covariance of the standardised last pairs, λ follows its determinant."""
    generator = np.random.default_rng(0)
    pairs = generator.normal(size=(9, 2)) * [2.0, 0.5] + [3.0, -1.0]
    covariance = LossCovariance(1, base=2.0, window=5)
    assert covariance.coefficient().tolist() == [2.0]
    standard = []
    for index, (train, validation) in enumerate(pairs):
        covariance.push(torch.tensor([train]), torch.tensor([validation]))
        seen = pairs[: index + 1]
        spread = seen.std(axis=0, ddof=1) if index else np.full(2, 1e-8)
        standard.append((pairs[index] - seen.mean(axis=0)) / np.maximum(spread, 1e-8))
    sigma = np.cov(np.array(standard[-5:]).T) + 1e-8 * np.eye(2)
    np.testing.assert_allclose(covariance.sigma()[0], sigma, rtol=1e-5)
    bounded = np.log1p(np.clip(np.linalg.det(sigma), 1e-6, 100)) / np.log(101)
    assert float(covariance.coefficient()[0]) == pytest.approx(2.0 * (1 + 0.5 * bounded), rel=1e-4)


def test_coefficient_stays_within_its_bounds():
    """λ₀ ≤ λ ≤ 1.5 λ₀, near λ₀ for losses in step and larger for losses that wander apart."""
    generator = torch.Generator().manual_seed(0)
    steady, wild = LossCovariance(1, 1.0), LossCovariance(1, 1.0)
    for index in range(30):
        value = torch.tensor([1.0 / (index + 1)])
        steady.push(value, value)
        wild.push(*torch.randn(2, 1, generator=generator) * 5)
        for covariance in (steady, wild):
            assert 1.0 <= float(covariance.coefficient()[0]) <= 1.5
    assert float(steady.coefficient()[0]) < 1.001
    assert float(wild.coefficient()[0]) > 1.05


def test_squared_norm_is_per_flow():
    """‖θ‖² of each flow of a stack is that of its parameters."""
    flows = [flow(seed) for seed in (0, 1)]
    found = squared_norm(FlowStack(flows).weights)
    expected = [
        sum(float(p.detach().square().sum()) for p in f.parameters() if p.requires_grad)
        for f in flows
    ]
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-5)
