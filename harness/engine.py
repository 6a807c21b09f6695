"""The local engine: one process per group of cells that share features, a few side by side.

The parent only starts processes and listens. Results are published by the workers themselves, so a
parent that dies loses nothing but the cells in flight, and a worker that dies (crash, out of
memory) costs the one cell it was in: the rest of its group goes to a fresh process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ..datasets.errors import AdreproError, StoreError
from .run import Task
from .store import Failure, Store
from .worker import work

PRELOAD = ["torch", "timm", "FrEIA.framework", "scipy.ndimage", "adrepro.harness.run"]
KILL_AFTER_S = 5.0


class Terminated(AdreproError):  # noqa: N818 - it is a request, not an error
    """The run was asked to stop by SIGTERM."""

    exit_code = 143


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a listener hears: ``kind`` is ``start``, ``progress``, ``done`` or ``failed``."""

    kind: str
    task: Task
    fraction: float = 0.0
    text: str = ""


@dataclass(slots=True, kw_only=True)
class Worker:
    """A running process and the tasks it was given."""

    process: BaseProcess
    pipe: Connection
    alive: Connection
    tasks: list[Task]
    current: int = -1
    finished: set[int] = field(default_factory=set)


def group_tasks(tasks: Sequence[Task], jobs: int) -> list[list[Task]]:
    """Put tasks that share features together, in chunks small enough to keep all jobs busy."""

    def shared(task: Task) -> tuple[Any, ...]:
        cell = task.identity.cell
        return (cell.method, cell.dataset, cell.category, cell.backbone, cell.image_size)

    chunk = max(1, -(-len(tasks) // max(1, jobs)))
    groups = []
    for _, members in groupby(sorted(tasks, key=lambda t: tuple(map(str, shared(t)))), key=shared):
        listed = list(members)
        groups += [listed[i : i + chunk] for i in range(0, len(listed), chunk)]
    return groups


def run_tasks(
    tasks: Sequence[Task],
    *,
    jobs: int,
    cache: Path,
    listen: Callable[[Event], None],
) -> None:
    """Run tasks in worker processes until all are done or failed.

    Parameters
    ----------
    tasks
        Cells to run, all of one store.
    jobs
        Processes side by side, one thread each.
    cache
        Folder of the frozen-feature cache.
    listen
        Called in this process for every event.

    Raises
    ------
    StoreError
        The store can no longer be written.
    KeyboardInterrupt, Terminated
        Asked to stop; workers are ended, finished cells are kept.
    """
    if not tasks:
        return
    store = Store(tasks[0].store)
    groups = group_tasks(tasks, jobs)
    # The cheapest schedule that keeps the processes evenly busy: long groups first.
    waiting: deque[list[Task]] = deque(sorted(groups, key=len, reverse=True))
    running: list[Worker] = []
    context = _context()
    with _terminate_as_exception():
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    running.append(_start(context, waiting.popleft(), cache))
                _listen_once(running, waiting, store, listen)
        finally:
            _stop_all(running)


def _context() -> Any:
    """Return a process context whose workers start clean and fast.

    A fork server that has imported the heavy libraries once (and run nothing) gives a worker in
    milliseconds; where there is none, workers are spawned.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def _start(context: Any, tasks: list[Task], cache: Path) -> Worker:
    pipe, theirs = context.Pipe(duplex=False)
    alive_theirs, alive = context.Pipe(duplex=False)
    arguments = (theirs, alive_theirs, tasks, cache, list(sys.path))
    process = context.Process(target=work, args=arguments)
    process.start()
    theirs.close()
    alive_theirs.close()
    return Worker(process=process, pipe=pipe, alive=alive, tasks=tasks)


def _listen_once(
    running: list[Worker],
    waiting: deque[list[Task]],
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
            rest = _bury(worker, store, listen)
            if rest:
                waiting.appendleft(rest)
            continue
        if kind == "fatal":
            raise StoreError(text)
        worker.current = index
        if kind in {"done", "failed"}:
            worker.finished.add(index)
        listen(Event(kind=kind, task=worker.tasks[index], fraction=fraction, text=text))


def _bury(worker: Worker, store: Store, listen: Callable[[Event], None]) -> list[Task]:
    """Reap an ended worker; blame the cell it was in, return those it had not begun."""
    worker.process.join()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        _kill_group(worker.process)
    worker.pipe.close()
    worker.alive.close()
    left = [i for i in range(len(worker.tasks)) if i not in worker.finished]
    if not left:
        return []
    code = worker.process.exitcode
    cause = f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
    victim = worker.tasks[left[0]]
    text = f"the worker process ended by {cause}"
    failure = Failure(kind="crash", message=text, phase="run")
    store.write_failure(victim.identity, failure)
    listen(Event(kind="failed", task=victim, text=f"crash: {text}"))
    return [worker.tasks[i] for i in left[1:]]


def _stop_all(workers: list[Worker]) -> None:
    """End workers and everything they started: ask first, then kill."""
    for sign in (signal.SIGTERM, signal.SIGKILL if os.name == "posix" else signal.SIGTERM):
        for worker in workers:
            if worker.process.is_alive():
                with contextlib.suppress(ProcessLookupError, PermissionError, OSError):
                    _signal_group(worker.process, sign)
        deadline = time.monotonic() + KILL_AFTER_S
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))


def _kill_group(process: BaseProcess) -> None:
    """Kill what an ended worker left running; it led a process group of its own."""
    if os.name == "posix" and process.pid is not None:
        os.killpg(process.pid, signal.SIGKILL)


def _signal_group(process: BaseProcess, sign: int) -> None:
    pid = process.pid
    if pid is None:
        return
    if os.name == "posix" and os.getpgid(pid) == pid:
        os.killpg(pid, sign)
    else:
        os.kill(pid, sign)


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
