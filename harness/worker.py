"""A worker process: runs a group of cells that share features, and tells its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from ..datasets.errors import StoreError
from .run import Task, run_cell

REPORT_EVERY_S = 0.5


def work(
    pipe: Connection,
    alive: Connection,
    tasks: list[Task],
    cache: Path,
    search_path: list[str],
) -> None:
    """Run a group of cells in this process; the entry point of a worker."""
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
    from ..methods.features import FeatureProvider

    features = FeatureProvider(tasks[0].backbone, tasks[0].device, cache)
    for index, task in enumerate(tasks):
        pipe.send(("start", index, 0.0, ""))
        try:
            failure = run_cell(task, features, _reporter(pipe, index))
        except StoreError as err:
            pipe.send(("fatal", index, 0.0, str(err)))
            return
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


def _die_with_parent(alive: Connection) -> None:
    """End this process at once when the parent's end of the pipe closes."""
    with contextlib.suppress(EOFError, OSError):
        alive.recv()
    if os.name == "posix":
        os.killpg(os.getpid(), signal.SIGKILL)  # whatever the method started goes with it
    os._exit(1)
