"""The board of a run: what it is at, in a file of the store that others may read while it runs.

Each run keeps one file, ``live/<name>.json``, up to date: how many cells of each method it has
planned, stored, finished and lost, and which are in flight, since when and in which phase. Nothing
depends on boards; they may be deleted, and a run whose board cannot be written goes on.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ..datasets.owners import FOREIGN_AGE_S
from .boardkeys import DIGITS, left_of, read_bounded, replace_whole, sweep_keys, write_keys
from .cell import canonical_json
from .engines.base import Event
from .files import sha256
from .forecast import Forecast
from .machine import describe, is_dead
from .planned import PlannedCell
from .redact import redacted
from .store import Store
from .tuning import TuningTask

FOLDER = "live"
WRITE_EVERY_S = 1.0
BEAT_S = 5.0
# Boards of runs that have ended stay so long, for a watcher to see the end. One that has left cells
# stays for longer: it says how to go on.
KEEP_S = 3600.0


class Board:
    """Writes the board of this run; a context manager and an engine's listener.

    Parameters
    ----------
    store
        The store.
    planned
        All cells of the plan, each key once.
    pending
        Those that are still to run; where there are none, no board is written.
    title
        What is run, for people, e.g. ``"rad/table1"``.
    engine
        Name of the engine.
    forecast
        How long the rest will take; it is asked only.
    command
        What goes on with the run, to be typed; empty if that is not known. It is kept as it is: a
        secret must not be in it.
    """

    def __init__(
        self,
        store: Store,
        planned: Iterable[PlannedCell],
        pending: Iterable[PlannedCell],
        *,
        title: str,
        engine: str,
        forecast: Forecast | None = None,
        command: str = "",
    ) -> None:
        cells = {cell.key: cell.method.name for cell in planned}
        waiting = Counter(cell.method.name for cell in pending)
        total = Counter(cells.values())
        self._busy, self._keys = bool(waiting), tuple(cells)
        self._path = store.root / FOLDER / f"{uuid.uuid4().hex}.json"
        self._fixed = {
            "who": describe(),
            "plan": sha256(canonical_json(sorted(cells)).encode()),
            "title": title,
            "engine": engine,
            "command": command,
            "total": dict(total),
            "stored": {method: total[method] - waiting[method] for method in total},
        }
        self._done: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._forecast = forecast
        self._flying: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._start, self._wrote, self._count = time.monotonic(), 0.0, 0
        self._news = False
        self._pulse = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Board:
        folder, plan = self._path.parent, str(self._fixed["plan"])
        _sweep(folder, plan)
        if self._busy:
            write_keys(folder, plan, self._keys)
            self._write()
            self._pulse.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        if self._busy:
            self._pulse.join()
            self._write()

    def __call__(self, event: Event) -> None:
        """Take an engine's event."""
        with self._lock:
            self._take(event)
            self._news = True
        if time.monotonic() - self._wrote >= WRITE_EVERY_S:
            self._write()

    def _take(self, event: Event) -> None:
        name = event.task.label
        if event.kind in {"start", "stack"}:
            text = f"fitted together with {int(event.text) - 1} more" if event.text else ""
            self._flying[name] = {"label": name, "since": time.monotonic(), "text": text}
        elif event.kind == "progress" and name in self._flying:
            text = redacted(event.text)  # a method's own words
            self._flying[name] |= {"text": text, "fraction": round(event.fraction, 3)}
        elif event.kind == "stacked":
            self._flying.pop(name, None)
        elif event.kind in {"done", "failed"}:
            self._flying.pop(name, None)
            method = _method(event)
            count = self._done if event.kind == "done" else self._failed
            if isinstance(event.task, TuningTask):
                # A tuning is no cell; one that failed takes the cells along that wait for it.
                if event.kind == "failed":
                    self._failed[method] += len(event.task.identities)
                return
            count[method] += 1

    def _beat(self) -> None:
        while not self._end.wait(min(BEAT_S, WRITE_EVERY_S)):
            # What came too soon after the last picture to be written is written now.
            if self._news or time.monotonic() - self._wrote >= BEAT_S:
                self._write()

    def _write(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._wrote, self._news = now, False
            self._count += 1
            flying = [
                {name: value for name, value in one.items() if name != "since"}
                | {"age_s": round(now - one["since"], 1)}
                for one in self._flying.values()
            ]
            document = self._fixed | {
                "count": self._count,
                "elapsed_s": round(now - self._start, 1),
                "ended": self._end.is_set(),
                "done": dict(self._done),
                "failed": dict(self._failed),
                "left_s": self._forecast.seconds() if self._forecast else None,
                "flying": flying,
            }
            # Still under the lock: the picture that is written last is the latest.
            replace_whole(self._path, json.dumps(document).encode())


def _method(event: Event) -> str:
    task = event.task
    return task.planned.method if isinstance(task, TuningTask) else task.method


def _sweep(folder: Path, plan: str) -> None:
    """Remove boards of runs that have ended a while ago, and very old ones of whoever it was.

    What a run of ``plan`` had left that has ended is this run's affair now.
    """
    plans = {plan}
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError):
            board = _load(path)
            over = not board or board["ended"] or is_dead(board["who"])
            keep_s = KEEP_S if over and not (board and left([board])) else FOREIGN_AGE_S
            if over and board and board["plan"] == plan:
                keep_s = float("-inf")
            if time.time() - path.stat().st_mtime >= keep_s:
                path.unlink()
            elif board:
                plans.add(board["plan"])
    sweep_keys(folder, plans)


