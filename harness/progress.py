"""What a person sees while cells run: a bar with ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from importlib.util import find_spec
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
)

from ..datasets.plain import one_line
from .engines.base import Event
from .forecast import Forecast, kind_of
from .task import Task
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
    forecast
        Judges how long the rest will take; learns from every cell that finishes.
    """

    def __init__(
        self,
        total: int,
        stored: int,
        *,
        quiet: bool,
        console: Console,
        tunings: int = 0,
        forecast: Forecast | None = None,
    ) -> None:
        self._forecast = forecast
        self._begun: dict[str, float] = {}
        self._shares: dict[object, float] = {}
        self.failures: list[str] = []
        self._tunings, self._tuned = tunings, 0
        self._total, self._stored, self._ran = total, stored, 0
        self._quiet, self._console = quiet, console
        self._spoke = time.monotonic()
        self._bar: Progress | None = None
        self._line: TaskID | None = None
        if _can_draw(console) and not quiet:
            bar = self._bar = Progress(
                SpinnerColumn(),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}", markup=False),
                TextColumn("{task.description}", markup=False),
                console=console,
                transient=True,
            )
            self._line = bar.add_task("", total=total - stored, left="")

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
        if kind is not None:
            done, left = self._ran - len(self.failures), self._total - self._stored - self._ran
            failed = f", {len(self.failures)} failed" if self.failures else ""
            self._tell(f"stopped: {plural(done)} done{failed}, {left} left")

    def __call__(self, event: Event) -> None:
        """Take an engine's event."""
        label = event.task.label
        if isinstance(event.task, TuningTask):
            self._take_tuning(event, event.task)
        else:
            self._take_cell(event, event.task)
        if event.kind == "failed":
            self.failures.append(f"{label}: {event.text}")
            self._tell(f"failed {label}: {event.text}", style="red")
        elif event.kind == "note":
            self._tell(f"note: {label}: {event.text}")
        self._show(event, label)

    def _take_cell(self, event: Event, task: Task) -> None:
        """Count a cell, and learn from the time it took."""
        now, key, kind = time.monotonic(), task.identity.key, kind_of(task.identity.cell)
        if event.kind in {"start", "stack"}:
            self._begun[key] = now
        elif event.kind == "stacked" and key in self._begun:
            self._shares[kind] = (now - self._begun.pop(key)) / int(event.text)
        elif event.kind in {"done", "failed"}:
            self._ran += 1
            begun = self._begun.pop(key, None)
            if self._forecast is None:
                return
            self._forecast.end(task.identity.cell)
            if begun is not None and event.kind == "done":
                self._forecast.add(kind, now - begun + self._shares.get(kind, 0.0))

    def _take_tuning(self, event: Event, task: TuningTask) -> None:
        """Count a tuning; one that failed takes the cells along that wait for it."""
        if event.kind == "failed":
            self._ran += len(task.identities)
        elif event.kind == "done":
            self._tuned += 1
            self._tell(f"{self._tuned} of {plural(self._tunings, 'tuning')}: {task.label}")

    def _tell(self, line: str, style: str | None = None) -> None:
        if not self._quiet:
            shown = one_line(line)
            self._console.print(shown, markup=False, highlight=False, style=style, soft_wrap=True)

    def _show(self, event: Event, label: str) -> None:
        """Bring the bar, or the plain lines, up to date."""
        if self._bar is not None and self._line is not None:
            text = f"{label} {event.text}" if event.kind == "progress" else label
            text = f"{label} and others: fitted together" if event.kind == "stack" else text
            self._bar.update(
                self._line, completed=self._ran, description=text, left=self._rest(" left")
            )
        elif not self._quiet:
            self._say_plainly()

    def _say_plainly(self) -> None:
        """Write a line with the count and the expected rest, now and then and at the end."""
        now, left = time.monotonic(), self._total - self._stored - self._ran
        if (now - self._spoke < PLAIN_EVERY_S and left) or not self._ran:
            return
        self._spoke = now
        done = self._stored + self._ran
        rest = self._rest(" left") if left else ""
        self._console.print(f"{done} of {plural(self._total)}{rest and ', ' + rest}")

    def _rest(self, behind: str) -> str:
        """Return the expected rest, for people; empty where nothing is known yet."""
        seconds = self._forecast.seconds() if self._forecast else None
        return "" if seconds is None else f"about {duration(seconds)}{behind}"


def _can_draw(console: Console) -> bool:
    """Tell whether a moving bar can be shown: on a terminal, or in a notebook with widgets."""
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)


def plural(count: int, what: str = "cell", many: str = "") -> str:
    """Return a count for people: ``1 cell``, ``3 cells``; ``many`` where it is not ``what`` + s."""
    return f"1 {what}" if count == 1 else f"{count} {many or what + 's'}"


def duration(seconds: float) -> str:
    """Return a time span for people: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
