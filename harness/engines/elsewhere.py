"""What other runs on the same store have done with a task in the meantime."""

from __future__ import annotations

from pathlib import Path

from ..store import Record, Status, Store
from ..task import Task
from ..tuned import read_tuned
from ..tuning import TuningTask
from .base import Event, Job

ELSEWHERE = "by another run on this store"
Trace = tuple[object, ...]


def claim_key(job: Job) -> str:
    """Return the name under which a task is claimed."""
    return job.planned.key if isinstance(job, TuningTask) else job.identity.key


def trace(store: Store, job: Job) -> Trace:
    """Return what tells whether anybody has published anything of a task since."""
    found: list[object] = [
        _stamp(store.folder(identity.key) / name)
        for identity in job.identities
        for name in ("result.json", "failure.json")
    ]
    if isinstance(job, TuningTask):
        found.append(_stamp(store.tuning / f"{job.planned.key}.json"))
    return tuple(found)


def news(store: Store, job: Job, before: Trace) -> Event | None:
    """Return how a task ended elsewhere since a trace was taken; None if it did not."""
    if trace(store, job) == before:
        return None
    if isinstance(job, TuningTask):
        if read_tuned(store, job.planned.key) is not None:
            return Event(kind="done", task=job, fraction=1.0, text=ELSEWHERE)
        records = [store.read(identity.key) for identity in job.identities]
        failed = [r for r in records if r.status is Status.FAILED]
        if len(failed) == len(records):
            return Event(kind="failed", task=job, text=failed[0].reason)
        return None
    record = _record(store, job, before)
    if record.status is Status.DONE:
        return Event(kind="done", task=job, fraction=1.0, text=ELSEWHERE)
    if record.status is Status.FAILED:
        return Event(kind="failed", task=job, text=record.reason)
    return None


def _record(store: Store, job: Task, before: Trace) -> Record:
    """Return what the store says of a cell since a trace.

    A result that is damaged or lacks the maps that are wanted is run again, and a failure of that
    lies beside it.
    """
    key = job.identity.key
    record = store.read(key)
    again = record.status is Status.DAMAGED
    again |= record.status is Status.DONE and _lacks_maps(store, job)
    if not again:
        return record
    if _stamp(store.folder(key) / "failure.json") in before[1:2]:
        return Record(key=key, status=Status.PENDING)
    return store.read_failure(key)


def _lacks_maps(store: Store, job: Task) -> bool:
    """Say whether a cell has no maps and is to have them."""
    from ...methods.registry import method_class

    if not job.keep_maps or store.has(job.identity.key, "maps.npz"):
        return False
    if job.scores is not None:
        return job.scores.has_maps
    return method_class(job.method)(job.settings).localises


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
