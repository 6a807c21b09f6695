"""Run one cell: load → fit → score → metrics → write. The same code under every engine."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.errors import StoreError
from ..datasets.images import ImageSet, load_mask
from . import metrics
from .cell import Identity
from .env import capture
from .log import CappedLog
from .memory import PeakMemory
from .store import Failure, Store
from .threshold import iqr_threshold

if TYPE_CHECKING:
    from ..methods.base import Context, Method, Scores
    from ..methods.features import FeatureProvider

LOG_LIMIT = 200_000
TRACEBACK_LIMIT = 8_000
LATENCY_BUDGET_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image of a task: where it lies, what it contains and what is known of it.

    ``anomalous`` is the true label; ``injected`` marks a training image that is an anomaly
    labelled nominal. Both are the harness's knowledge, never the method's.
    """

    id: str
    path: Path
    sha256: str
    anomalous: bool = False
    injected: bool = False
    mask_path: Path | None = None
    mask_sha256: str = ""

    def document(self) -> dict[str, Any]:
        """Return what `images.json` keeps: everything but the path."""
        kept = ("id", "sha256", "anomalous", "injected", "mask_sha256")
        return {name: getattr(self, name) for name in kept}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything a worker needs to run one cell."""

    identity: Identity
    method: str
    settings: Any
    backbone: Any
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    row: dict[str, Any]
    store: Path
    device: str
    keep_maps: bool
    exclusive: bool


class PhaseError(Exception):
    """Carries the phase in which a cell failed to the recorder; the cause is chained."""

    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        self.phase = phase


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Mark any error raised inside as belonging to phase ``name``."""
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as err:
        # A method that leaves by sys.exit() fails its cell like any other.
        raise PhaseError(name) from err


