"""What a person sees while cells run: a bar with ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .engines.base import Event
from .tuning import TuningTask

PLAIN_EVERY_S = 10.0


class RunProgress:
    """Shows how far a run is; a context manager and an engine listener.

    Parameters
    ----------
    total
        Cells of the plan.
    stored
        Cells whose result is already in the store.
    quiet
        Show nothing.
    console
        Where to write; stderr, so that stdout carries the table alone.
    tunings
        Tunings that run before the cells.
    """

    def __init__(
        self, total: int, stored: int, *, quiet: bool, console: Console, tunings: int = 0
    ) -> None:
        self.failures: list[str] = []
        self._tunings, self._tuned = tunings, 0
        self._total, self._stored, self._ran, self._fitted = total, stored, 0, 0
        self._quiet, self._console = quiet, console
        self._start = self._spoke = time.monotonic()
        self._bar: Progress | None = None
        self._line: TaskID | None = None
        if console.is_terminal and not quiet:
            bar = self._bar = Progress(
                SpinnerColumn(),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.description}", markup=False),
                console=console,
                transient=True,
            )
            self._line = bar.add_task("", total=total - stored)

    def __enter__(self) -> RunProgress:
        if self._bar:
            self._bar.start()
        if not self._quiet and self._total > self._stored:
            new = self._total - self._stored
            told = f"{plural(self._total)}: {self._stored} in the store, {new} to run"
            first = f", after {plural(self._tunings, 'tuning')}" if self._tunings else ""
            self._console.print(told + first, soft_wrap=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Take an engine's event."""
        label = event.task.label
        if isinstance(event.task, TuningTask):
            self._take_tuning(event, event.task)
        elif event.kind in {"done", "failed"}:
            self._ran += 1
            self._fitted = max(0, self._fitted - 1)
        elif event.kind == "stacked":
            self._fitted += int(event.text)
        if event.kind == "failed":
            self.failures.append(f"{label}: {event.text}")
            self._tell(f"failed {label}: {event.text}", style="red")
        elif event.kind == "note":
            self._tell(f"note: {label}: {event.text}")
        self._show(event, label)

    def _take_tuning(self, event: Event, task: TuningTask) -> None:
        """Count a tuning; one that failed takes the cells along that wait for it."""
        # What is left of the cells is not guessed from the time that tunings take.
        self._start = time.monotonic()
        if event.kind == "failed":
            self._ran += len(task.identities)
        elif event.kind == "done":
            self._tuned += 1
            self._tell(f"{self._tuned} of {plural(self._tunings, 'tuning')}: {task.label}")

    def _tell(self, line: str, style: str | None = None) -> None:
        if not self._quiet:
            self._console.print(line, markup=False, highlight=False, style=style, soft_wrap=True)

    def _show(self, event: Event, label: str) -> None:
        """Bring the bar, or the plain lines, up to date."""
        if self._bar is not None and self._line is not None:
            text = f"{label} {event.text}" if event.kind == "progress" else label
            text = f"{label} and others: fitted together" if event.kind == "stack" else text
            self._bar.update(self._line, completed=self._ran, description=text)
        elif not self._quiet:
            self._say_plainly()

    def _say_plainly(self) -> None:
        """Write a line with the count and the expected rest, now and then and at the end."""
        now, left = time.monotonic(), self._total - self._stored - self._ran
        if (now - self._spoke < PLAIN_EVERY_S and left) or not self._ran:
            return
        self._spoke = now
        # Of cells that were fitted together, the first to end has not taken the time of all.
        rate = (now - self._start) / (self._ran + self._fitted)
        done = self._stored + self._ran
        rest = f", about {duration(rate * left)} left" if left else ""
        self._console.print(f"{done} of {plural(self._total)}{rest}")


def plural(count: int, what: str = "cell") -> str:
    """Return a count for people: ``1 cell``, ``3 cells``."""
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def duration(seconds: float) -> str:
    """Return a time span for people: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
