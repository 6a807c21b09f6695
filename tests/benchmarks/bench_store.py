"""Time `status`, `export` and `plan` on a store of many finished cells.

    python tests/benchmarks/bench_store.py --cells 100000 --folder /tmp/big

The cells are those of a real grid on tiny images, so that `plan` finds them; their files are
written as `Store.write_result` does, without the flushes that make 100,000 of them slow. A folder
that is already there is used again.
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


def timed(title: str, *arguments: str) -> None:
    """Run `reproduce` and print how long it took and how much memory it had at most."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "adrepro.harness.cli", *arguments]
    start = time.monotonic()
    process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    cpu = usage.ru_utime + usage.ru_stime
    code = os.waitstatus_to_exitcode(status)
    print(
        f"{title:<28} {wall:6.2f} s wall {cpu:6.2f} s CPU {usage.ru_maxrss / 1024:6.0f} MB"
        f"{'' if code == 0 else f'  exit code {code}'}"
    )


def main() -> None:
    """Make the store and print a line per command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keep the store here")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    start = time.monotonic()
    count = make_store(folder, given.cells)
    print(f"{count} cells in {time.monotonic() - start:.0f} s; load {os.getloadavg()[0]:.1f}")
    store = ("--store", str(folder / "store"))
    (folder / "store" / "index.bin").unlink(missing_ok=True)
    timed("status, first", "status", *store)
    timed("status", "status", *store)
    timed("export, CSV", "export", *store)
    timed("export, Parquet", "export", *store, "--format", "parquet", "-o", str(folder / "x"))
    timed("plan", "plan", *options_of(folder, given.cells))


if __name__ == "__main__":
    main()