def run_cell(
    task: Task, features: FeatureProvider, progress: Callable[[float, str], None]
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

    Returns
    -------
    Failure or None
        None when the result was published.
    """
    store = Store(task.store)
    log = CappedLog(LOG_LIMIT)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            row, arrays, documents = _measure(task, features, progress)
        with phase("write"):
            store.write_result(task.identity, row, arrays, documents, log.text())
    except PhaseError as err:
        cause = err.__cause__ or err
        if isinstance(cause, StoreError):
            raise cause from None  # no cell's fault: the disk is full or gone
        lines = "".join(traceback.format_exception(cause))[-TRACEBACK_LIMIT:]
        first_line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        failure = Failure(
            kind=type(cause).__name__, message=first_line, phase=err.phase, traceback=lines
        )
        store.write_failure(task.identity, failure)
        return failure
    return None


def _measure(
    task: Task, features: FeatureProvider, progress: Callable[[float, str], None]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Fit, score and evaluate; return the row, the arrays and the documents to store."""
    from ..methods.base import Context
    from ..methods.registry import method_class

    cell = task.identity.cell
    with phase("load"):
        method = method_class(task.method)(task.settings)
        context = Context(
            device=task.device,
            features=features,
            seed_axes=(cell.dataset, cell.category, f"{cell.noise:g}", cell.seed),
            progress=progress,
        )
        train, test = (
            _image_set(task.train, cell.image_size),
            _image_set(task.test, cell.image_size),
        )
    before = features.compute_s
    with PeakMemory(task.device) as memory:
        fit_s, scores, train_scores, score_s, warnings = _fit_and_score(
            method, train, test, context
        )
        with phase("score"):
            latency = latency_ms(method, test, context) if cell.seed == 0 else None
    with phase("metrics"):
        row = dict(task.row) | evaluate(scores, train_scores, task.test, cell.image_size, method)
        row |= {
            "fit_s": round(fit_s, 6),
            "score_ms_per_image": round(1000 * score_s / max(1, len(test)), 6),
            "latency_ms": latency,
            "features_s": round(features.compute_s - before, 6),
            "peak_memory_mb": memory.megabytes,
            "device": task.device,
            "exclusive": task.exclusive,
            "warnings": warnings,
        }
    arrays = {"scores": _score_arrays(task, scores, train_scores, row["threshold"])}
    if task.keep_maps and scores.maps is not None:
        arrays["maps"] = {"maps": scores.maps.astype(np.float32)}
    documents = {
        "images": {
            "train": [sample.document() for sample in task.train],
            "test": [sample.document() for sample in task.test],
        },
        "env": capture(task.device),
    }
    return row, arrays, documents


def _image_set(samples: tuple[Sample, ...], size: int) -> ImageSet:
    return ImageSet([s.path for s in samples], [s.sha256 for s in samples], size)


def _fit_and_score(
    method: Method, train: ImageSet, test: ImageSet, context: Context
) -> tuple[float, Scores, Scores, float, list[str]]:
    """Fit and score with timing; validate what the method returned.

    Computing frozen features is not part of either time: they are shared by cells, and whoever
    comes first would be charged for all. ``latency_ms`` has the whole path.
    """
    from ..methods.validate import validate_scores

    with phase("fit"):
        clock = Clock(context)
        method.fit(train, context)
        fit_s = clock.seconds()
    with phase("score"):
        clock = Clock(context)
        raw = method.score(test, context)
        score_s = clock.seconds()
        scores, warnings = validate_scores(raw, len(test), method.localises)
        silent = replace(context, want_maps=False)
        train_scores, _ = validate_scores(method.score(train, silent), len(train), False)
    return fit_s, scores, train_scores, score_s, list(warnings)


class Clock:
    """Wall time of a phase on its device, without the time spent on computing shared features."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._features_s = context.features.compute_s
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds since the clock was made."""
        _synchronise(self._context.device)
        spent = self._context.features.compute_s - self._features_s
        return time.perf_counter() - self._start - spent


def _synchronise(device: str) -> None:
    """Wait for queued device work, so that a clock read after it means something."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


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
        _synchronise(context.device)
        times.append(time.perf_counter() - start)
        if len(times) >= 2 and sum(times) > LATENCY_BUDGET_S:
            break
    return round(1000 * float(np.median(times[1:])), 6)


def evaluate(
    scores: Scores, train_scores: Scores, test: tuple[Sample, ...], size: int, method: Method
) -> dict[str, Any]:
    """Compute every metric of a cell by the one definition in `metrics`.

    Pixel metrics are None where the method does not localise or an anomalous image has no mask.
    """
    labels = np.array([sample.anomalous for sample in test], dtype=bool)
    threshold = iqr_threshold(train_scores.image)
    image = metrics.image_metrics(scores.image, labels, threshold)
    row: dict[str, Any] = {
        "threshold": threshold,
        "image_auroc": image.auroc,
        "image_ap": image.ap,
        "precision": image.precision,
        "recall": image.recall,
        "f1": image.f1,
        "f1_max": image.f1_max,
        "pixel_auroc": None,
        "pixel_ap": None,
        "aupro": None,
    }
    if scores.maps is None or any(s.anomalous and s.mask_path is None for s in test):
        return row
    maps = metrics.upsample_and_smooth(scores.maps, size, method.smoothing_sigma)
    masks = np.stack([load_mask(s.mask_path if s.anomalous else None, (size, size)) for s in test])
    pixel = metrics.pixel_metrics(maps, masks)
    return row | {"pixel_auroc": pixel.auroc, "pixel_ap": pixel.ap, "aupro": pixel.aupro}


def _score_arrays(
    task: Task, scores: Scores, train_scores: Scores, threshold: float
) -> dict[str, np.ndarray]:
    """Return what is kept so that image metrics can be recomputed without running again."""
    return {
        "test_scores": scores.image,
        "test_labels": np.array([s.anomalous for s in task.test], dtype=bool),
        "train_scores": train_scores.image,
        "train_injected": np.array([s.injected for s in task.train], dtype=bool),
        "threshold": np.array(threshold, dtype=np.float64),
    }
