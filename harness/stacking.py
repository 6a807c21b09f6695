"""Fit several cells of one category together, for methods that gain by it.

What comes out equals fitting one by one up to the rounding of float32 sums. Where it fails, the
cells are fitted one by one, so that one cell's trouble stays its own; their rows say so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .fitting import Clock, Fits, Fitted, context_of, finish_fit, new_method
from .grouping import by_training
from .inputs import check_inputs
from .isolation import own_state
from .log import CappedLog
from .memory import PeakMemory
from .task import PhaseError, Task, as_failure, image_set, phase, training_key

if TYPE_CHECKING:
    from ..methods.base import Context, ImageSet, Method
    from ..methods.features import FeatureProvider
    from .tuned import Tuned

LOG_LIMIT = 200_000


def fit_stack(
    tasks: Sequence[Task],
    features: FeatureProvider,
    progress: Callable[[float, str], None],
    fits: Fits,
) -> None:
    """Fit the training sets of these tasks together and hold the fitted methods in ``fits``.

    A task that could not be fitted is not held: `run_cell` fits it alone and records what failed.

    Parameters
    ----------
    tasks
        One of `grouping.stacks_of`.
    features
        Frozen features of the group's backbone.
    progress
        Called with a fraction and a text.
    fits
        What the worker holds; let go of first.
    """
    start = time.perf_counter()
    fits.keep({})
    firsts = [unit[0] for unit in by_training(tasks)]
    log = CappedLog(LOG_LIMIT)
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        ready = [r for task in firsts if (r := _prepare(task, features, progress)) is not None]
        if len(ready) < 2:
            return
        try:
            with own_state(features):
                held = _fit_together(ready, log)
        except PhaseError as err:
            failure = as_failure(err)
            note = (
                f"fitting {len(ready)} cells together failed "
                f"({failure.kind}: {failure.message}): fitted alone"
            )
            fits.keep({}, notes={training_key(task): note for task, *_ in ready})
            return
    share = (time.perf_counter() - start) / max(1, len(held))
    fits.keep({key: replace(fitted, stack_s=share) for key, fitted in held.items()})


Ready = tuple[Task, "Method", "ImageSet", "Context", "Tuned | None"]


def _prepare(
    task: Task, features: FeatureProvider, progress: Callable[[float, str], None]
) -> Ready | None:
    """Return a task with what fitting it needs; None where that cannot be had."""
    try:
        with phase("load"):
            check_inputs(task)
            method, tuned = new_method(task)
    except PhaseError:
        return None
    train = image_set(task.train, task.identity.cell.image_size, timed=task.exclusive)
    return task, method, train, context_of(task, features, progress), tuned


def _fit_together(ready: Sequence[Ready], log: CappedLog) -> dict[str, Fitted]:
    tasks, methods, trains, contexts, _ = zip(*ready, strict=True)
    features, count = contexts[0].features, len(ready)
    before = features.compute_s
    with PeakMemory(tasks[0].device) as memory, phase("fit"):
        clock = Clock(contexts[0])
        type(methods[0]).fit_stack(methods, trains, contexts)
        share = clock.seconds() / count
    features_s = (features.compute_s - before) / count
    held: dict[str, Fitted] = {}
    for task, method, train, context, tuned in ready:
        # A method that cannot score its training images is fitted alone, and fails alone.
        with contextlib.suppress(PhaseError):
            fitted = finish_fit(method, train, context, fit_s=share, stacked=count)
            held[training_key(task)] = replace(
                fitted,
                memory_mb=memory.megabytes,
                features_s=features_s,
                log=log.text(),
                tuned=tuned,
            )
    return held
