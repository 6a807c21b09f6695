"""RAD: its parts change what they claim to change; tuning is seeded, bounded and label-free."""

from dataclasses import replace

import numpy as np
import pytest
from flow_worlds import planted_context, planted_set
from method_images import drawn_set, make_context
from sklearn.metrics import roc_auc_score

from adrepro.datasets.errors import UsageError
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.base import OracleSet, TuningSet
from adrepro.methods.features import FeatureProvider
from adrepro.methods.rad.method import RAD, tuned
from adrepro.methods.rad.settings import RADSettings
from adrepro.methods.settings import make_settings

SMALL = {
    "epochs": 10,
    "train_views": 2,
    "test_views": 2,
    "views_per_step": 2,
    "blocks": 2,
    "hidden": 16,
    "hidden_layers": 1,
    "learning_rate": 3e-3,
    "bayesian_optimisation": False,
}


def small(**changes):
    return RAD(RADSettings(**(SMALL | changes)))


def scores_of(method, train, test, context):
    method.fit(train, context)
    return method.score(test, context).image


def test_rad_tells_planted_anomalies_apart():
    """The whole method on planted features: anomalies off the nominal line score higher."""
    test = planted_set(20, 20, first=1000)
    scores = scores_of(small(), planted_set(40), test, planted_context())
    assert roc_auc_score(np.repeat([0, 1], 20), scores) > 0.95


@pytest.mark.parametrize("variant", ["no-meta", "no-l2", "no-meta-l2", "hard", "no-refinement"])
def test_each_ablation_trains_another_flow(variant):
    """Every ablation is a setting that changes the scores, not a copy of the method."""
    train, test = planted_set(30, 3), planted_set(5, first=1000)
    changes = {"penalty": 1e-3, "alpha": 1e-1, "refine_every": 0.2}
    full = scores_of(small(**changes), train, test, planted_context())
    less = small(**(changes | dict(RAD.variants[variant].settings)))
    other = scores_of(less, train, test, planted_context())
    assert not np.allclose(full, other, rtol=1e-4)


def test_weight_decay_and_penalty_are_never_both_on():
    """The adaptive L2 replaces Adam's weight decay; without it the official one holds."""
    assert (small().plan().weight_decay, small().plan().penalty) == (0.0, 5e-6)
    plain = small(adaptive_l2=False).plan()
    assert (plain.weight_decay, plain.penalty) == (1e-5, None)


def test_penalty_shrinks_the_weights():
    """A large λ₀ ends with smaller weights."""
    norms = []
    for penalty in (1e-6, 1.0):
        method = small(penalty=penalty)
        method.fit(planted_set(30), planted_context())
        norms.append(
            sum(float(p.square().sum()) for p in method._flow.parameters() if p.is_floating_point())
        )
    assert norms[1] < 0.8 * norms[0]


def test_soft_weights_find_few_contaminants():
    """At 10 % contamination the weight taken away is mostly that of anomalous images."""
    method = small(refine_every=0.3)
    method.fit(planted_set(45, 5), planted_context(shift=6.0))
    removed = 1 - method.train_weights
    assert removed[45:].sum() / removed.sum() > 0.8
    assert method.train_weights[45:].max() < method.train_weights[:45].mean()


def test_no_refinement_reports_no_weights():
    """A method that removes nothing says so by None."""
    method = small(refinement="none")
    method.fit(planted_set(20), planted_context())
    assert method.train_weights is None


def tuning_sets(contaminated=0, oracle=None):
    return [
        TuningSet(
            train=planted_set(20, contaminated, first=100 * index),
            context=planted_context(seed=index),
            oracle=oracle,
        )
        for index in range(2)
    ]


TUNING = {"evaluations": 4, "random_starts": 3, "bayesian_optimisation": True}


def test_tuning_is_seeded_and_bounded():
    """The same seed tries the same settings; all lie in the ranges; the best one is chosen."""
    method = small(**TUNING)
    assert method.wants_tuning()
    first, second = (method.tune(tuning_sets(), seed=5) for _ in range(2))
    assert first == second
    assert len(first.trials) == 4
    assert method.tune(tuning_sets(), seed=6).trials[1] != first.trials[1]
    for trial in first.trials:
        assert 1e-5 <= trial["alpha"] <= 1e-2
        assert 0.25 * 3e-3 <= trial["beta"] <= 5 * 3e-3
        assert 0.5 <= trial["k"] <= 3
    best = min(first.trials, key=lambda trial: trial["value"])
    assert first.chosen == {name: best[name] for name in ("alpha", "beta", "k")}
    # The first evaluation is what the paper starts from.
    assert first.trials[0]["beta"] == pytest.approx(3e-3)


