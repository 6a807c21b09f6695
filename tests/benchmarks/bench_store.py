"""Time `status`, `export` and `plan` on a store of many finished cells; fail above a goal.

    python tests/benchmarks/bench_store.py --cells 100000 --folder /tmp/big

The cells are those of a real grid on tiny images, so that `plan` finds them; their files are
written as `Store.write_result` does, without the flushes that make 100,000 of them slow. A folder
that is already there is used again. Goals are for user and system time, the best of some runs: the
wall clock of a machine that does other things tells of these. Making 100,000 cells takes minutes,
so `make bench` makes 10,000, for which the goals are the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

# Seconds of user and system time once the index is made, and MB at the most.
GOAL_S, SMALL_GOAL_S, GOAL_MB = 3.0, 1.5, 1000.0

LEVELS, CATEGORIES = (0.0, 10.0, 20.0, 30.0, 40.0), ("bottle", "screw", "cable", "pill")
TOYS = (
    "PixelMean", "ImageOnly", "Filter", "Raises", "Slow", "NotFinite", "Exits", "Loud", "SysExit",
    "Segfault", "LeavesChild", "WrongWeights", "Variants", "Variants@linear", "Reduced",
    "Reduced@long",
)  # fmt: skip
METHODS = tuple(f"toys:{name}" for name in TOYS)


def seeds_for(cells: int) -> int:
    """Return how many seeds give about this many cells."""
    return max(1, round(cells / (len(METHODS) * len(LEVELS) * len(CATEGORIES))))


def options_of(folder: Path, cells: int) -> list[str]:
    """Return the command-line options that name the grid."""
    return [
        "-m", ",".join(METHODS), "-d", "mvtec_ad", "--noise", ",".join(f"{x:g}" for x in LEVELS),
        "--seeds", str(seeds_for(cells)), "--data-root", str(folder / "data"),
        "--store", str(folder / "store"), "--device", "cpu",
    ]  # fmt: skip


def make_store(folder: Path, cells: int) -> int:
    """Plan the grid and publish every cell of it; return how many there are."""
    from adrepro.harness import store as stores
    from adrepro.harness.grid import Grid
    from adrepro.harness.plan import make_plan
    from conftest import write_mvtec

    if not (folder / "data").exists():
        write_mvtec(folder / "data/mvtec_ad", categories=CATEGORIES)
    grid = Grid(
        target="run", datasets=("mvtec_ad",), categories=None, methods=METHODS, noise=LEVELS,
        seeds=seeds_for(cells),
    )  # fmt: skip
    made = make_plan(grid, data_root=folder / "data", cache=None)
    store = stores.Store(folder / "store", create=True)
    _write_without_flushing(stores)
    for number, planned in enumerate(made.distinct):
        if not (store.folder(planned.key) / "result.json").exists():
            row = planned.row | _measured(number) | {"method": planned.method.base}
            documents = {"env": {"python": "3.11"}, "images": {"train": [], "test": []}}
            store.write_result(planned.identity, row, {"scores": _scores()}, documents, "")
    return len(made.distinct)


def _scores() -> dict:
    import numpy as np

    return {"test_scores": np.zeros(4, dtype=np.float32)}


def _measured(number: int) -> dict:
    names = (
        "image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "aupro", "precision", "recall", "f1",
        "f1_max", "threshold", "fit_s", "score_ms_per_image", "latency_ms", "features_s",
        "peak_memory_mb",
    )  # fmt: skip
    values = {name: ((number * 7919 + i * 104729) % 999_983) / 1e6 for i, name in enumerate(names)}
    flags = {"exclusive": True, "fit_shared": False, "stacked": 1, "warnings": []}
    return values | flags | {"device": "cpu", "device_name": "a processor"}


def _write_without_flushing(stores) -> None:
    from adrepro.harness import files
    from adrepro.harness.cell import canonical_json

    def write(path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def write_signed(path: Path, body) -> None:
        text = canonical_json(body)
        signed = {"body": body, "sha256": files.sha256(text.encode())}
        write(path, canonical_json(signed).encode())

    stores.write_atomic, stores.write_signed = write, write_signed


def once(*arguments: str) -> tuple[float, float, float, int]:
    """Run `reproduce`; return CPU and wall seconds, the most memory in MB, and the exit code."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "adrepro.harness.cli", *arguments]
    start = time.monotonic()
    process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    cpu = usage.ru_utime + usage.ru_stime
    return cpu, wall, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def timed(title: str, goal_s: float | None, *arguments: str, runs: int = 1) -> bool:
    """Print the best of some runs of `reproduce`; say whether the goal was reached."""
    seen = [once(*arguments) for _ in range(runs)]
    cpu, wall, memory, _ = min(seen)
    failed = [code for *_, code in seen if code]
    reached = not failed and (goal_s is None or (cpu < goal_s and memory < GOAL_MB))
    said = "" if goal_s is None else f"  goal {goal_s:g} s {'reached' if reached else 'MISSED'}"
    said += f"  exit code {failed[0]}" if failed else ""
    print(f"{title:<28} {cpu:6.2f} s CPU {wall:6.2f} s wall {memory:6.0f} MB{said}", flush=True)
    return reached


def main() -> int:
    """Make the store and print a line per command; return 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keep the store here")
    parser.add_argument("--runs", type=int, default=3, help="of each command; the best counts")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    start = time.monotonic()
    count = make_store(folder, given.cells)
    print(f"{count} cells in {time.monotonic() - start:.0f} s; load {os.getloadavg()[0]:.1f}")
    store = ("--store", str(folder / "store"))
    (folder / "store" / "index.bin").unlink(missing_ok=True)
    grid = options_of(folder, given.cells)
    few = ["-m", METHODS[0], *grid[2:4], "--noise", "0,10", "--seeds", "3", *grid[8:]]
    parquet = ("--format", "parquet", "-o", str(folder / "x"))
    reached = [timed("status, first", None, "status", *store)]
    time.sleep(2.5)  # the youngest cells are read again until they have settled
    for title, goal_s, *arguments in (
        ("status", GOAL_S, "status", *store),
        ("export, CSV", GOAL_S, "export", *store),
        ("export, Parquet", GOAL_S, "export", *store, *parquet),
        ("plan of all of it", GOAL_S, "plan", *grid),
        ("plan of 24 cells", SMALL_GOAL_S, "plan", *few),
        ("--help", 0.5, "--help"),
        ("methods list", 1.0, "methods", "list"),
    ):
        reached.append(timed(title, goal_s, *arguments, runs=given.runs))
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
