"""The local engine: one process per group of cells that share features, a few side by side.

The parent only starts processes and listens. Results are published by the workers themselves, so a
parent that dies loses nothing but the cells in flight, and a worker that dies (crash, out of
memory) costs the one cell it was in: the rest of its group goes to a fresh process. Cells that are
fitted together are in flight together, until the first of them is published; if their worker dies
while it fits them, they are fitted one by one. Tunings run in the same way, before the cells that
need them; one that fails or dies takes these cells along and no others.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ...datasets.errors import StoreError
from ..grouping import group_tasks
from ..processes import kill_group, process_context, stop_all
from ..store import Failure, Store
from ..task import Task
from ..tuning import TuningTask
from ..worker import work
from .base import EngineOptions, Event, Job, Terminated


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one process is given: tasks, and how many of them it may fit together."""

    tasks: Sequence[Job]
    stack: int = 1


@dataclass(slots=True, kw_only=True)
class Worker:
    """A running process and the batch it was given; ``together`` are in a stack at this moment."""

    process: BaseProcess
    pipe: Connection
    alive: Connection
    batch: Batch
    together: range = range(0)
    finished: set[int] = field(default_factory=set)


def run_tasks(
    tasks: Sequence[Job], options: EngineOptions, listen: Callable[[Event], None]
) -> None:
    """Run tasks in worker processes until all are done or failed; see `base.RunTasks`."""
    cells = [task for task in tasks if isinstance(task, Task)]
    tunings = [task for task in tasks if isinstance(task, TuningTask)]
    # The cheapest schedule that keeps the processes evenly busy: long groups first.
    groups = sorted(group_tasks(cells, options.jobs, options.stack), key=len, reverse=True)
    batches = [Batch(tasks=[task]) for task in tunings]
    batches += [Batch(tasks=group, stack=options.stack) for group in groups]
    _run(batches, options.jobs, options.cache, listen)


def _run(batches: Sequence[Batch], jobs: int, cache: Path, listen: Callable[[Event], None]) -> None:
    if not batches:
        return
    store = Store(batches[0].tasks[0].store)
    waiting = deque(batches)
    running: list[Worker] = []
    context = process_context()
    with _terminate_as_exception():
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    running.append(_start(context, waiting.popleft(), cache))
                _listen_once(running, waiting, store, listen)
        finally:
            stop_all([worker.process for worker in running])


def _start(context: Any, batch: Batch, cache: Path) -> Worker:
    pipe, theirs = context.Pipe(duplex=False)
    alive_theirs, alive = context.Pipe(duplex=False)
    arguments = (theirs, alive_theirs, batch.tasks, batch.stack, cache, list(sys.path))
    process = context.Process(target=work, args=arguments)
    process.start()
    theirs.close()
    alive_theirs.close()
    return Worker(process=process, pipe=pipe, alive=alive, batch=batch)


def _listen_once(
    running: list[Worker],
    waiting: deque[Batch],
    store: Store,
    listen: Callable[[Event], None],
) -> None:
    """Wait for news from any worker and act on it."""
    # A worker that died may have left a child that keeps the pipe open: its end is watched too.
    watched = [end for w in running for end in (w.pipe, w.process.sentinel)]
    ready = set(wait(watched, timeout=1.0))
    for worker in [w for w in running if {w.pipe, w.process.sentinel} & ready]:
        try:
            if not worker.pipe.poll():
                raise EOFError
            kind, index, fraction, text = worker.pipe.recv()
        except (EOFError, OSError):
            running.remove(worker)
            waiting.extendleft(reversed(_bury(worker, store, listen)))
            continue
        if kind == "fatal":
            raise StoreError(text)
        if kind in {"done", "failed"}:
            worker.finished.add(index)
        elif kind == "stack":
            worker.together = range(index, index + int(text))
        elif kind == "stacked":
            worker.together = range(0)
        listen(Event(kind=kind, task=worker.batch.tasks[index], fraction=fraction, text=text))


def _bury(worker: Worker, store: Store, listen: Callable[[Event], None]) -> list[Batch]:
    """Reap an ended worker; blame the task it was in, return what it had not begun."""
    worker.process.join()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        kill_group(worker.process)
    worker.pipe.close()
    worker.alive.close()
    tasks, stack = worker.batch.tasks, worker.batch.stack
    left = [i for i in range(len(tasks)) if i not in worker.finished]
    if not left:
        return []
    code = worker.process.exitcode
    cause = f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
    text = f"the worker process ended by {cause}"
    if worker.together:
        return _part_stack(worker, text, listen)
    victim = tasks[left[0]]
    failure = Failure(kind="crash", message=text, phase=victim.crash_phase)
    for identity in victim.identities:
        store.write_failure(identity, failure)
    listen(Event(kind="failed", task=victim, text=f"crash in {failure.phase}: {text}"))
    return [Batch(tasks=[tasks[i] for i in left[1:]], stack=stack)] if left[1:] else []


def _part_stack(worker: Worker, cause: str, listen: Callable[[Event], None]) -> list[Batch]:
    """Return what a dead worker had left: the cells it was fitting together to be fitted alone."""
    tasks, together = worker.batch.tasks, worker.together
    text = f"{cause} while it fitted {len(together)} cells together: fitted alone"
    listen(Event(kind="note", task=tasks[together.start], text=text))
    stacked = [task for i in together if isinstance(task := tasks[i], Task)]
    alone = Batch(tasks=[replace(task, warnings=(text,)) for task in stacked])
    rest = Batch(tasks=tasks[together.stop :], stack=worker.batch.stack)
    return [batch for batch in (alone, rest) if batch.tasks]


@contextlib.contextmanager
def _terminate_as_exception() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that workers are ended in an orderly way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise Terminated("terminated; finished cells are kept, run the same command to go on")

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
