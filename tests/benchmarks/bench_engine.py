"""Time what a cell costs beside its method: many trivial cells through the engines.

    python tests/benchmarks/bench_engine.py --cells 300

The method is a toy that takes the mean of tiny images; what it takes by its own clock (fit and
score) is taken off. Costs are given per cell: wall time, and user and system time of all processes.
Starting (imports, fork server, scan) is measured by a run of one cell and taken off as well.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

CATEGORIES, LEVELS = ("bottle", "screw"), (0, 10, 20, 30, 40, 50)
PR_SET_CHILD_SUBREAPER = 36  # of sys/prctl.h
# What a cell may cost in all processes together, in milliseconds; see docs/speed.md.
GOALS = {"local, 1 job": 60.0, "local, 2 jobs": 60.0, "worker": 100.0}


def grid(folder: Path, seeds: int, categories: str) -> list[str]:
    """Return the command-line options that name the cells."""
    return [
        "-m", "toys:PixelMean", "-d", "mvtec_ad", "-c", categories, "--seeds", str(seeds),
        "--noise", ",".join(map(str, LEVELS)), "--data-root", str(folder / "data"),
        "--quiet",
    ]  # fmt: skip


def timed(lines: list[list[str]], requests: Path | None = None) -> tuple[float, float]:
    """Run `reproduce` commands side by side; return wall and CPU seconds of all they started.

    All but the first start once ``requests`` holds something.
    """
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    adopt_orphans()
    before, start = os.times(), time.monotonic()
    started: list[subprocess.Popen[str]] = []
    for line in lines:
        while started and requests and not any(requests.glob("*")) and started[0].poll() is None:
            time.sleep(0.05)
        command = [sys.executable, "-m", "adrepro.harness.cli", *line]
        output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, env=environment, text=True, **output))
    for line, process in zip(lines, started, strict=True):
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(f"reproduce {' '.join(line)}: exit code {process.returncode}\n{said}")
    wall = time.monotonic() - start
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()  # the fork servers, whose time has that of the workers in it
    after = os.times()
    cpu = after.children_user + after.children_system
    return wall, cpu - before.children_user - before.children_system


def adopt_orphans() -> None:
    """Have processes whose parent ends become children of this one, so that their time is known."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise SystemExit("needs Linux: the time of workers cannot be had")


def own_seconds(store: Path) -> float:
    """Return what fitting and scoring took by the cells' own clocks."""
    total = 0.0
    for path in store.glob("cells/*/*/result.json"):
        row = json.loads(path.read_bytes())["body"]["row"]
        images = row["n_test_good"] + row["n_test_anomalous"]
        total += row["fit_s"] + row["score_ms_per_image"] * images / 1000
    return total


def run(folder: Path, engine: str, seeds: int, categories: str) -> tuple[float, float, int]:
    """Run a grid in a new store; return wall and CPU seconds without the method's, and cells."""
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    line = ["run", *grid(folder, seeds, categories), "--store", str(store)]
    line += ["--out", str(folder / "out")]
    if engine == "worker":
        wall, cpu = by_worker(folder, store, line)
    else:
        wall, cpu = timed([[*line, "--device", "cpu", "--jobs", engine.split()[1]]])
    cells = sum(1 for _ in store.glob("cells/*/*/result.json"))
    own_s = own_seconds(store)
    return wall - own_s, cpu - own_s, cells


def by_worker(folder: Path, store: Path, line: list[str]) -> tuple[float, float]:
    """Have one worker run what a run asks for."""
    own = ["worker", "--store", str(store), "--data-root", str(folder / "data"), "--device", "cpu"]
    own += ["--jobs", "1", "--quiet", "--allow-method", "toys:PixelMean"]
    return timed([[*line, "--engine", "worker"], own], requests=store / "requests")


def main() -> int:
    """Print a line per engine; return 1 where one costs more than its goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--engine", choices=sorted(GOALS), help="this one only")
    given = parser.parse_args()
    from conftest import write_mvtec

    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_mvtec(folder / "data/mvtec_ad", categories=CATEGORIES)
        seeds = max(1, round(given.cells / (len(CATEGORIES) * len(LEVELS))))
        for engine in [given.engine] if given.engine else GOALS:
            start_wall, start_cpu, few = run(folder, engine, 1, CATEGORIES[0])
            wall, cpu, cells = run(folder, engine, seeds, ",".join(CATEGORIES))
            own_wall, own_cpu = wall - start_wall, cpu - start_cpu
            each = 1000 * own_cpu / (cells - few)
            missed += each > GOALS[engine]
            print(
                f"{engine:<14} {cells} cells: {1000 * own_wall / (cells - few):6.1f} ms wall,"
                f" {each:6.1f} ms CPU per cell (goal {GOALS[engine]:g});"
                f" start {start_wall:.1f} s wall, {start_cpu:.1f} s CPU"
            )
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
