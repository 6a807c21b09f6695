"""Progress bars on standard error for the ``data`` commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..console import make_console


@contextmanager
def file_progress() -> Iterator[Callable[[int, int], None]]:
    """Show how many files are done, on a terminal only; yields ``tick(done, total)``."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=make_console(stderr=True), transient=True)
    with _bar(bar, "scanning") as tick:
        yield tick


@contextmanager
def byte_progress() -> Iterator[Callable[[int, int | None], None]]:
    """Show bytes and speed, on a terminal only; yields ``tick(done, total or None)``."""
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, console=make_console(stderr=True), transient=True)
    with _bar(bar, "fetching") as tick:
        yield tick


@contextmanager
def _bar(progress: Any, title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on a terminal from the first tick on: before it, a question may be asked."""
    if not progress.console.is_terminal:
        yield lambda _done, _total: None
        return
    task: list[Any] = []

    def tick(done: int, total: int | None) -> None:
        if not task:
            progress.start()
            task.append(progress.add_task(title, total=total))
        progress.update(task[0], completed=done, total=total)

    try:
        yield tick
    finally:
        progress.stop()
