"""Bayesian optimisation of RAD's α, β and k on shortened runs (section 3.5)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...datasets.errors import CellError
from ..base import TuningResult, TuningSet
from ..flows.train import DIVERGED
from .settings import RADSettings

if TYPE_CHECKING:
    import optuna
    import torch

    from .method import RAD

# Ranges of the search; both rates on a logarithmic scale, β around the rate it starts from.
ALPHA, BETA_FACTORS, K = (1e-5, 1e-2), (0.25, 5.0), (0.5, 3.0)
HELD_OUT = 0.2  # share of the training images that a shortened run does not train on

WORDS = {
    "heldout-nll": "median negative log-likelihood per dimension of held-out training images, mean "
    "over categories; smaller is better",
    "synthetic-auroc": "AUROC of held-out training images against copies of them with a pasted "
    "patch, mean over categories; larger is better",
    "oracle-test-auroc": "AUROC on the test set, with its labels (oracle), mean over categories; "
    "larger is better",
}


def search(settings: RADSettings, sets: Sequence[TuningSet], seed: int) -> TuningResult:
    """Search α, β and k by a Gaussian process with expected improvement.

    Parameters
    ----------
    settings
        What is not searched.
    sets
        One per category, see `Method.tune`.
    seed
        For the random starts and the process.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.GPSampler(
            seed=seed % 2**32,
            n_startup_trials=settings.random_starts,
            deterministic_objective=True,
        )
        direction = "minimize" if settings.objective == "heldout-nll" else "maximize"
        study = optuna.create_study(sampler=sampler, direction=direction)
        # The paper's own values are the first evaluation, so that tuning never starts blind.
        defaults = {"alpha": settings.alpha, "beta": settings.learning_rate, "k": settings.k}
        study.enqueue_trial(defaults)
        prepared = [_Shortened(settings, one) for one in _looked_at(settings, sets)]
        low, high = (factor * settings.learning_rate for factor in BETA_FACTORS)

        def evaluate(trial: optuna.Trial) -> float:
            chosen = {
                "alpha": trial.suggest_float("alpha", *ALPHA, log=True),
                "beta": trial.suggest_float("beta", low, high, log=True),
                "k": trial.suggest_float("k", *K),
            }
            return float(np.mean([one.value(chosen) for one in prepared]))

        study.optimize(evaluate, n_trials=settings.evaluations, n_jobs=1)
    trials = tuple({**t.params, "value": float(t.value or 0.0)} for t in study.trials)
    return TuningResult(
        chosen=dict(study.best_params), objective=WORDS[settings.objective], trials=trials
    )


def _looked_at(settings: RADSettings, sets: Sequence[TuningSet]) -> list[TuningSet]:
    count = min(settings.tuning_categories or len(sets), len(sets))
    return [sets[i * len(sets) // count] for i in range(count)]


class _Shortened:
    """Shortened runs on one category: the split is made once, for all evaluations."""

    def __init__(self, settings: RADSettings, one: TuningSet) -> None:
        epochs = max(1, round(settings.tuning_epochs * settings.epochs))
        self._settings = replace(settings, epochs=epochs, bayesian_optimisation=False)
        self._context, self._oracle = one.context, one.oracle
        order = np.random.default_rng(one.context.seed("tuning-split")).permutation(len(one.train))
        held = max(1, round(HELD_OUT * len(one.train)))
        self._held = one.train.subset(sorted(order[:held].tolist()))
        self._used = one.train.subset(sorted(order[held:].tolist()))

    def value(self, chosen: dict[str, float]) -> float:
        """Run once and return the objective; a run that diverges gets the worst value there is."""
        from .method import RAD, tuned

        method = RAD(tuned(self._settings, chosen))
        objective = self._settings.objective
        try:
            method.fit(self._used, self._context)
        except CellError:
            return DIVERGED if objective == "heldout-nll" else 0.0
        if objective == "heldout-nll":
            features = method.test_features(self._held, self._context)
            # The median: up to half of the held-out images may be anomalous themselves.
            return min(DIVERGED, float(np.median(_numpy(method.score_features(features, "nll")))))
        if objective == "synthetic-auroc":
            nominal = method.test_features(self._held, self._context)
            pasted = method.pixel_features(self._pasted, self._context)
            return _auroc(method, nominal, pasted)
        assert self._oracle is not None, "the harness hands over what wants_oracle() asks for"
        features = method.test_features(self._oracle.images, self._context)
        labels = self._oracle.labels
        return _auroc(method, features[~labels], features[labels])

    @cached_property
    def _pasted(self) -> np.ndarray:
        """Held-out images with a patch of themselves pasted elsewhere, ``uint8 [N, H, W, 3]``."""
        images = self._held.array().copy()
        generator = np.random.default_rng(self._context.seed("tuning-paste"))
        for image in images:
            size = image.shape[0]
            height, width = generator.integers(max(1, size // 12), max(2, size // 4), size=2)
            top, left, down, right = (
                generator.integers(0, size - side + 1) for side in (height, width, height, width)
            )
            patch = image[top : top + height, left : left + width].copy()
            image[down : down + height, right : right + width] = patch
        return images


def _auroc(method: RAD, nominal: torch.Tensor, anomalous: torch.Tensor) -> float:
    from sklearn.metrics import roc_auc_score

    scores = [_numpy(method.score_features(part)) for part in (nominal, anomalous)]
    labels = np.repeat([0, 1], [len(part) for part in scores])
    return float(roc_auc_score(labels, np.concatenate(scores)))


def _numpy(values: torch.Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
