"""What becomes of a cell that ran out of memory or whose process died."""

from __future__ import annotations

from dataclasses import replace

from ..store import Failure, Store
from ..task import OUT_OF_MEMORY, Task
from .base import EngineOptions, Event, Job


def may_try_again(task: Task, options: EngineOptions) -> bool:
    """Say whether a cell is to be tried again if it runs out of memory now."""
    return task.batch_scale > 0.5**options.retries


def next_try(task: Job, text: str, options: EngineOptions) -> Task | None:
    """Return a cell that ran out of memory as it is to be tried again, in a fresh process.

    Half the batch is what the method scores, and what its backbone is given, at once. Training
    batches are the paper's and stay: with others it would be another method.

    Parameters
    ----------
    task
        What ran out of memory.
    text
        How that showed itself; the new task's row tells of it.

    Returns
    -------
    Task or None
        None where it has been tried often enough, and for tunings, which train only.
    """
    if not isinstance(task, Task) or not may_try_again(task, options):
        return None
    scale = task.batch_scale / 2
    told = f"{text}: tried again with batches of {scale:g} times the size"
    return replace(task, batch_scale=scale, warnings=(*task.warnings, told))


def record(job: Job, store: Store, text: str, *, kind: str) -> Event:
    """Write that a task failed without its process saying so; return the event to tell.

    Parameters
    ----------
    kind
        ``crash``, ``timeout`` or `OUT_OF_MEMORY`.
    """
    failure = _failure(job, text, kind)
    for identity in job.identities:
        store.write_failure(identity, failure)
    return _told(job, failure)


def out_of_memory(job: Job, store: Store, text: str, options: EngineOptions) -> Event:
    """Return what to tell, if that was the last try, of a process that was ended for its memory.

    It is written down as a failure only where the task is not tried again.
    """
    if isinstance(job, Task) and may_try_again(job, options):
        return _told(job, _failure(job, text, OUT_OF_MEMORY))
    return record(job, store, text, kind=OUT_OF_MEMORY)


def _failure(job: Job, text: str, kind: str) -> Failure:
    scale = job.batch_scale if isinstance(job, Task) else 1.0
    return Failure(kind=kind, message=text, phase=job.crash_phase, batch_scale=scale)


def _told(job: Job, failure: Failure) -> Event:
    text = f"{failure.kind} in {failure.phase}: {failure.message}"
    return Event(kind="failed", task=job, text=text)
