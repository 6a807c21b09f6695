"""Run one tuning and publish what it chose, as `run` does with a cell."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.seeds import derive_seed
from .env import capture, device_name
from .fitting import Clock
from .inputs import check_tuning_inputs
from .isolation import own_state
from .log import CappedLog
from .store import Failure, Store
from .task import PhaseError, as_failure, image_set, phase, seed_axes
from .tuned import Tuned, checked_result, read_tuned, write_tuned
from .tuning import TuningImages, TuningTask

if TYPE_CHECKING:
    from ..methods.base import TuningSet
    from ..methods.features import FeatureProvider

LOG_LIMIT = 200_000


def run_tuning(
    task: TuningTask, features: FeatureProvider, progress: Callable[[float, str], None]
) -> Failure | None:
    """Run one tuning and publish what it chose, or the failure of the cells that wait for it.

    Parameters
    ----------
    task
        What to tune on which images.
    features
        Frozen features of the backbone.
    progress
        Called with a fraction and a text.

    Returns
    -------
    Failure or None
        None when the choice was published.
    """
    store = Store(task.store)
    if read_tuned(store, task.planned.key) is not None:
        return None  # another run on the same store has been quicker
    log = CappedLog(LOG_LIMIT)
    try:
        with phase("tune"):
            quiet = contextlib.redirect_stdout(log), contextlib.redirect_stderr(log)
            with quiet[0], quiet[1], own_state(features):
                check_tuning_inputs(task)
                tuned = _tune(task, features, progress)
            write_tuned(store, tuned)
    except PhaseError as err:
        failure = as_failure(err, task.device)
        for identity in task.identities:
            store.write_failure(identity, failure)
        return failure
    return None


def _tune(
    task: TuningTask, features: FeatureProvider, progress: Callable[[float, str], None]
) -> Tuned:
    from ..methods.registry import method_class

    planned = task.planned
    dataset, noise = planned.document["dataset"], planned.document["noise"]
    sets = [_tuning_set(task, seen, features, progress) for seen in planned.images]
    clock = Clock(sets[0].context)
    method = method_class(planned.method)(planned.settings)
    result = checked_result(method.tune(sets, derive_seed("tuning", dataset, f"{noise:g}")))
    return Tuned(
        document=planned.document,
        chosen=result.chosen,
        objective=result.objective,
        trials=result.trials,
        seconds=round(clock.seconds(), 6),
        device=task.device,
        device_name=device_name(task.device),
        env=capture(task.device),
        exclusive=task.exclusive,
    )


def _tuning_set(
    task: TuningTask,
    seen: TuningImages,
    features: FeatureProvider,
    progress: Callable[[float, str], None],
) -> TuningSet:
    """Return one category as the method sees it: what its cell of seed 0 would see."""
    from ..methods.base import Context, OracleSet, TuningSet

    document = task.planned.document
    context = Context(
        device=task.device,
        features=features,
        seed_axes=seed_axes(document["dataset"], seen.category, document["noise"], 0),
        progress=progress,
    )
    oracle = None
    if document["oracle"]:
        oracle = OracleSet(
            images=image_set(seen.test, document["image_size"]),
            labels=np.array([sample.anomalous for sample in seen.test], dtype=bool),
        )
    train = image_set(seen.train, document["image_size"])
    return TuningSet(train=train, context=context, oracle=oracle)
