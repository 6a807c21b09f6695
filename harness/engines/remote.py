"""The worker engine: a request lies in the store, `reproduce worker` elsewhere does the work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from ...datasets.errors import StoreError
from ..store import Store
from ..tuning import TuningTask
from .base import EngineOptions, Event, Job
from .elsewhere import claim_key, news
from .limits import FailureLimit

LOOK_EVERY_S = 1.0


def run_tasks(
    tasks: Sequence[Job], options: EngineOptions, listen: Callable[[Event], None]
) -> None:
    """Wait until workers have run all tasks; see `base.RunTasks`."""
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
            event = news(Store(task.store), task, ())
            if event is not None and key in left:
                del left[key]
                if event.kind == "failed" and isinstance(task, TuningTask):
                    for identity in task.identities:  # they failed with it, and are told of so
                        left.pop(identity.key, None)
                listen(event)
                limit.take(event)
        if left and ended:
            raise StoreError(f"{len(left)} cells were not run: {ended}")
        if left:
            time.sleep(LOOK_EVERY_S)
