"""A worker process of the local engine, as its parent sees it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ..machine import out_of_memory_kills
from ..mainmodule import main_left_alone
from ..processes import kill_group, ladder, signal_group
from ..worker import work
from .base import EngineOptions, Job

# Before the first cell begins: libraries are imported and a backbone may be loaded.
STARTUP_S = 120.0
# After the last cell has ended: threads that a method has left behind.
EXIT_S = 10.0
READ_BYTES = 65_536
TAIL_BYTES = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one process is given: tasks, and how many of them it may fit together."""

    tasks: Sequence[Job]
    stack: int = 1


@dataclass(slots=True, kw_only=True)
class Worker:
    """A running process.

    Attributes
    ----------
    batch, device
        What it was given.
    together
        Indices of the tasks that are in a stack at this moment.
    finished
        Indices of the tasks that it has told the end of.
    current
        Index of the task that it is in.
    deadline
        When it is to be sent the next signal, by the monotonic clock; None = never.
    overdue
        Index of the task that took too long; -1 = none did.
    tail
        The last of what was written below Python, e.g. by a library that aborts.
    mute
        Nobody can write there any more.
    """

    process: BaseProcess
    pipe: Connection
    alive: Connection
    output: Connection
    batch: Batch
    device: str
    options: EngineOptions
    kills_before: int
    together: range = range(0)
    finished: set[int] = field(default_factory=set)
    current: int = 0
    deadline: float | None = None
    overdue: int = -1
    pressed: int = 0
    tail: bytearray = field(default_factory=bytearray)
    mute: bool = False

    @property
    def left(self) -> list[int]:
        """Return the indices of the tasks that have not ended."""
        return [i for i in range(len(self.batch.tasks)) if i not in self.finished]

    def begin(self, index: int) -> None:
        """Note that a task has begun."""
        self.current = index
        self._allow(_share(self.batch.tasks[index]))

    def begin_stack(self, index: int, count: int) -> None:
        """Note that tasks are being fitted together."""
        self.current, self.together = index, range(index, index + count)
        self._allow(count)

    def end(self, index: int) -> None:
        """Note that a task has ended."""
        self.finished.add(index)
        if not self.left and not self.pressed:
            self.deadline = time.monotonic() + EXIT_S

    def _allow(self, cells: int) -> None:
        limit = self.options.timeout_s
        if not self.pressed:
            self.deadline = None if limit is None else time.monotonic() + cells * limit

    def press(self) -> None:
        """Send the next signal to a worker whose time is over."""
        if self.deadline is None or time.monotonic() < self.deadline:
            return
        if not self.pressed and self.left:
            self.overdue = self.current
        rungs = ladder()
        signal_group(self.process, rungs[min(self.pressed, len(rungs) - 1)])
        self.pressed += 1
        self.deadline = time.monotonic() + self.options.grace_s

    def read_output(self) -> bool:
        """Take what was written below Python; False if there is nothing at this moment."""
        try:
            data = os.read(self.output.fileno(), READ_BYTES)
            self.mute = not data
        except BlockingIOError:
            data = b""
        self.tail += data
        del self.tail[:-TAIL_BYTES]
        return bool(data)

    def close(self) -> None:
        """Reap the process and whatever it left running."""
        self.process.join(self.options.grace_s)
        kill_group(self.process)  # also one that has closed its pipe and goes on
        self.process.join()
        while self.read_output():
            pass
        for end in (self.pipe, self.alive, self.output):
            end.close()

    def cause(self) -> str:
        """Return by what an ended process ended."""
        if self.overdue >= 0:
            last = signal.Signals(ladder()[min(self.pressed, len(ladder())) - 1]).name
            return f"took longer than {self.options.timeout_s:g} s (--timeout), ended by {last}"
        return f"the worker process ended by {self._exit()}"

    def _exit(self) -> str:
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"

    def ran_out_of_memory(self) -> bool:
        """Say whether the kernel killed the process for lack of memory, where that can be told."""
        killed = self.process.exitcode == -getattr(signal, "SIGKILL", 9)
        return killed and not self.pressed and out_of_memory_kills() > self.kills_before

    def last_words(self) -> str:
        """Return the last line that was written below Python; empty if none."""
        lines = self.tail.decode("utf-8", "replace").split("\n")
        printable = ["".join(c for c in line if c.isprintable()).strip() for line in lines]
        return next((line[-200:] for line in reversed(printable) if line), "")


def _share(job: Job) -> int:
    """Return how many cells' time a task may take."""
    return len(job.identities)


def start_worker(context: Any, batch: Batch, device: str, options: EngineOptions) -> Worker:
    """Start a process on a batch whose tasks have been given their device."""
    pipe, theirs = context.Pipe(duplex=False)
    alive_theirs, alive = context.Pipe(duplex=False)
    output, output_theirs = context.Pipe(duplex=False)
    search_path = list(sys.path)
    process = context.Process(
        target=work,
        args=(
            theirs, alive_theirs, output_theirs, batch.tasks, batch.stack, options.cache,
            search_path,
        ),
    )  # fmt: skip
    kills = out_of_memory_kills()
    with main_left_alone():
        process.start()
    os.set_blocking(output.fileno(), False)
    for end in (theirs, alive_theirs, output_theirs):
        end.close()
    limit = options.timeout_s
    return Worker(
        process=process,
        pipe=pipe,
        alive=alive,
        output=output,
        batch=batch,
        device=device,
        options=options,
        kills_before=kills,
        deadline=None if limit is None else time.monotonic() + STARTUP_S + limit,
    )
