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

from .engine import Event

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
    """

    def __init__(self, total: int, stored: int, *, quiet: bool, console: Console) -> None:
        self.failures: list[str] = []
        self._total, self._stored, self._ran = total, stored, 0
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
            self._console.print(told, soft_wrap=True)
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
        label = event.task.identity.cell.label()
        if event.kind in {"done", "failed"}:
            self._ran += 1
        if event.kind == "failed":
            self.failures.append(f"{label}: {event.text}")
            if not self._quiet:
                line = f"failed {label}: {event.text}"
                self._console.print(line, markup=False, style="red", soft_wrap=True)
        if self._bar is not None and self._line is not None:
            text = f"{label} {event.text}" if event.kind == "progress" else label
            self._bar.update(self._line, completed=self._ran, description=text)
        elif not self._quiet:
            self._say_plainly()

    def _say_plainly(self) -> None:
        """Write a line with the count and the expected rest, now and then and at the end."""
        now, left = time.monotonic(), self._total - self._stored - self._ran
        if (now - self._spoke < PLAIN_EVERY_S and left) or not self._ran:
            return
        self._spoke = now
        rate = (now - self._start) / self._ran
        done = self._stored + self._ran
        rest = f", about {duration(rate * left)} left" if left else ""
        self._console.print(f"{done} of {plural(self._total)}{rest}")


def plural(cells: int) -> str:
    """Return a count of cells for people."""
    return "1 cell" if cells == 1 else f"{cells} cells"


def duration(seconds: float) -> str:
    """Return a time span for people: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
