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
from .run import run_cell
from .scoring import SharedScores
from .stacking import fit_stack
from .store import Failure
from .task import Task
from .tune import run_tuning
from .tuning import TuningTask

if TYPE_CHECKING:
    from ..methods.features import FeatureProvider

REPORT_EVERY_S = 0.5
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def work(
    pipe: Connection,
    alive: Connection,
    tasks: Sequence[Task | TuningTask],
    stack: int,
    cache: Path,
    search_path: list[str],
) -> None:
    """Run a group of cells, or a tuning, in this process; the entry point of a worker."""
    if os.name == "posix":
        os.setsid()  # a Ctrl+C in the terminal reaches the parent alone
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, args=(alive,), daemon=True).start()
    sys.path[:] = search_path
    import torch

    # Sums depend on how many threads share them: with a number that followed from the jobs, the
    # same cell would give other bytes under another --jobs.
    torch.set_num_threads(1)
    keep_freed_memory()
    from ..methods.features import FeatureProvider

    features = FeatureProvider(tasks[0].backbone, tasks[0].device, cache)
    cells = [task for task in tasks if isinstance(task, Task)]
    tunings = [task for task in tasks if isinstance(task, TuningTask)]
    try:
        for index, task in enumerate(tunings):
            _run_one(pipe, index, partial(run_tuning, task, features))
        _run_cells(pipe, cells, stack, features)
    except StoreError as err:
        pipe.send(("fatal", 0, 0.0, str(err)))


def _run_cells(
    pipe: Connection, tasks: Sequence[Task], limit: int, features: FeatureProvider
) -> None:
    """Run cells in their order; where some may be fitted together, that comes first."""
    fits, shared = Fits(), SharedScores()
    index = 0
    for stack in stacks_of(tasks, limit):
        if len(by_training(stack)) > 1:
            pipe.send(("stack", index, 0.0, str(len(stack))))
            fit_stack(stack, features, _reporter(pipe, index), fits)
            pipe.send(("stacked", index, 1.0, str(len(stack))))
        shared.expect(stack)
        for task in stack:
            run = partial(run_cell, task, features, fits=fits, shared=shared)
            _run_one(pipe, index, run)
            index += 1


def _run_one(
    pipe: Connection,
    index: int,
    run: Callable[[Callable[[float, str], None]], Failure | None],
) -> None:
    """Run one task and tell how it went."""
    pipe.send(("start", index, 0.0, ""))
    failure = run(_reporter(pipe, index))
    if failure is None:
        pipe.send(("done", index, 1.0, ""))
    else:
        text = f"{failure.kind} in {failure.phase}: {failure.message}"
        pipe.send(("failed", index, 1.0, text))


def _reporter(pipe: Connection, index: int) -> Callable[[float, str], None]:
    """Return a progress callback that reports at most every half second."""
    last = 0.0

    def report(fraction: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_EVERY_S:
            last = now
            pipe.send(("progress", index, float(fraction), str(text)))

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
