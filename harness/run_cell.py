"""Run one cell: load → fit → score → metrics → write. The same code under every engine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.errors import CellError
from .env import capture, device_name
from .evaluate import evaluate, score_arrays
from .evaluations import PER_IMAGE_MINMAX
from .fitting import Fits, context_of, fit_task
from .inputs import check_inputs
from .isolation import own_state
from .log import CappedLog
from .minmax import stretched_scores
from .scorecells import measure_file
from .scoring import SharedScores, score_task
from .store import Failure, Store
from .task import OUT_OF_MEMORY, PhaseError, Task, as_failure, image_set, phase, training_key
from .tuned import Tuned

if TYPE_CHECKING:
    from ..methods.features import FeatureProvider

LOG_LIMIT = 200_000


def run_cell(
    task: Task,
    features: FeatureProvider,
    progress: Callable[[float, str], None],
    fits: Fits | None = None,
    shared: SharedScores | None = None,
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
    shared
        Scores that the worker holds for cells that evaluate the same. None = nothing is held.

    Returns
    -------
    Failure or None
        None when the result was published. A failure is published too, but not that memory ran
        out where the cell is tried again.
    """
    store = Store(task.store)
    log = CappedLog(LOG_LIMIT)
    held = (fits or Fits(), shared or SharedScores())
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            row, arrays, documents = _measure(task, features, progress, *held)
        with phase("write"):
            _check_again(task, *held)
            store.write_result(task.identity, row, arrays, documents, log.text())
    except PhaseError as err:
        failure = as_failure(err, task.device, task.batch_scale)
        if failure.kind != OUT_OF_MEMORY or not task.tried_again:
            store.write_failure(task.identity, failure)
        return failure
    return None


def _check_again(task: Task, fits: Fits, shared: SharedScores) -> None:
    """Refuse what was made while an image, mask or file of weights changed; hold nothing of it."""
    if task.scores is not None:
        return
    try:
        check_inputs(task)
    except CellError:
        fits.keep({})
        shared.expect(())
        raise


def _measure(
    task: Task,
    features: FeatureProvider,
    progress: Callable[[float, str], None],
    fits: Fits,
    shared_scores: SharedScores,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Fit, score and evaluate; return the row, the arrays and the documents to store."""
    if task.scores is not None:
        return *measure_file(task, task.scores), _documents(task)
    start = time.perf_counter()
    cell = task.identity.cell
    with own_state(features):  # metrics are not measured in what a method has made of the process
        with phase("load"):
            check_inputs(task)
            context = context_of(task, features, progress)
            test = image_set(task.test, cell.image_size, timed=task.exclusive)
        before = features.compute_s
        fitted = fit_task(task, context, fits)
        shared = not fits.first_use(training_key(task))
        if not shared:
            print(fitted.log, end="")
            before -= fitted.features_s
        scored = score_task(task, fitted.method, test, context, shared_scores)
    with phase("metrics"):
        scores = scored.scores
        if cell.evaluation == PER_IMAGE_MINMAX:
            scores = stretched_scores(scores, fitted.method, cell.image_size)
        row = dict(task.row) | evaluate(scores, fitted, task.train, task.test, cell)
        row |= {
            "fit_s": round(fitted.fit_s, 6),
            "fit_shared": shared,
            "stacked": fitted.stacked,
            "batch_scale": task.batch_scale,
            "score_ms_per_image": round(1000 * scored.seconds / max(1, len(test)), 6),
            "latency_ms": scored.latency_ms,
            "features_s": round(features.compute_s - before, 6),
            "peak_memory_mb": max(fitted.memory_mb, scored.memory_mb),
            "device": task.device,
            "device_name": device_name(task.device),
            "exclusive": task.exclusive,
            **(fitted.tuned.row(device_name(task.device)) if fitted.tuned else {}),
            "warnings": [*_warnings(task, fits, fitted.tuned), *scored.warnings],
        }
    # All that this cell cost, with metrics and shared features; for forecasts, not for tables.
    together = 0.0 if shared else fitted.stack_s
    row["wall_s"] = round(time.perf_counter() - start + together, 6)
    threshold = row["threshold"]
    arrays = {"scores": score_arrays(scores, fitted, task.train, task.test, threshold)}
    if task.keep_maps and scored.scores.maps is not None:
        # Raw under every evaluation: what is done to them can be done again.
        arrays["maps"] = {"maps": scored.scores.maps.astype(np.float32)}
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
