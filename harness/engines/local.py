"""The local engine: one process per group of cells that share features, a few side by side.

The parent only starts processes and listens. Results are published by the workers themselves, so a
parent that dies loses nothing but the cells in flight, and a worker that dies (crash, timeout, out
of memory) costs the one cell it was in: the rest of its group goes to a fresh process. Cells that
are fitted together are in flight together, until the first of them is published; if their worker
dies while it fits them, they are fitted one by one. Tunings run in the same way, before the cells
that need them; one that fails or dies takes these cells along and no others.

Each cell is claimed in the store before it starts: several runs on one store share the work, and
whoever is done first waits for the rest, ready to take it over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

from ...datasets.errors import StoreError
from ..claims import Claims
from ..grouping import group_tasks
from ..processes import process_context, stop_all
from ..store import Store
from ..task import Task
from ..tuning import TuningTask
from .base import EngineOptions, Event, Job
from .elsewhere import Trace, claim_key, news, trace
from .limits import FailureLimit
from .retry import may_try_again, next_try, out_of_memory, record
from .stopping import terminate_as_exception
from .workers import Batch, Worker, start_worker

LOOK_EVERY_S = 1.0


def run_tasks(
    tasks: Sequence[Job], options: EngineOptions, listen: Callable[[Event], None]
) -> None:
    """Run tasks in worker processes until all are done or failed; see `base.RunTasks`."""
    if not tasks:
        return
    cells = [task for task in tasks if isinstance(task, Task)]
    batches = [Batch(tasks=[task]) for task in tasks if isinstance(task, TuningTask)]
    groups = group_tasks(cells, options.jobs, options.stack)
    batches += [Batch(tasks=group, stack=options.stack) for group in groups]
    store = Store(tasks[0].store)
    with Claims(store) as claims, terminate_as_exception():
        _Run(batches, options, listen, store, claims).run()


class _Run:
    """One call of the engine."""

    def __init__(
        self,
        batches: Sequence[Batch],
        options: EngineOptions,
        listen: Callable[[Event], None],
        store: Store,
        claims: Claims,
    ) -> None:
        self._waiting = deque(batches)
        self._options, self._listen, self._store = options, listen, store
        self._claims, self._limit = claims, FailureLimit(options)
        self._free = list(reversed(options.slots))
        self._running: list[Worker] = []
        self._aside: list[Batch] = []  # at work elsewhere
        self._traces: dict[str, Trace] = {
            claim_key(task): trace(store, task) for batch in batches for task in batch.tasks
        }
        self._looked = time.monotonic()
        self._context: Any = process_context()

    def run(self) -> None:
        """Run everything; end all workers if anything stops it."""
        try:
            while self._waiting or self._running or self._aside:
                while self._waiting and self._free:
                    self._start(self._waiting.popleft())
                if not self._waiting and time.monotonic() - self._looked >= LOOK_EVERY_S:
                    self._look_aside()
                self._listen_once()
        finally:
            stop_all([worker.process for worker in self._running], self._options.grace_s)

    def _start(self, batch: Batch) -> None:
        """Start what nobody else is at or has done; put the rest aside."""
        mine: list[Job] = []
        others: list[Job] = []
        for task in batch.tasks:
            if not self._claims.take(claim_key(task)):
                others.append(task)
            elif (event := news(self._store, task, self._traces[claim_key(task)])) is not None:
                self._tell(event)
            else:
                mine.append(task)
        if others:
            self._aside.append(replace(batch, tasks=others))
        if mine:
            device = self._free.pop()
            alone = self._options.exclusive(device)
            # Another run that starts later marks its own cells; this one's current keep their mark.
            alone = alone and not (device == "cpu" and self._claims.others_here())
            given = [self._given(task, device, exclusive=alone) for task in mine]
            worker = start_worker(self._context, replace(batch, tasks=given), device, self._options)
            self._running.append(worker)

    def _given(self, task: Job, device: str, *, exclusive: bool) -> Job:
        """Return a task as a worker is to run it."""
        if isinstance(task, TuningTask):
            return replace(task, device=device, exclusive=exclusive)
        again = may_try_again(task, self._options)
        return replace(task, device=device, exclusive=exclusive, tried_again=again)

    def _look_aside(self) -> None:
        """See what became of tasks that others were at; what they have dropped is to run."""
        self._looked = time.monotonic()
        aside, self._aside = self._aside, []
        for batch in aside:
            left = []
            for task in batch.tasks:
                event = news(self._store, task, self._traces[claim_key(task)])
                if event is None:
                    left.append(task)
                else:
                    self._tell(event)
            if left and self._free:
                self._start(replace(batch, tasks=left))
            elif left:
                self._aside.append(replace(batch, tasks=left))

    def _listen_once(self) -> None:
        """Wait for news from any worker and act on it."""
        # A worker that died may have left a child that keeps the pipe open: its end is watched too.
        ends = [end for w in self._running for end in (w.pipe, w.process.sentinel)]
        ends += [w.output for w in self._running if not w.mute]
        ready = set(wait(ends, timeout=self._patience())) if ends else set()
        if not ends:
            time.sleep(self._patience())
        for worker in list(self._running):
            worker.press()
            if worker.output in ready:
                worker.read_output()
            if {worker.pipe, worker.process.sentinel} & ready:
                self._hear(worker)

    def _patience(self) -> float:
        """Return for how long nothing has to be done unless a worker tells something."""
        now = time.monotonic()
        due = [w.deadline - now for w in self._running if w.deadline is not None]
        return max(0.01, min([LOOK_EVERY_S, *due]))

    def _hear(self, worker: Worker) -> None:
        try:
            if not worker.pipe.poll():
                raise EOFError
            kind, index, fraction, text = worker.pipe.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        task = worker.batch.tasks[index]
        if kind == "fatal":
            raise StoreError(text)
        if kind == "start":
            worker.begin(index)
        elif kind == "stack":
            worker.begin_stack(index, int(text))
        elif kind == "stacked":
            worker.together = range(0)
        elif kind in {"done", "failed", "oom"}:
            worker.end(index)
        if kind == "oom":
            self._try_again(task, text, Event(kind="failed", task=task, text=text))
        else:
            self._tell(Event(kind=kind, task=task, fraction=fraction, text=text))

    def _try_again(self, task: Job, text: str, failed: Event) -> None:
        """Put a task that ran out of memory back with half the batch, or let it have failed."""
        again = next_try(task, text, self._options)
        if again is None:
            self._tell(failed)
            return
        self._traces[claim_key(task)] = trace(self._store, task)
        self._listen(Event(kind="note", task=task, text=again.warnings[-1]))
        self._waiting.append(Batch(tasks=[again]))

    def _tell(self, event: Event) -> None:
        """Pass an event on; let go of the claim of a task that has ended."""
        self._listen(event)
        if event.kind in {"done", "failed"}:
            self._claims.release(claim_key(event.task))
        self._limit.take(event)

    def _bury(self, worker: Worker) -> None:
        """Reap an ended worker; blame the task it was in, take back what it had not begun."""
        worker.close()
        self._running.remove(worker)
        self._free.append(worker.device)
        left = worker.left
        if not left:
            return
        tasks, text = worker.batch.tasks, worker.cause()
        if worker.together:
            self._part_stack(worker, text)
            return
        if worker.overdue in worker.finished:  # it was done just as its time was over
            self._waiting.appendleft(replace(worker.batch, tasks=[tasks[i] for i in left]))
            return
        blamed = worker.current if worker.current in left else left[0]
        rest = [tasks[i] for i in left if i != blamed]
        if rest:
            self._waiting.appendleft(replace(worker.batch, tasks=rest))
        self._blame(worker, tasks[blamed], text)

    def _blame(self, worker: Worker, task: Job, text: str) -> None:
        """Write down the failure of the task whose worker died in it, and tell."""
        if said := worker.last_words():
            text += f" ({said})"
        published = news(self._store, task, self._traces[claim_key(task)])
        if published is not None and published.kind == "done":
            self._tell(replace(published, text=""))  # it died between publishing and telling
        elif worker.overdue >= 0:
            self._tell(record(task, self._store, text, kind="timeout"))
        elif worker.ran_out_of_memory():
            failed = out_of_memory(task, self._store, text, self._options)
            self._try_again(task, failed.text, failed)
        else:
            self._tell(record(task, self._store, text, kind="crash"))

    def _part_stack(self, worker: Worker, cause: str) -> None:
        """Take back what a dead worker had left: what it fitted together is to be fitted alone."""
        tasks, together = worker.batch.tasks, worker.together
        text = f"{cause} while it fitted {len(together)} cells together: fitted alone"
        self._listen(Event(kind="note", task=tasks[together.start], text=text))
        stacked = [task for i in together if isinstance(task := tasks[i], Task)]
        alone = [replace(task, warnings=(*task.warnings, text)) for task in stacked]
        rest = tasks[together.stop :]
        if rest:
            self._waiting.appendleft(replace(worker.batch, tasks=rest))
        self._waiting.appendleft(Batch(tasks=alone))
