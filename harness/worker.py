"""A worker process: runs a group of cells that share features, and tells its parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets.errors import StoreError
from .fitting import Fits
from .grouping import by_training, stacks_of
from .redact import redacted
from .run_cell import run_cell
from .scoring import SharedScores
from .stacking import fit_stack
from .store import Failure
from .task import OUT_OF_MEMORY, Task, image_set
from .threads import compute_with_one_thread
from .tune import run_tuning
from .tuning import TuningTask

if TYPE_CHECKING:
    from ..datasets.images import ImageSet
    from ..methods.features import FeatureProvider

Tell = Callable[[str, int, float, str], None]
REPORT_EVERY_S = 0.5
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


class Stopped(BaseException):
    """The process was asked to end; the cell it was in has neither failed nor finished."""


def work(
    pipe: Connection,
    alive: Connection,
    output: Connection,
    tasks: Sequence[Task | TuningTask],
    stack: int,
    cache: Path,
    search_path: list[str],
) -> None:
    """Run a group of cells, or a tuning, in this process; the entry point of a local worker.

    Parameters
    ----------
    pipe
        What is told goes here, as tuples.
    alive
        Ends when the parent does.
    output
        Takes what anything below Python writes to standard output and error.
    tasks, stack, cache
        See `run_batch`.
    search_path
        The parent's ``sys.path``.
    """
    if os.name == "posix":
        os.setsid()  # a Ctrl+C in the terminal reaches the parent alone
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, _stop)
    threading.Thread(target=_die_with_parent, args=(alive,), daemon=True).start()
    sys.path[:] = search_path

    def tell(kind: str, index: int, fraction: float, text: str) -> None:
        pipe.send((kind, index, fraction, text))

    with contextlib.suppress(Stopped):
        run_batch(tasks, stack, cache, tell)


def _stop(_number: int, _frame: object) -> None:
    raise Stopped


def run_batch(tasks: Sequence[Task | TuningTask], stack: int, cache: Path, tell: Tell) -> None:
    """Run a group of cells, or a tuning, in this process, which should be a fresh one.

    Parameters
    ----------
    tasks
        Of one kind, one backbone and one device; results go to their store.
    stack
        How many cells may be fitted together.
    cache
        Folder of the frozen-feature cache.
    tell
        Called with an event's kind, the index of its task, a fraction and a text. Beside the kinds
        of `engines.base.Event`: ``oom``, a cell failed for lack of memory; ``fatal``, the store
        cannot be written, with which all ends.
    """
    import torch

    compute_with_one_thread()  # cores are used by cells side by side
    keep_freed_memory()
    from ..methods.features import FeatureProvider

    first = tasks[0]
    if first.device.startswith("cuda"):
        torch.cuda.set_device(first.device)  # for libraries that ask for "the" GPU
    scale = first.batch_scale if isinstance(first, Task) else 1.0
    features = FeatureProvider(first.backbone, first.device, cache, batch_scale=scale)
    cells = [task for task in tasks if isinstance(task, Task)]
    tunings = [task for task in tasks if isinstance(task, TuningTask)]
    if cells:
        features.expect(_images_of(cells))
    try:
        for index, task in enumerate(tunings):
            _run_one(tell, index, partial(run_tuning, task, features))
        _run_cells(tell, cells, stack, features)
    except StoreError as err:
        tell("fatal", 0, 0.0, str(err))


def _images_of(cells: Sequence[Task]) -> ImageSet:
    """Return every image of these cells once, for whoever works ahead."""
    samples = {s.sha256: s for task in cells for s in (*task.train, *task.test)}
    cell = cells[0]
    return image_set(tuple(samples.values()), cell.identity.cell.image_size, timed=cell.exclusive)


def _run_cells(tell: Tell, tasks: Sequence[Task], limit: int, features: FeatureProvider) -> None:
    """Run cells in their order; where some may be fitted together, that comes first."""
    fits, shared = Fits(), SharedScores()
    index = 0
    for stack in stacks_of(tasks, limit):
        if len(by_training(stack)) > 1:
            tell("stack", index, 0.0, str(len(stack)))
            fit_stack(stack, features, _reporter(tell, index), fits)
            tell("stacked", index, 1.0, str(len(stack)))
        shared.expect(stack)
        for task in stack:
            run = partial(run_cell, task, features, fits=fits, shared=shared)
            _run_one(tell, index, run)
            index += 1


def _run_one(
    tell: Tell, index: int, run: Callable[[Callable[[float, str], None]], Failure | None]
) -> None:
    """Run one task and tell how it went."""
    tell("start", index, 0.0, "")
    failure = run(_reporter(tell, index))
    if failure is None:
        tell("done", index, 1.0, "")
        return
    kind = "oom" if failure.kind == OUT_OF_MEMORY else "failed"
    told = f"{failure.kind} in {failure.phase}: {failure.message}"
    tell(kind, index, 1.0, redacted(told))  # a retry puts it in the row, a parent shows it


def _reporter(tell: Tell, index: int) -> Callable[[float, str], None]:
    """Return a progress callback that reports at most every half second."""
    last = 0.0

    def report(fraction: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_EVERY_S:
            last = now
            tell("progress", index, float(fraction), str(text))

    return report


def keep_freed_memory() -> bool:
    """Have glibc keep the memory of freed tensors; return whether it does.

    By default it hands every large block back to the kernel and asks for it again, page by page,
    which costs a network's forward pass on CPU as much time as its arithmetic.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False  # not glibc
    return bool(mallopt(M_MMAP_THRESHOLD, 2**30) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def _die_with_parent(alive: Connection) -> None:
    """End this process at once when the parent's end of the pipe closes."""
    with contextlib.suppress(EOFError, OSError):
        alive.recv()
    if os.name == "posix":
        os.killpg(os.getpid(), signal.SIGKILL)  # whatever the method started goes with it
    os._exit(1)