def read_boards(store: Store) -> list[dict[str, Any]]:
    """Return the boards in a store, those that can be read, with ``name``, ``live`` and ``here``.

    ``live`` is whether the run goes on, as far as can be seen from here: it has not said that it
    ended, and its process is not known to be dead. ``here`` is whether that can be told:
    of another machine's, one from before a restart and a hidden one only the board speaks.
    """
    found = []
    for path in sorted((store.root / FOLDER).glob("*.json")):
        board = _load(path)
        if board:
            dead = is_dead(board["who"])
            live = not board["ended"] and dead is not True
            found.append(board | {"name": path.stem, "live": live, "here": dead is not None})
    return found


def _load(path: Path) -> dict[str, Any]:
    """Return a board; empty where it is none, e.g. of another version."""
    try:
        board = json.loads(read_bounded(path))
        wanted = ("who", "plan", "title", "engine", "total", "stored", "count", "ended")
        wanted += ("done", "failed", "left_s", "flying", "elapsed_s")
        board = {name: board[name] for name in wanted} | {"command": str(board.get("command", ""))}
        bytes.fromhex(board["plan"])  # it names a file
        left([board])
        seconds_left([board | {"live": True}])
        return board
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def seconds_left(boards: Sequence[Mapping[str, Any]]) -> float | None:
    """Return how long the runs of one plan will take together; None where none can say.

    Each foresees the time that it would take alone.
    """
    alone = [board["left_s"] for board in boards if board["live"] and board["left_s"]]
    return 1 / sum(1 / seconds for seconds in alone) if alone else None


def counts(boards: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Return method → total, done and failed cells of the boards of one plan.

    Runs that share a plan hear of each other's cells, the one sooner than the other: the one that
    has heard most is right.
    """
    seen: dict[str, dict[str, int]] = {}
    for board in boards:
        for method, total in board["total"].items():
            one = seen.setdefault(method, {"total": total, "done": 0, "failed": 0})
            done = board["stored"].get(method, 0) + board["done"].get(method, 0)
            one["done"] = max(one["done"], done)
            one["failed"] = max(one["failed"], board["failed"].get(method, 0))
    return seen


def left(boards: Iterable[Mapping[str, Any]]) -> int:
    """Return how many cells the boards of one plan say are neither done nor failed."""
    seen = counts(boards).values()
    return sum(one["total"] - one["done"] - one["failed"] for one in seen)


def not_run(store: Store, board: Mapping[str, Any], settled: Iterable[str]) -> int | None:
    """Return how many cells of a board's plan have neither finished nor failed, whoever ran them.

    None where its keys are not kept, or cannot be read.

    Parameters
    ----------
    store
        The store.
    board
        One of the plan's.
    settled
        Keys of the store's cells that are done or have failed.
    """
    ran, total = {key[:DIGITS] for key in settled}, sum(board["total"].values())
    return left_of(store.root / FOLDER, board["plan"], ran, total)


def both(*listeners: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return a listener that passes an event to several, in their order."""

    def listen(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return listen
