"""Score the test images of a cell, once for all cells that evaluate the same scores."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.images import ImageSet
from .files import sha256
from .fitting import Clock, synchronise
from .grouping import stack_key
from .memory import PeakMemory
from .task import Task, phase, training_key

if TYPE_CHECKING:
    from ..methods.base import Context, Method, Scores

LATENCY_BUDGET_S = 0.5
# How often one image is timed. What a neighbour takes from the clock, more timings do not give
# back: such a time is marked in reports, and it must not cost as much as the cell itself.
TIMINGS_ALONE, TIMINGS_BESIDE_OTHERS = 5, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Scores of a cell's test images and what it took to get them.

    Attributes
    ----------
    scores
        As the method returned them, checked.
    seconds
        Wall time without shared features.
    latency_ms
        See `latency_ms`; None where it was not timed (`SharedScores.timings`).
    memory_mb
        Peak memory in MB.
    warnings
        What the check found that does not fail a cell.
    """

    scores: Scores
    seconds: float
    latency_ms: float | None
    memory_mb: float
    warnings: tuple[str, ...]


class SharedScores:
    """Scores that a worker holds for as long as another of its cells is to evaluate them.

    Nothing is held for a cell whose scores no other cell wants.
    """

    def __init__(self) -> None:
        self._wanted: Counter[str] = Counter()
        self._held: dict[str, Scored] = {}
        self._timed: set[tuple[Any, ...]] = set()

    def timings(self, task: Task) -> int:
        """Return how often one image is to be timed through a task's model.

        Only seed 0 is timed. Of cells that run beside others, so is only the first of those whose
        models differ in noise alone, which does not change what an image passes through: their
        times are no entries of a table of times, and would cost up to a tenth of the run.
        """
        if task.identity.cell.seed != 0:
            return 0
        if task.exclusive:
            return TIMINGS_ALONE
        model = stack_key(task)
        first = model not in self._timed
        self._timed.add(model)
        return TIMINGS_BESIDE_OTHERS if first else 0

    def expect(self, tasks: Iterable[Task]) -> None:
        """Say which cells come next; what was held for others is let go of."""
        self._wanted, self._held = Counter(map(scoring_key, tasks)), {}

    def get(self, task: Task) -> Scored | None:
        """Return the scores of an earlier cell with the same fit and the same test images."""
        key = scoring_key(task)
        self._wanted[key] -= 1
        return self._held.get(key) if self._wanted[key] > 0 else self._held.pop(key, None)

    def keep(self, task: Task, scored: Scored) -> None:
        """Hold scores if another cell wants them."""
        key = scoring_key(task)
        if self._wanted[key] > 0:
            self._held[key] = scored


def scoring_key(task: Task) -> str:
    """Return a key that two tasks share if and only if they score the same images the same way."""
    seen = [training_key(task), [(sample.id, sample.sha256) for sample in task.test]]
    return sha256(json.dumps(seen).encode())


def score_task(
    task: Task, method: Method, test: ImageSet, context: Context, shared: SharedScores
) -> Scored:
    """Score a task's test images with a fitted method, or return the scores that are held."""
    held = shared.get(task)
    if held is None:
        with PeakMemory(task.device) as memory, phase("score"):
            scores, seconds, warnings = _score(method, test, context)
            timings = shared.timings(task)
            latency = latency_ms(method, test, context, timings) if timings else None
        held = Scored(
            scores=scores,
            seconds=seconds,
            latency_ms=latency,
            memory_mb=memory.megabytes,
            warnings=tuple(warnings),
        )
        shared.keep(task, held)
    return held


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


def latency_ms(
    method: Method, test: ImageSet, context: Context, timings: int = TIMINGS_ALONE
) -> float | None:
    """Time one image from file to score and map, nothing cached, batch size 1; a median.

    So many ``timings`` follow a warm-up, or as many (at least one) as `LATENCY_BUDGET_S` allows.
    """
    if not len(test):
        return None
    cold = replace(context, features=context.features.uncached())
    one = test.subset([0]).uncached()
    times: list[float] = []
    for _ in range(1 + timings):  # the first one warms up and is dropped
        start = time.perf_counter()
        method.score(one, cold)
        synchronise(context.device)
        times.append(time.perf_counter() - start)
        if len(times) >= 2 and sum(times) > LATENCY_BUDGET_S:
            break
    return round(1000 * float(np.median(times[1:])), 6)
