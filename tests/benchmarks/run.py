"""Run the benchmarks, print one table, and keep the figures under the commit they belong to.

    python tests/benchmarks/run.py [--only metrics,features,…] [--threads N] [--repeats N]
                                   [--data FOLDER] [--quick] [--out FILE]

Every line is a ratio measured in one process run: both sides take turns on the same inputs with
the same number of threads, and the medians count. Peers come with ``pip install
'adrepro[bench]'``; a line whose peer is absent says so. The figures go to
``tests/benchmarks/results/COMMIT.json``; figures of ``--quick`` are no results and go nowhere
unless ``--out`` names a file. Exit code 1 if a goal was missed or results differ.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

if TYPE_CHECKING:
    from common import Given, Row

# In the order of the table; a script without `rows` is listed with its arguments.
BENCHES = ("metrics", "features", "methods", "flows", "cells", "store", "engine", "determinism")
SCRIPTS: dict[str, tuple[str, ...]] = {
    "store": ("--cells", "10000"),
    "engine": (),
    "determinism": ("--rounds", "2"),
}
SHOWN = 2  # results of a row that the table shows; the file has all
# Beside the repository, as the tests find real images.
DATA = HERE.parents[2] / "shared" / "data"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="Run the benchmarks and print one table.")
    parser.add_argument("--only", default=",".join(BENCHES), help="which, separated by commas")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with mvtec_ad in it")
    parser.add_argument("--quick", action="store_true", help="small inputs: shows that it runs")
    parser.add_argument("--out", type=Path, help="write the figures to this file")
    given = parser.parse_args(arguments)
    given.only = tuple(filter(None, given.only.split(",")))
    if unknown := sorted(set(given.only) - set(BENCHES)):
        parser.error(f"--only {','.join(unknown)}: expected some of {','.join(BENCHES)}")
    if min(given.threads, given.repeats) < 1:
        parser.error("--threads and --repeats: expected at least 1")
    return given


def limit_threads(count: int) -> None:
    """Give every library as many threads; has to come before they are imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)
    import torch

    torch.set_num_threads(count)


def run_bench(name: str, given: Given) -> list[Row]:
    """Return a benchmark's rows: of its module, or of its exit code as a script."""
    path = HERE / f"bench_{name}.py"
    if not path.exists():
        from common import Row

        return [Row(bench=name, what=path.name, peer="–", note="no such script here")]
    if name in SCRIPTS:
        return [run_script(path, name)]
    return importlib.import_module(path.stem).rows(given)


def run_script(path: Path, name: str) -> Row:
    """Run a script that judges itself: exit code 0 means that its goals were reached."""
    from common import Row

    print(f"\n{path.name} {' '.join(SCRIPTS[name])}", flush=True)
    start = perf_counter()
    done = subprocess.run([sys.executable, str(path), *SCRIPTS[name]], check=False)
    return Row(
        bench=name,
        what=f"{path.name} {' '.join(SCRIPTS[name])}".strip(),
        peer="its own goals",
        ours_s=(perf_counter() - start,),
        passed=done.returncode == 0,
        note="" if done.returncode == 0 else f"exit code {done.returncode}",
    )


def print_table(rows: list[Row]) -> None:
    """Print one line per row."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Ours against peers, in one run", pad_edge=False)
    table.add_column("what", overflow="fold", ratio=3)
    table.add_column("peer", overflow="fold", ratio=2)
    for name in ("ours s", "peer s", "ratio", "goal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reached", no_wrap=True)
    table.add_column("results of both", overflow="fold", ratio=2)
    for row in rows:
        table.add_row(*cells(row))
    wide = None if sys.stdout.isatty() else 140
    Console(width=wide, highlight=False, markup=False).print(table)


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's texts."""
    verdict = {True: "yes", False: "no", None: "–"}[row.reached]
    shared = [name for name in row.ours if name in row.peers]
    results = [f"{name} {row.ours[name]:.6g} / {row.peers[name]:.6g}" for name in shared[:SHOWN]]
    if shared and row.tolerance is not None:
        gap = max(abs(row.ours[name] - row.peers[name]) for name in shared)
        results.append(f"{len(shared)} values differ by at most {gap:.1e}")
    if row.agrees is False:
        results.append(f"more than {row.tolerance:g}: NOT EQUAL")
    return (
        row.what,
        row.peer,
        f"{median(row.ours_s):.2f}" if row.ours_s else "–",
        f"{median(row.peer_s):.2f}" if row.peer_s else "–",
        "–" if row.ratio is None else f"{row.ratio:.2f}",
        "–" if row.goal is None else f"≥ {row.goal:g}",
        verdict,
        "; ".join([*results, *filter(None, [row.note])]) or "–",
    )


def record(rows: list[Row], given: Given) -> dict[str, Any]:
    """Return what is kept: where, when, of what, and every turn of every row."""
    from common import commit, machine

    return {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "quick": given.quick,
        "machine": machine(given.threads),
        "rows": [
            asdict(row) | {"ratio": row.ratio, "agrees": row.agrees, "reached": row.reached}
            for row in rows
        ],
    }


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; return the exit code."""
    given = parse(arguments)
    limit_threads(given.threads)
    from common import Given

    data = given.data if (given.data / "mvtec_ad").is_dir() else None
    shared = Given(threads=given.threads, repeats=given.repeats, data=data, quick=given.quick)
    rows: list[Row] = []
    for name in given.only:
        rows += run_bench(name, shared)
        print(f"{name}: {len(rows)} rows so far", file=sys.stderr, flush=True)
    print_table(rows)
    kept = record(rows, shared)
    stem = str(kept["commit"]).replace("+", "-changed")
    out = given.out or (None if given.quick else HERE / "results" / f"{stem}.json")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(kept, indent=1) + "\n")
        print(f"figures: {out}")
    return int(any(row.reached is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
