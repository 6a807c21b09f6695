"""The worker engine: a request lies in the store, `reproduce worker` elsewhere does the work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ...datasets.errors import StoreError
from ..progress import plural
from ..store import Store
from ..task import Task
from ..tuning import TuningTask
from .base import EngineOptions, Event, Job
from .elsewhere import claim_key, news
from .limits import FailureLimit
from .stopping import terminate_as_exception

LOOK_EVERY_S = 1.0


def run_tasks(
    tasks: Sequence[Job], options: EngineOptions, listen: Callable[[Event], None]
) -> None:
    """Wait until workers have run all tasks; see `base.RunTasks`."""
    with terminate_as_exception():
        watch(tasks, options, listen)


def worker_command(store: Store, options: EngineOptions) -> list[str]:
    """Return the command that runs a request's cells on a machine that shares this one's folders.

    Parameters
    ----------
    store
        The store that has the request.
    options
        Has the request's key, the number of processes and where data lie.
    """
    command = [sys.executable, "-m", "adrepro.harness.cli", "worker"]
    command += ["--store", str(store.root.absolute()), "--request", options.request]
    return [*command, "--jobs", str(options.jobs), *options.worker_arguments]


def watch(
    tasks: Sequence[Job],
    options: EngineOptions,
    listen: Callable[[Event], None],
    alive: Callable[[], str] = lambda: "",
) -> None:
    """Tell what the store says of tasks until each has ended.

    Parameters
    ----------
    tasks, options, listen
        As for any engine; a request of these tasks lies in the store, and none of them had a
        recorded failure when it was written.
    alive
        Called now and then; returns why nobody will run what is left, or nothing.

    Raises
    ------
    StoreError
        Nobody will run what is left.
    TooManyFailures
        The limit was reached; workers are not stopped by that.
    """
    limit = FailureLimit(options)
    left = {claim_key(task): task for task in tasks}
    while left:
        ended = alive()  # asked first: what the last worker published is still seen
        for key, task in list(left.items()):
            event = _news(task, left) if key in left else None
            if event is not None:
                del left[key]
                if event.kind == "failed" and isinstance(event.task, TuningTask):
                    for identity in event.task.identities:  # they failed with it
                        del left[identity.key]
                listen(event)
                limit.take(event)
        if left and ended:
            cells = sum(isinstance(task, Task) for task in left.values())
            was = "was" if cells == 1 else "were"
            raise StoreError(f"{plural(cells)} {was} not run: {ended}")
        if left:
            time.sleep(LOOK_EVERY_S)


def _news(task: Job, left: Mapping[str, Job]) -> Event | None:
    """Return how a task ended, a tuning with those of its cells that have not been told of yet.

    The failures of its cells are written one after the other, so that some may have been.
    """
    event = news(Store(task.store), task, ())
    if not isinstance(task, TuningTask) or (event is not None and event.kind == "done"):
        return event
    waiting = tuple(identity for identity in task.identities if identity.key in left)
    if event is None and waiting:
        return None
    text = "its cells have failed" if event is None else event.text
    return Event(kind="failed", task=replace(task, identities=waiting), text=text)
