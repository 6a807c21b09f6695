"""What becomes of a cell that ran out of memory or whose process died."""

from __future__ import annotations

from dataclasses import replace

from ..store import Failure, Store
from ..task import OUT_OF_MEMORY, Task
from .base import EngineOptions, Event, Job


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
    if not isinstance(task, Task) or task.batch_scale <= 0.5**options.retries:
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
    failure = Failure(
        kind=kind,
        message=text,
        phase=job.crash_phase,
        batch_scale=job.batch_scale if isinstance(job, Task) else 1.0,
    )
    for identity in job.identities:
        store.write_failure(identity, failure)
    return Event(kind="failed", task=job, text=f"{kind} in {failure.phase}: {text}")


def record_out_of_memory(job: Job, store: Store, text: str) -> Event:
    """Write that a process was ended by the system for lack of memory."""
    return record(job, store, text, kind=OUT_OF_MEMORY)
