"""What the benchmarks share: taking turns, rows, and the machine they were measured on.

A benchmark is a module ``bench_NAME.py`` beside this one. With a function ``rows(given) ->
list[Row]`` it measures in the runner's own process; without one it is a script of its own, and its
exit code is the row.
"""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NOT_INSTALLED = "peer not installed: pip install 'adrepro[bench]'"
PATIENCE = 120.0  # seconds; a slow peer has one turn rather than three
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "timm", "torchvision", "pillow")
PEERS = ("anomalib", "torchmetrics", "ADEval", "faiss-cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What every benchmark is given.

    Attributes
    ----------
    threads
        Threads of both sides.
    repeats
        How often each side runs at most, see `race`.
    data
        Folder with ``mvtec_ad`` in it, or None where there are no real images.
    quick
        Smaller inputs and fewer repeats: shows that it runs; the figures are no result.
    """

    threads: int
    repeats: int
    data: Path | None = None
    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a ratio against a peer, measured in one run.

    Attributes
    ----------
    bench, what, peer
        The benchmark, what was done, and who else did it.
    ours_s, peer_s
        Seconds of each turn; empty where a side did not run.
    goal
        The ratio that is aimed at; None where the row only informs.
    ours, peers
        Name → value of the results of both sides.
    tolerance
        How far these may differ; None where they are not the same quantity.
    one_sided
        Only a result of ours that is *lower* counts as different.
    passed
        The verdict of a script that has no ratio.
    note
        Why there is no ratio, or what to know about it.
    """

    bench: str
    what: str
    peer: str
    ours_s: tuple[float, ...] = ()
    peer_s: tuple[float, ...] = ()
    goal: float | None = None
    ours: dict[str, float] = field(default_factory=dict)
    peers: dict[str, float] = field(default_factory=dict)
    tolerance: float | None = None
    one_sided: bool = False
    passed: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster than the peer, by the medians; None without both."""
        if not self.ours_s or not self.peer_s:
            return None
        return median(self.peer_s) / median(self.ours_s)

    @property
    def agrees(self) -> bool | None:
        """Whether both sides found the same; None where that was not asked or one did not run."""
        shared = self.ours.keys() & self.peers.keys()
        if self.tolerance is None or not (self.ours_s and self.peer_s):
            return None
        if not shared:
            return False  # two sides that have nothing to compare were not found to agree
        gaps = [self.peers[name] - self.ours[name] for name in shared]
        return all((gap if self.one_sided else abs(gap)) <= self.tolerance for gap in gaps)

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached with the results agreeing; None where there is none."""
        if self.passed is not None:
            return self.passed
        if self.goal is None:
            return self.agrees  # nothing to reach, but differing results are a failure
        if self.ratio is None:
            return None
        return self.ratio >= self.goal and self.agrees is not False


def race(repeats: int, *runs: Callable[[], Any]) -> tuple[list[tuple[float, ...]], list[Any]]:
    """Let the runs take turns; return the seconds of every turn of each, and its last value.

    No further round begins once `PATIENCE` seconds have gone by.
    """
    seconds: list[list[float]] = [[] for _ in runs]
    values: list[Any] = [None] * len(runs)
    begun = perf_counter()
    for _ in range(repeats):
        for index, run in enumerate(runs):
            start = perf_counter()
            values[index] = run()
            seconds[index].append(perf_counter() - start)
        if perf_counter() - begun > PATIENCE:
            break
    return [tuple(taken) for taken in seconds], values


Side = Callable[[], Any]


def duel(
    given: Given,
    *,
    ours: Side,
    peer: Side | None,
    name: str,
    judge: Callable[[Any], dict[str, float]] = dict,
    **about: Any,
) -> Row:
    """Let both sides take turns and return the row.

    Parameters
    ----------
    given
        How often.
    ours, peer
        What is timed; None for a peer that is not installed: ours runs alone and the row says so.
    name
        The peer's.
    judge
        Turns what a side returns into results by name, outside the time.
    about
        The row's other fields: ``bench``, ``what``, ``goal``, ``tolerance`` …
    """
    sides = (ours,) if peer is None else (ours, peer)
    seconds, values = race(given.repeats, *sides)
    found = [judge(value) for value in values]
    if peer is None:
        row = Row(peer=name, ours_s=seconds[0], ours=found[0], **(about | {"note": NOT_INSTALLED}))
    else:
        both = {"ours": found[0], "peers": found[1]}
        row = Row(peer=name, ours_s=seconds[0], peer_s=seconds[1], **both, **about)
    turns = [
        ", ".join(f"{taken:.2f}" for taken in side) or "–" for side in (row.ours_s, row.peer_s)
    ]
    print(f"{row.what} | {name}: {turns[0]} s | {turns[1]} s", file=sys.stderr, flush=True)
    return row


def installed(*modules: str) -> bool:
    """Return whether all of these can be imported."""
    return all(find_spec(name) is not None for name in modules)


def peer_module(name: str) -> Any:
    """Import a module of a peer, which type checkers need not find."""
    return importlib.import_module(name)


def commit() -> str:
    """Return the short name of the commit, with a ``+`` where files differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + (
        "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    )


def machine(threads: int) -> dict[str, Any]:
    """Describe the machine and the versions of what was measured."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "load_before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*PACKAGES, *PEERS)},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
