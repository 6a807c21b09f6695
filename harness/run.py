"""Run one cell: load → fit → score → metrics → write. The same code under every engine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.images import ImageSet
from .env import capture, device_name
from .evaluate import evaluate, score_arrays
from .fitting import Clock, Fits, context_of, fit_task, synchronise
from .log import CappedLog
from .memory import PeakMemory
from .store import Failure, Store
from .task import PhaseError, Task, as_failure, image_set, phase, training_key
from .tuned import Tuned

if TYPE_CHECKING:
    from ..methods.base import Context, Method, Scores
    from ..methods.features import FeatureProvider

LOG_LIMIT = 200_000
LATENCY_BUDGET_S = 0.5


def run_cell(
    task: Task,
    features: FeatureProvider,
    progress: Callable[[float, str], None],
    fits: Fits | None = None,
) -> Failure | None:
    """Run one cell and publish its result or its failure.

    Parameters
    ----------
    task
        The cell and its images.
    features
        Frozen features of the cell's backbone, shared by the cells of a group.
    progress
        Called with a fraction and a text.
    fits
        Fitted methods that the worker holds; a cell with the same training set is not fitted
        again. None = nothing is held.

    Returns
    -------
    Failure or None
        None when the result was published.
    """
    store = Store(task.store)
    log = CappedLog(LOG_LIMIT)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            row, arrays, documents = _measure(task, features, progress, fits or Fits())
        with phase("write"):
            store.write_result(task.identity, row, arrays, documents, log.text())
    except PhaseError as err:
        failure = as_failure(err)
        store.write_failure(task.identity, failure)
        return failure
    return None


def _measure(
    task: Task, features: FeatureProvider, progress: Callable[[float, str], None], fits: Fits
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Fit, score and evaluate; return the row, the arrays and the documents to store."""
    cell = task.identity.cell
    with phase("load"):
        context = context_of(task, features, progress)
        test = image_set(task.test, cell.image_size)
    before = features.compute_s
    fitted = fit_task(task, context, fits)
    shared = not fits.first_use(training_key(task))
    if not shared:
        print(fitted.log, end="")
        before -= fitted.features_s
    with PeakMemory(task.device) as memory, phase("score"):
        scores, score_s, warnings = _score(fitted.method, test, context)
        latency = latency_ms(fitted.method, test, context) if cell.seed == 0 else None
    with phase("metrics"):
        row = dict(task.row) | evaluate(scores, fitted, task.train, task.test, cell)
        row |= {
            "fit_s": round(fitted.fit_s, 6),
            "fit_shared": shared,
            "stacked": fitted.stacked,
            "score_ms_per_image": round(1000 * score_s / max(1, len(test)), 6),
            "latency_ms": latency,
            "features_s": round(features.compute_s - before, 6),
            "peak_memory_mb": max(fitted.memory_mb, memory.megabytes),
            "device": task.device,
            "device_name": device_name(task.device),
            "exclusive": task.exclusive,
            **(fitted.tuned.row(device_name(task.device)) if fitted.tuned else {}),
            "warnings": [*_warnings(task, fits, fitted.tuned), *warnings],
        }
    threshold = row["threshold"]
    arrays = {"scores": score_arrays(scores, fitted, task.train, task.test, threshold)}
    if task.keep_maps and scores.maps is not None:
        arrays["maps"] = {"maps": scores.maps.astype(np.float32)}
    return row, arrays, _documents(task)


def _warnings(task: Task, fits: Fits, tuned: Tuned | None) -> list[str]:
    """Return what is to be said of how a cell came about, whatever its scores are."""
    told = [*task.warnings, *fits.warnings(training_key(task))]
    return told + (tuned.warnings() if tuned else [])


def _documents(task: Task) -> dict[str, Any]:
    return {
        "images": {
            "train": [sample.document() for sample in task.train],
            "test": [sample.document() for sample in task.test],
        },
        "env": capture(task.device),
    }


def _score(method: Method, test: ImageSet, context: Context) -> tuple[Scores, float, list[str]]:
    """Score the test images with timing; validate what the method returned.

    Computing frozen features is not part of the time: they are shared by cells, and whoever comes
    first would be charged for all. ``latency_ms`` has the whole path.
    """
    from ..methods.validate import validate_scores

    clock = Clock(context)
    raw = method.score(test, context)
    seconds = clock.seconds()
    scores, warnings = validate_scores(raw, len(test), method.localises)
    return scores, seconds, list(warnings)


def latency_ms(method: Method, test: ImageSet, context: Context) -> float | None:
    """Time one image from file to score and map, nothing cached, batch size 1; a median.

    Five timings follow a warm-up, or as many (at least one) as `LATENCY_BUDGET_S` allows.
    """
    if not len(test):
        return None
    cold = replace(context, features=context.features.uncached())
    times: list[float] = []
    for _ in range(6):  # the first one warms up and is dropped
        start = time.perf_counter()
        method.score(test.subset([0]), cold)
        synchronise(context.device)
        times.append(time.perf_counter() - start)
        if len(times) >= 2 and sum(times) > LATENCY_BUDGET_S:
            break
    return round(1000 * float(np.median(times[1:])), 6)
