"""Whole cells of a category in one go against the same cells one by one.

    python tests/benchmarks/bench_cells.py [--method M] [--preset demo|quick] [--repeats N]
                                           [--dataset D --category C --data FOLDER]
                                           [--noise 0,20,50] [--seeds N]

A category's cells (6 noise levels × 3 seeds) from files to published results, as a worker runs
them, in this process with one thread:

- in one go: one worker, one cache of features, cells fitted in stacks as ``--stack on`` fits them;
- each by itself: a cell at a time with an empty cache and an empty store, and nothing remembered
  in the process: so many runs of one cell, without what starting and planning them costs;
- one after the other with features shared, as ``--stack off`` does: a worker per seed.

Every turn of every side begins with nothing remembered. The latency of one image is timed as in a
run with neighbours, so for each cell of seed 0 that runs by itself, and once for those of one
worker. Called by itself it measures one method and prints a JSON line per peer; exit code 1 if
results differ.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from common import Given, Row, race

from adrepro.datasets import images, pixels, verified
from adrepro.harness.devices import stack_limit
from adrepro.harness.grid import Grid
from adrepro.harness.grouping import group_tasks
from adrepro.harness.plan import make_plan
from adrepro.harness.store import Status, Store
from adrepro.harness.task import Task
from adrepro.harness.worker import run_batch

METHODS = ("differnet", "rad", "patchcore")
LEVELS, SEEDS, GOAL = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0), 3, 3.0
# Of image AUROC between 0 and 1: sums of float32 round otherwise in stacks, and in forward passes
# with other images beside an image.
TOLERANCE = 1e-3
OURS = "in one go"
# Name of a cell → its image AUROC and the scores of its test images.
Results = dict[str, tuple[float, np.ndarray]]
CACHED = type(functools.cache(len))


class Case:
    """One method's cells on one category, planned; the sides of a race.

    Parameters
    ----------
    method
        Its name.
    folder
        Where results go; each turn of a side has a folder of its own below it.
    data
        Folder with the images, which are drawn there if the dataset is synthetic.
    grid
        Fields of `Grid` beside those of the demo on one category.
    """

    def __init__(self, method: str, folder: Path, data: Path, **grid: Any) -> None:
        asked: dict[str, Any] = {
            "target": "bench", "datasets": ("synthetic",), "categories": ("tile",),
            "methods": (method,), "noise": LEVELS, "seeds": SEEDS, "preset": "demo",
        }  # fmt: skip
        made = make_plan(Grid(**(asked | grid)), data_root=data, cache=None, workers=1)
        self.method, self.folder, self.planned = method, folder, made.distinct
        chosen = made.grid
        self.place = f"{', '.join(chosen.categories or ())}, {chosen.preset} preset"
        self._turns = count()
        self.processor_s: dict[str, list[float]] = {}

    def store(self) -> Store:
        """Return a store that is not there yet."""
        return Store(self.folder / f"{self.method}-{next(self._turns)}", create=True)

    def tasks(self, store: Store) -> list[Task]:
        """Return all cells as tasks of a run with neighbours."""
        return [
            cell.task(store.root, "cpu", keep_maps=False, exclusive=False) for cell in self.planned
        ]

    def together(self) -> list[Store]:
        """Run all in one go, as ``--stack on`` with one process."""
        return self._shared(stack_limit("on", "cpu"))

    def after_each_other(self) -> list[Store]:
        """Run all with features shared and each fitted alone, as ``--stack off``."""
        return self._shared(1)

    def _shared(self, stack: int) -> list[Store]:
        store = self.store()
        for group in group_tasks(self.tasks(store), 1, stack):
            run(group, stack, store)
        return [store]

    def singly(self) -> list[Store]:
        """Run each by itself: no store, cache or memory has anything of another."""
        stores = [self.store() for _ in self.planned]
        for index, store in enumerate(stores):
            run([self.tasks(store)[index]], 1, store)
        return stores

    def timed(self, name: str, side: Callable[[], list[Store]]) -> Callable[[], list[Store]]:
        """Return a side that also notes its processor time."""

        def measured() -> list[Store]:
            begun = process_time()
            stores = side()
            self.processor_s.setdefault(name, []).append(process_time() - begun)
            return stores

        return measured

    def rows(self, given: Given) -> list[Row]:
        """Race the three sides."""
        warm = self.store()
        run(self.tasks(warm)[:1], 1, warm)  # loads the libraries
        sides = {
            OURS: self.together,
            "each by itself, nothing shared": self.singly,
            "one after the other, features shared": self.after_each_other,
        }
        seconds, stores = race(given.repeats, *(self.timed(n, s) for n, s in sides.items()))
        results = [results_of(side) for side in stores]
        return [
            self._row(name, (seconds[0], seconds[place]), (results[0], results[place]))
            for place, name in enumerate(sides)
            if name != OURS
        ]

    def _row(
        self, peer: str, seconds: tuple[tuple[float, ...], ...], results: tuple[Results, Results]
    ) -> Row:
        """Return the row against a peer, and print it."""
        ours, others = results
        gaps = [float(np.abs(ours[n][1] - others[n][1]).max() / np.ptp(ours[n][1])) for n in ours]
        processor = [median(self.processor_s[name]) for name in (OURS, peer)]
        row = Row(
            bench="cells",
            what=f"{len(ours)} cells of {self.method}, {self.place}, {OURS}",
            peer=peer,
            ours_s=seconds[0],
            peer_s=seconds[1],
            goal=GOAL if "nothing" in peer else None,
            ours={name: auroc for name, (auroc, _) in ours.items()},
            peers={name: auroc for name, (auroc, _) in others.items()},
            tolerance=TOLERANCE,
            note=f"processor time {processor[0]:.1f} / {processor[1]:.1f} s, "
            f"{processor[1] / processor[0]:.2f} ×; scores of {gaps.count(0.0)} cells are equal to "
            f"the bit, of all to {max(gaps):.0e} of their range",
        )
        print(f"{row.what} | {peer}: {row.ours_s} s | {row.peer_s} s", file=sys.stderr, flush=True)
        return row


def run(tasks: Sequence[Task], stack: int, store: Store) -> None:
    """Run tasks as a fresh worker does; a cell that fails ends the benchmark."""
    forget()
    failures: list[str] = []

    def tell(kind: str, _index: int, _fraction: float, text: str) -> None:
        if kind in {"failed", "oom", "fatal"}:
            failures.append(text)

    run_batch(tasks, stack, store.features, tell)
    if failures:
        raise SystemExit(f"a cell failed: {failures[0]}")


def forget() -> None:
    """Have this process remember nothing of other cells: pixels, hashes, function caches."""
    images.REMEMBERED = pixels.RecentPixels(pixels.PIXEL_BYTES)
    verified._known.clear()
    for name, module in list(sys.modules.items()):
        if name.startswith("adrepro."):
            for kept in list(vars(module).values()):
                if isinstance(kept, CACHED):
                    kept.cache_clear()


def results_of(stores: Sequence[Store]) -> Results:
    """Return image AUROC and scores by cell; every cell must be done."""
    results: Results = {}
    for store in stores:
        for key in store:
            record = store.read(key)
            if record.status is not Status.DONE or record.row is None:
                raise SystemExit(f"{key}: {record.status} {record.reason}")
            row = record.row
            with np.load(store.folder(key) / "scores.npz") as arrays:
                scores = arrays["test_scores"].astype(np.float64)
            results[f"{row['noise']:g} %, seed {row['seed']}"] = (row["image_auroc"], scores)
    return results


def rows(given: Given) -> list[Row]:
    """Race the demo's cells, or a few small ones."""
    small: dict[str, Any] = {"noise": (0.0, 50.0), "seeds": 2, "image_size": 64}
    grid = small if given.quick else {}
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        return [
            row
            for method in (METHODS[::2] if given.quick else METHODS)
            for row in Case(method, where / "stores", where / "data", **grid).rows(given)
        ]


def main() -> int:
    """Measure one method and print a JSON line of each peer."""
    parser = argparse.ArgumentParser(description="Time whole cells in one go and one by one.")
    parser.add_argument("--method", default=METHODS[0])
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--category", default="tile")
    parser.add_argument("--data", type=Path, help="folder with the dataset; drawn ones need none")
    parser.add_argument("--noise", default=",".join(f"{level:g}" for level in LEVELS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        case = Case(
            given.method,
            Path(folder) / "stores",
            given.data or Path(folder) / "data",
            datasets=(given.dataset,),
            categories=(given.category,),
            preset=given.preset,
            noise=tuple(map(float, given.noise.split(","))),
            seeds=given.seeds,
        )
        made = case.rows(Given(threads=1, repeats=given.repeats))
    for row in made:
        shown = {name: getattr(row, name) for name in ("what", "peer", "ours_s", "peer_s", "note")}
        gap = max(abs(row.ours[name] - row.peers[name]) for name in row.ours)
        shown |= {"ratio": round(row.ratio or 0, 2), "agrees": row.agrees, "auroc_gap": gap}
        print(json.dumps(shown, ensure_ascii=False))
    return int(any(row.agrees is False for row in made))


if __name__ == "__main__":
    sys.exit(main())