def test_tuned_settings_are_used():
    """use_tuning() trains with what was chosen, whatever was given."""
    method = small(**TUNING)
    method.use_tuning({"alpha": 1e-3, "beta": 5e-3, "k": 2.0})
    plan = method.plan()
    assert (plan.meta.alpha, plan.rate, plan.refinement.rule.factor) == (1e-3, 5e-3, 2.0)
    assert tuned(small().settings, {"k": 1.0}).k == 1.0


def test_diverging_runs_are_the_worst():
    """A rate at which the flow diverges does not end the search and is not chosen."""
    method = small(**(TUNING | {"learning_rate": 0.5, "epochs": 20, "tuning_epochs": 1.0}))
    result = method.tune(tuning_sets(), seed=0)
    values = [trial["value"] for trial in result.trials]
    assert all(np.isfinite(values))
    assert max(values) <= 10.0


def test_oracle_objective_needs_and_uses_labels():
    """Only the objective named oracle asks for labels, and flipped labels turn its value round."""
    assert not small(**TUNING).wants_oracle()
    assert not small(objective="oracle-test-auroc").wants_oracle()  # nothing is tuned
    method = small(**TUNING, objective="oracle-test-auroc")
    assert method.wants_oracle()
    values = []
    for flip in (False, True):
        labels = np.repeat([flip, not flip], 10)
        oracle = OracleSet(images=planted_set(10, 10, first=5000), labels=labels)
        values.append(method.tune(tuning_sets(oracle=oracle), seed=1).trials[0]["value"])
    assert values[0] > 0.9
    assert values[0] + values[1] == pytest.approx(1.0)


def test_synthetic_objective_prefers_nothing_known_of_the_test_set(tmp_path):
    """The pasted-patch objective runs on training images alone and is an AUROC."""
    context = make_context(FeatureProvider(parse_backbone("efficientnet_lite0")))
    method = small(**TUNING, objective="synthetic-auroc", scales=(1,), tuning_epochs=0.2)
    images = drawn_set(tmp_path, 10)
    result = method.tune([TuningSet(train=images, context=context)], seed=0)
    assert all(0 <= trial["value"] <= 1 for trial in result.trials)
    assert "pasted" in result.objective


def test_heldout_objective_by_hand():
    """The objective is the median full NLL of images that the shortened run did not train on."""
    from adrepro.methods.rad import tuning

    one = tuning_sets()[0]
    settings = RADSettings(**(SMALL | TUNING))
    short = tuning._Shortened(settings, one)
    assert not set(short._held.hashes) & set(short._used.hashes)
    assert (len(short._held), len(short._used)) == (4, 16)
    chosen = {"alpha": 1e-3, "beta": 3e-3, "k": 1.0}
    method = RAD(tuned(replace(settings, epochs=2, bayesian_optimisation=False), chosen))
    method.fit(short._used, one.context)
    nll = [
        0.5 * float(z.square().mean()) - float(log_det.mean()) / z.shape[1]
        for z, log_det in map(method._flow, method.test_features(short._held, one.context))
    ]
    assert short.value(chosen) == pytest.approx(np.median(nll), rel=1e-3)


def test_tuning_can_look_at_some_categories_only(monkeypatch):
    """tuning_categories takes so many, spread evenly."""
    from adrepro.methods.rad import tuning

    sets = list(range(15))
    chosen = tuning._looked_at(replace(RADSettings(), tuning_categories=3), sets)
    assert chosen == [0, 5, 10]
    assert tuning._looked_at(RADSettings(), sets) == sets


def test_defaults_are_the_documented_reading():
    """The values that the paper and CoMet's released code give."""
    s = RADSettings()
    assert (s.epochs, s.learning_rate, s.alpha, s.k, s.inner_steps) == (240, 2e-4, 1e-4, 1.5, 1)
    assert (s.penalty, s.window, s.evaluations, s.refinement) == (5e-6, 5, 25, "soft")
    assert s.meta_learning
    assert s.adaptive_l2
    assert s.bayesian_optimisation
    assert s.objective == "heldout-nll"
    assert RAD(s).plan().refinement.epochs == tuple(range(24, 240, 24))


@pytest.mark.parametrize(
    ("key", "value"),
    [("alpha", "0"), ("window", "1"), ("refine_every", "1"), ("objective", "test-auroc"),
     ("random_starts", "30"), ("epochs", "0"), ("tuning_categories", "0")],
)  # fmt: skip
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key.split("_")[0]):
        make_settings(RAD, "paper", {key: value})
