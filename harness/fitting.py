"""Fit a method once for all cells that train it on the same images.

Two noise protocols may draw the same training set and test on different images. Their tasks have
one `training_key`; the worker runs them one after the other and fits for the first only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.images import ImageSet
from .memory import PeakMemory
from .store import Store
from .task import Task, image_set, phase, training_key
from .tuned import Tuned, require_tuned

if TYPE_CHECKING:
    from ..methods.base import Context, Method, Scores
    from ..methods.features import FeatureProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted method with what is known of its training set.

    Attributes
    ----------
    method
        Fitted, ready to score.
    train_scores
        Scores of the training images, without maps; the label-free threshold comes from them.
        Empty where a file of scores has none.
    train_weights
        ``float32 [N]`` in [0, 1], see `Method.train_weights`; None where nothing is removed.
    fit_s
        Seconds of ``fit``, without shared features; of a stack, its share.
    memory_mb
        Peak memory in MB while fitting and scoring the training images.
    stacked
        How many cells were fitted together; 1 = alone.
    features_s
        Of a stack: its share of the seconds spent on computing features while it was fitted.
    stack_s
        Of a stack: its share of all the seconds that it took, from the check of its inputs to the
        scores of its training images.
    log
        Of a stack: what it printed.
    tuned
        The tuning that ``fit`` has used; None where none.
    """

    method: Method
    train_scores: Scores
    train_weights: np.ndarray | None
    fit_s: float
    memory_mb: float = 0.0
    stacked: int = 1
    features_s: float = 0.0
    stack_s: float = 0.0
    log: str = ""
    tuned: Tuned | None = None


class Fits:
    """The fitted methods a worker holds: those of one training set at a time, or of one stack."""

    def __init__(self) -> None:
        self._held: dict[str, Fitted] = {}
        self._used: set[str] = set()
        self._notes: dict[str, str] = {}
        self._stack = False

    def get(self, key: str) -> Fitted | None:
        """Return what is held under a `training_key`."""
        return self._held.get(key)

    def keep(self, fitted: dict[str, Fitted], notes: dict[str, str] | None = None) -> None:
        """Hold a stack, `training_key` → fitted method, and let go of all others.

        ``notes`` says per key what the rows of its cells have to warn of.
        """
        self._held, self._used = dict(fitted), set()
        self._notes, self._stack = dict(notes or {}), bool(fitted)

    def make_room(self) -> None:
        """Let go of a method that was fitted alone: two would need twice the memory."""
        if not self._stack:
            self._held, self._used = {}, set()

    def add(self, key: str, fitted: Fitted) -> None:
        """Hold one that was fitted alone."""
        self._held[key] = fitted

    def warnings(self, key: str) -> list[str]:
        """Return what the rows of the cells under a `training_key` have to warn of."""
        return [self._notes[key]] if key in self._notes else []

    def first_use(self, key: str) -> bool:
        """Say whether a fitted method is used for the first time, and note that it was."""
        first = key not in self._used
        self._used.add(key)
        return first


def fit_task(task: Task, context: Context, fits: Fits) -> Fitted:
    """Return the method fitted for a task: a held one where the training set is the same."""
    key = training_key(task)
    held = fits.get(key)
    if held is None:
        fits.make_room()
        held = _fit(task, context)
        fits.add(key, held)
    return held


def _fit(task: Task, context: Context) -> Fitted:
    train = image_set(task.train, task.identity.cell.image_size, timed=task.exclusive)
    with PeakMemory(task.device) as memory:
        with phase("load"):
            method, tuned = new_method(task)
        with phase("fit"):
            clock = Clock(context)
            method.fit(train, context)
            fit_s = clock.seconds()
        fitted = finish_fit(method, train, context, fit_s=fit_s)
    return replace(fitted, memory_mb=memory.megabytes, tuned=tuned)


def new_method(task: Task) -> tuple[Method, Tuned | None]:
    """Return an instance of the task's method, not fitted, and the tuning that it was given."""
    from ..methods.registry import method_class

    method = method_class(task.method)(task.settings)
    tuned = require_tuned(Store(task.store), task.tuning) if task.tuning else None
    if tuned is not None:
        method.use_tuning(tuned.chosen)
    return method, tuned


def finish_fit(
    method: Method, train: ImageSet, context: Context, *, fit_s: float, stacked: int = 1
) -> Fitted:
    """Check what ``fit`` left behind and score the training images."""
    from ..methods.validate import validate_scores, validate_weights

    with phase("fit"):
        weights = validate_weights(method.train_weights, len(train))
    with phase("score"):
        silent = replace(context, want_maps=False)
        scores, _ = validate_scores(method.score(train, silent), len(train), False)
    return Fitted(
        method=method,
        train_scores=scores,
        train_weights=weights,
        fit_s=fit_s,
        stacked=stacked,
    )


def context_of(
    task: Task, features: FeatureProvider, progress: Callable[[float, str], None]
) -> Context:
    """Return what a method is handed for a task."""
    from ..methods.base import Context

    return Context(
        device=task.device,
        features=features,
        seed_axes=task.seed_axes,
        batch_scale=task.batch_scale,
        progress=progress,
    )


class Clock:
    """Wall time of a phase on its device, without the time spent on computing shared features."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._features_s = context.features.compute_s
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds since the clock was made."""
        synchronise(self._context.device)
        spent = self._context.features.compute_s - self._features_s
        return time.perf_counter() - self._start - spent


def synchronise(device: str) -> None:
    """Wait for queued device work, so that a clock read after it means something."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
