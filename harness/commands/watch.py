"""``reproduce status --watch``: the runs on a store as they go on, from another terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...datasets.plain import indented
from ..board import counts, read_boards, seconds_left
from ..claims import LEASE_S
from ..engines.base import PULLING, SERVES
from ..progress import duration
from ..store import Store
from ..storefolder import MARK

# A run elsewhere whose board stands still for longer is said to be silent.
SILENT_S = 30.0
MOST_FLYING = 20

Boards = list[dict[str, Any]]


def awaited(root: Path, console: Console, every_s: float) -> Store:
    """Open a store; one that is not there yet is waited for, until a run has begun on it.

    Raises
    ------
    StoreError
        A folder that holds other things.
    """
    if (root / MARK).is_file() or (root.exists() and not _is_empty(root)):
        return Store(root)
    line = f"no store at {root} yet: waiting for a run to begin on it"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    while not (root / MARK).is_file():
        time.sleep(every_s)
    store = Store(root)
    while not read_boards(store):
        time.sleep(every_s)
    return store


def watch(store: Store, console: Console, every_s: float) -> int | None:
    """Show the runs on a store until none goes on: live on a terminal, else as snapshots.

    Parameters
    ----------
    store
        The store.
    console
        Where to write.
    every_s
        Seconds between two looks.

    Returns
    -------
    int
        0 if every planned cell was done when the runs ended, else 1; None if no run is at work.
    """
    seen = _Seen(time.monotonic)
    boards = alive = [board for board in read_boards(store) if board["live"]]
    if not alive:
        console.print(f"no run is at work on {store.root}", markup=False, highlight=False)
        return None
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for boards, silent in _looks(store, alive, every_s, seen):
                live.update(render(boards, silent), refresh=True)
    else:
        for boards, silent in _looks(store, alive, every_s, seen):
            console.print(render(boards, silent), soft_wrap=True)
    left, failed = (sum(_totals(group)[i] for group in by_plan(boards)) for i in (2, 1))
    fell_silent = any(not (board["ended"] or board["here"]) for board in boards)
    line = f"all runs have ended{' or fallen silent' * fell_silent}: "
    line += f"{failed} failed, {left} not run" if failed or left else "everything is done"
    console.print(line, highlight=False)
    return 1 if failed or left else 0


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None


def _looks(
    store: Store, boards: Boards, every_s: float, seen: _Seen
) -> Iterator[tuple[Boards, dict[str, float]]]:
    """Yield the boards of runs that were seen alive, and for how long each has stood still.

    The last look is at runs that have all ended, or that cannot be asked and have fallen silent. A
    run that begins meanwhile joins. One whose board is gone, or cannot be read, at two looks has
    ended: at a single one a network folder may be at fault.
    """
    known = {board["name"]: board for board in boards}
    missing: set[str] = set()
    while True:
        silent = seen.silent(list(known.values()))
        for name, board in known.items():
            if not board["here"] and silent[name] > LEASE_S:
                known[name] = board | {"live": False}
        yield list(known.values()), silent
        if not any(board["live"] for board in known.values()):
            return
        time.sleep(every_s)
        fresh = {board["name"]: board for board in read_boards(store)}
        for name in known.keys() - fresh.keys() & missing:
            known[name] |= {"live": False}
        missing = set(known.keys() - fresh.keys())
        known |= {name: one for name, one in fresh.items() if name in known or one["live"]}


class _Seen:
    """Says how long boards have stood still, by this process's own clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, tuple[int, float]] = {}

    def silent(self, boards: Boards) -> dict[str, float]:
        """Return name → seconds since the board was last seen to change."""
        now, found = self._clock(), {}
        for board in boards:
            count, since = self._last.get(board["name"], (-1, now))
            if count != board["count"]:
                since = now
            self._last[board["name"]] = (board["count"], since)
            found[board["name"]] = now - since
        return found


def by_plan(boards: Boards) -> list[Boards]:
    """Put the boards of one plan together: several runs may share it."""
    ordered = sorted(boards, key=lambda board: board["plan"])
    return [list(group) for _, group in groupby(ordered, key=lambda board: board["plan"])]


def _totals(boards: Boards) -> tuple[int, int, int]:
    """Return how many cells of a plan are done, failed and left."""
    each = counts(boards).values()
    done, failed = sum(c["done"] for c in each), sum(c["failed"] for c in each)
    return done, failed, max(0, sum(c["total"] for c in each) - done - failed)


def render(boards: Boards, silent: Mapping[str, float]) -> RenderableType:
    """Return what is shown of the boards.

    Parameters
    ----------
    boards
        As `read_boards` returns them.
    silent
        Name of a board → seconds for which it has stood still.
    """
    parts: list[RenderableType] = []
    for group in by_plan(boards):
        parts += [_heading(group), _methods(group), *_runs(group, silent)]
    return Group(*parts)


def _heading(boards: Boards) -> Text:
    done, failed, left = _totals(boards)
    total = done + failed + left
    line = f"{boards[0]['title']}: {done} of {total} cells done"
    line += f", {failed} failed" if failed else ""
    if left:
        seconds = seconds_left(boards)
        line += f", {left} left"
        line += f", about {duration(seconds)}" if seconds is not None else ""
    return _text(line, style="bold")


def _methods(boards: Boards) -> Table:
    flying = [one["label"] for board in boards if board["live"] for one in board["flying"]]
    table = Table("method", "done", "running", "failed", "pending", box=None, pad_edge=False)
    for method, count in counts(boards).items():
        running = sum(label.startswith(f"{method}/") for label in flying)
        pending = count["total"] - count["done"] - count["failed"] - running
        numbers = (count["done"], running, count["failed"], max(0, pending))
        table.add_row(_text(method), *(str(number) for number in numbers))
    return table


def _runs(boards: Boards, silent: Mapping[str, float]) -> Iterator[Text]:
    """Yield a line per run and per cell in flight."""
    served = any(board["live"] and board["engine"] == SERVES for board in boards)
    for board in boards:
        who = f"process {board['who'].get('pid')} on {board['who'].get('host')}"
        state = _state(board, served=served) if board["live"] else "ended"
        quiet = silent.get(board["name"], 0.0)
        if board["live"] and quiet > SILENT_S:
            state += f", no sign for {duration(quiet)}"
        yield _text(f"{board['engine']}, {who}: {state}")
        if not board["live"]:
            continue
        for one in board["flying"][:MOST_FLYING]:
            share = f"{one['fraction']:.0%} " if one.get("fraction") else ""
            text = f"  {one['label']}  {share}{one['text']}".rstrip()
            yield _text(f"{text}  ({duration(one['age_s'] + quiet)})")
        if len(board["flying"]) > MOST_FLYING:
            yield _text(f"  and {len(board['flying']) - MOST_FLYING} more")


def _state(board: Mapping[str, Any], *, served: bool) -> str:
    """Say what a run is at; ``served`` is whether a worker is at work on its plan."""
    if served and board["engine"] in PULLING:
        return "its cells are run by workers"
    doing = "waiting for workers" if board["engine"] in PULLING else "at work"
    return f"{doing} for {duration(board['elapsed_s'])}"


def _text(line: str, style: str = "") -> Text:
    """Return text as it stands, without what would steer a terminal: methods may say anything."""
    return Text(indented(line), style)
