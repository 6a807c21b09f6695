"""What every engine is given and what it tells: one function, `RunTasks`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ...datasets.errors import CellError, UnknownNameError
from ..processes import Terminated
from ..task import Task
from ..tuning import TuningTask

__all__ = [
    "ENGINES",
    "PULLING",
    "SERVES",
    "EngineOptions",
    "Event",
    "Job",
    "RunTasks",
    "Terminated",
    "TooManyFailures",
    "load_engine",
]

Job = Task | TuningTask

# Name → module of this package; the module's `run_tasks` is the engine.
ENGINES = {"local": "local", "worker": "remote", "ray": "ray", "slurm": "slurm"}
# Engines whose work is done by `reproduce worker` from a request in the store.
PULLING = ("worker", "slurm")
# What such a worker calls itself where a run names its engine.
SERVES = "reproduce worker"


class TooManyFailures(CellError):  # noqa: N818 - a limit that the user has set
    """As many cells failed as ``--max-failures`` or ``--fail-fast`` allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How tasks are to be run; nothing in here may change a result.

    Attributes
    ----------
    cache
        Folder of the frozen-feature cache.
    jobs
        Processes side by side, of all devices together.
    devices
        Torch devices to share the processes between, e.g. ``("cuda:0", "cuda:1")``; a task is
        given one of them when it starts.
    stack
        How many cells may be fitted together, see `devices.stack_limit`.
    timeout_s
        Seconds that a cell may take before its process is ended and the cell has failed; None =
        no limit. Cells that are fitted together may take as much together, a tuning as much as
        the cells that wait for it.
    grace_s
        Seconds between the signals that end a process: SIGINT, SIGTERM, SIGKILL.
    max_failures
        Stop when so many cells have failed; 1 = at the first; None = go on.
    failed
        How many failed before, in the same run: its tunings and cells have one limit.
    retries
        How often a cell that ran out of memory is tried again, with half the batch each time.
    request
        Key of the request in the store (see `requests`), for engines in `PULLING`; else empty.
    alone
        Whether no other run shares the devices, as far as whoever gave them knows.
    worker_arguments
        What `reproduce worker` is to be given where an engine starts it: where data and weights
        lie, whether to stack.
    settings
        What ``--engine-option KEY=VALUE`` gave; each engine knows its own keys.
    """

    cache: Path
    jobs: int = 1
    devices: tuple[str, ...] = ("cpu",)
    stack: int = 1
    timeout_s: float | None = None
    grace_s: float = 5.0
    max_failures: int | None = None
    failed: int = 0
    retries: int = 1
    request: str = ""
    alone: bool = True
    worker_arguments: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def slots(self) -> tuple[str, ...]:
        """Return one device per process, all devices in turn: ``cuda:0, cuda:1, cuda:0, …``."""
        return tuple(self.devices[i % len(self.devices)] for i in range(self.jobs))

    def exclusive(self, device: str) -> bool:
        """Say whether a process has its device for itself, so that its timings mean something."""
        own = self.jobs == 1 if device == "cpu" else self.slots.count(device) == 1
        return own and self.alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a listener hears.

    Attributes
    ----------
    kind
        ``start``, ``progress``, ``done``, ``failed``; ``stack`` and ``stacked`` before and after
        cells are fitted together, of the first of them; ``note`` for what a person should know.
    text
        Of ``done``: empty, or by whom if another engine on the same store was quicker.
    """

    kind: str
    task: Job
    fraction: float = 0.0
    text: str = ""


class RunTasks(Protocol):
    """An engine: runs tasks of one store until each has a result or a failure there.

    Every task is told ``done`` or ``failed`` once, but for cells whose tuning has failed. Tunings
    come in a call before that of the cells; to engines in `PULLING` they come with them.

    Raises
    ------
    StoreError
        The store can no longer be written.
    TooManyFailures
        `EngineOptions.max_failures` was reached.
    KeyboardInterrupt, Terminated
        Asked to stop; what runs has been ended, finished cells are kept.
    """

    def __call__(  # noqa: D102 - see the class
        self, tasks: Sequence[Job], options: EngineOptions, listen: Callable[[Event], None]
    ) -> None: ...


def load_engine(name: str) -> RunTasks:
    """Return an engine by its name.

    Raises
    ------
    UnknownNameError
        No such engine.
    MissingExtraError
        It needs an optional dependency that is not installed.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    return importlib.import_module(f"{__package__}.{ENGINES[name]}").run_tasks
