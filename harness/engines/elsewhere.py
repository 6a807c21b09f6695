"""What other runs on the same store have done with a task in the meantime."""

from __future__ import annotations

from pathlib import Path

from ..store import Status, Store
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
    record = store.read(job.identity.key)
    if record.status is Status.DONE:
        return Event(kind="done", task=job, fraction=1.0, text=ELSEWHERE)
    if record.status is Status.FAILED:
        return Event(kind="failed", task=job, text=record.reason)
    return None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
