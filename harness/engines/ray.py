"""The Ray engine: batches of cells as Ray tasks, on one machine or many, on GPUs or parts of them.

Ray says where a batch runs and which GPU it sees; inside its task the local engine runs the cells,
each batch in a process of its own. So a cell that crashes, hangs or runs out of memory is that
cell's failure here as there, and Ray starts a batch again only where its own process or machine is
lost. Results are published by the processes that made them, into a folder that all machines share;
this process only listens. If it dies, Ray forgets the queue and the store does not: the same
command again goes on.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...datasets.errors import StoreError, UsageError
from ..grouping import group_tasks
from ..store import Store
from ..task import Task
from ..tuning import TuningTask
from .base import EngineOptions, Event, Job
from .elsewhere import Trace, news, trace
from .limits import FailureLimit
from .ray_packing import Packing
from .ray_runtime import TIMING, Needs, RaySettings, require_ray, require_room, runtime
from .ray_task import mailbox_class, run_batch
from .retry import record
from .stopping import terminate_as_exception

LOOK_EVERY_S = 2.0


@dataclass(slots=True, kw_only=True)
class Flight:
    """A batch that Ray has been given.

    Attributes
    ----------
    traces
        What lay in the store of each task when the batch was submitted.
    needs
        What Ray sets aside for it.
    heard
        Tasks, by index, of which done or failed was told.
    """

    number: int
    tasks: list[Job]
    traces: list[Trace]
    needs: Needs
    heard: set[int] = field(default_factory=set)


def run_tasks(
    tasks: Sequence[Job], options: EngineOptions, listen: Callable[[Event], None]
) -> None:
    """Run tasks on Ray until all are done or failed; see `base.RunTasks`.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    UsageError
        No runtime, or none with what a process needs.
    """
    require_ray()
    settings = RaySettings.parse(options.settings)
    if not tasks:
        return
    gpus = len({device for device in options.devices if device.startswith("cuda")})
    with terminate_as_exception(), runtime(settings, jobs=options.jobs, gpus=gpus) as ray:
        _Driver(ray, settings, options, listen, on_gpu=gpus > 0).run(tasks)


class _Driver:
    """Gives Ray as many batches as fit, and listens."""

    def __init__(
        self,
        ray: Any,
        settings: RaySettings,
        options: EngineOptions,
        listen: Callable[[Event], None],
        *,
        on_gpu: bool,
    ) -> None:
        self._ray, self._settings, self._options = ray, settings, options
        self._listen, self._limit = listen, FailureLimit(options)
        self._packing = Packing(settings.gpu_fraction, whole=settings.timing)
        self._on_gpu = on_gpu
        # Of a cluster that was joined its room is the limit, on GPUs the shares of them are.
        self._most = None if on_gpu or settings.address else options.jobs
        self._numbers = itertools.count()
        self._flights: dict[Any, Flight] = {}
        self._by_number: dict[int, Flight] = {}
        # A GPU is shown to a process when it starts: one that ran a batch is of no use on another.
        calls = 1 if on_gpu else 0
        self._function = ray.remote(max_calls=calls, retry_exceptions=False)(run_batch)

    def run(self, tasks: Sequence[Job]) -> None:
        require_room(self._ray, self._needs(tasks[0]))
        waiting = deque(self._batches(tasks))
        here = self._ray.get_runtime_context().get_node_id()
        self._mail = mailbox_class(self._ray, here).remote()
        news = self._mail.take.remote()
        try:
            while waiting or self._flights:
                self._submit(waiting)
                watched = [news, *self._flights]
                ready, _ = self._ray.wait(watched, timeout=LOOK_EVERY_S)
                if news in ready:
                    for message in self._ray.get(news):
                        self._hear(*message)
                    news = self._mail.take.remote()
                for ref in [ref for ref in ready if ref is not news and ref in self._flights]:
                    waiting.extendleft(reversed(self._land(ref)))
        finally:
            self._stop()

    def _batches(self, tasks: Iterable[Job]) -> list[list[Job]]:
        """Return what is given to one process each: a tuning, or cells that share features."""
        cells = [task for task in tasks if isinstance(task, Task)]
        total = self._ray.cluster_resources()
        slots = total.get("CPU", 0) / self._settings.cpus
        if self._on_gpu:
            slots = min(slots, total.get("GPU", 0) / (self._settings.gpu_fraction or 1))
        if self._most is not None:
            slots = min(slots, self._most)
        groups = group_tasks(cells, max(1, int(slots)), self._options.stack)
        tunings: list[list[Job]] = [[task] for task in tasks if isinstance(task, TuningTask)]
        return tunings + [list[Job](group) for group in groups]

    def _needs(self, task: Job) -> Needs:
        share = self._packing.share(_method(task)) if self._on_gpu else 0.0
        return Needs(cpus=self._settings.cpus, gpus=share, timing=self._settings.timing)

    def _submit(self, waiting: deque[list[Job]]) -> None:
        """Give Ray what the cluster has room for.

        What waits, waits here: so it is started in our order, and with the share of a GPU that
        has been measured by then.
        """
        left = dict(self._ray.cluster_resources())
        for flight in self._flights.values():
            left = flight.needs.taken_from(left)
        while waiting:
            needs = self._needs(waiting[0][0])
            full = self._most is not None and len(self._flights) >= self._most
            if full or (self._flights and not needs.fits(left)):
                return
            require_room(self._ray, needs)
            tasks = waiting.popleft()
            flight = Flight(
                number=next(self._numbers),
                tasks=tasks,
                traces=[trace(Store(task.store), task) for task in tasks],
                needs=needs,
            )
            left = needs.taken_from(left)
            self._start(flight)

    def _start(self, flight: Flight) -> None:
        needs = flight.needs
        # What else runs on the machines of a cluster that was joined cannot be known.
        single = self._most == 1
        alone = needs.gpus >= 1 or needs.timing or single
        inside = replace(
            self._options,
            jobs=1,
            devices=("cuda:0",) if self._on_gpu else ("cpu",),
            alone=alone,
            max_failures=None,
        )
        ref = self._function.options(
            num_cpus=needs.cpus,
            num_gpus=needs.gpus,
            resources={TIMING: 1} if needs.timing else None,
            max_retries=self._settings.retries,
        ).remote(flight.number, flight.tasks, flight.traces, inside, os.getcwd(), self._mail)
        self._flights[ref] = self._by_number[flight.number] = flight

    def _hear(self, number: int, kind: str, index: int, fraction: float, text: str) -> None:
        """Pass on what a batch tells; what its second start repeats is heard once."""
        flight = self._by_number[number]
        task = flight.tasks[index]
        if kind == "memory":
            self._packing.device_mb = float(text)
            return
        if index in flight.heard:
            return
        if kind in {"done", "failed"}:
            flight.heard.add(index)
        if kind == "done" and self._on_gpu and isinstance(task, Task):
            row = Store(task.store).read(task.identity.key).row or {}
            self._packing.measured(_method(task), row, needed=flight.needs.gpus)
        self._tell(Event(kind=kind, task=task, fraction=fraction, text=text))

    def _tell(self, event: Event) -> None:
        self._listen(event)
        self._limit.take(event)

    def _land(self, ref: Any) -> list[list[Job]]:
        """Take what a batch returned; return what is left to run of one that was lost."""
        flight = self._flights.pop(ref)
        errors = self._ray.exceptions
        try:
            outcome = self._ray.get(ref)
        except errors.RayTaskError as err:
            cause = (str(err.cause).strip() or type(err.cause).__name__).splitlines()[0]
            raise UsageError(f"--engine ray: a process could not begin: {cause}") from err
        except errors.RayError as err:
            return self._lost(flight, type(err).__name__)
        if outcome.fatal:
            raise StoreError(outcome.fatal)
        for kind, index, text in outcome.events:
            self._hear(flight.number, kind, index, 1.0, text)
        return []

    def _lost(self, flight: Flight, what: str) -> list[list[Job]]:
        """Blame the task that a lost process was in; return the others that it had not finished."""
        left = []
        for index, (task, before) in enumerate(zip(flight.tasks, flight.traces, strict=True)):
            if index in flight.heard:
                continue
            if event := news(Store(task.store), task, before):
                self._hear(flight.number, event.kind, index, 1.0, event.text)
            else:
                left.append(index)
        if not left:
            return []
        victim = flight.tasks[left[0]]
        times = self._settings.retries + 1
        text = f"its Ray process was lost ({what}), {times} time{'s' * (times > 1)}"
        flight.heard.add(left[0])
        self._tell(record(victim, Store(victim.store), text, kind="crash"))
        return [[flight.tasks[i] for i in left[1:]]] if left[1:] else []

    def _stop(self) -> None:
        """End what still runs, in an orderly way first."""
        refs = list(self._flights)
        for ref in refs:
            self._ray.cancel(ref, force=False)
        if refs:
            patience = 3 * self._options.grace_s + 1
            _, alive = self._ray.wait(refs, num_returns=len(refs), timeout=patience)
            for ref in alive:
                self._ray.cancel(ref, force=True)
        self._ray.kill(self._mail)


def _method(task: Job) -> str:
    return task.method if isinstance(task, Task) else task.planned.method
