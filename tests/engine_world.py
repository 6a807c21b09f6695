"""Cells of a tiny grid for tests of engines, and parents that can be killed.

Parents are forked from the test's process, which has all libraries loaded, and fork their workers:
a cell takes milliseconds, so that many kills at random instants fit into a test.
"""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

from adrepro.harness.cell import canonical_json
from adrepro.harness.engines import local
from adrepro.harness.engines.base import EngineOptions
from adrepro.harness.grid import Grid
from adrepro.harness.missing import run_missing
from adrepro.harness.plan import Plan, make_plan
from adrepro.harness.store import Status, Store

# "exclusive" says how many processes there were.
TIMINGS = (
    "fit_s", "score_ms_per_image", "latency_ms", "features_s", "peak_memory_mb", "wall_s",
    "exclusive",
)  # fmt: skip


def plan_of(
    world,
    *,
    method="toys_faults:Faulty",
    noise=(0.0, 25.0),
    seeds=3,
    categories=None,
    **overrides,
) -> Plan:
    """Plan a grid of 2 categories; ``overrides`` are settings of the method."""
    grid = Grid(
        target="run",
        datasets=("mvtec_ad",),
        categories=categories,
        methods=(method,),
        noise=noise,
        seeds=seeds,
        overrides={f"{method}.{name}": str(value) for name, value in overrides.items()},
    )
    return make_plan(grid, data_root=world.data, cache=None)


def run_plan(plan: Plan, store: Store, listen=lambda event: None, **options) -> None:
    """Run what a store lacks of a plan, by the local engine in this process."""
    run_missing(
        plan.pending(store),
        [],
        store,
        engine=local.run_tasks,
        options=EngineOptions(cache=store.features, **options),
        keep_maps=False,
        listen=listen,
    )


def fork_workers(monkeypatch) -> None:
    """Have the local engine fork its workers from its own process."""
    import torch

    torch.set_num_threads(1)
    monkeypatch.setattr(local, "process_context", _Context)


_SOFT = {signal.SIGINT, signal.SIGTERM}


class _Forked(multiprocessing.get_context("fork").Process):
    """A forked worker that no signal reaches before it is at its own work.

    Between the fork and there, the child stands in the test: an interrupt would go up through
    pytest, and the child go on as a second test runner.
    """

    @staticmethod
    def _Popen(process):
        process.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SOFT)
        try:
            return multiprocessing.get_context("fork").Process._Popen(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, process.mask)

    def run(self):
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        super().run()


class _Context(type(multiprocessing.get_context("fork"))):
    Process = _Forked


def start_parent(plan: Plan, store: Path, **options) -> int:
    """Run a plan in a process of its own; return its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        run_plan(plan, Store(store), **options)
        code = 0
    finally:
        os._exit(code)


def wait_for(pid: int) -> int:
    """Wait for a parent; return its exit code, negative if a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_after(pid: int, seconds: float) -> bool:
    """Kill a parent after some time; False if it had ended by itself."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def measured(store: Store) -> dict[str, tuple[bytes, bytes, str]]:
    """Return key → scores, images and row but for timings: what must not depend on any fault."""
    found = {}
    for key in store:
        record = store.read(key)
        assert record.status is Status.DONE, f"{key}: {record.status} {record.reason}"
        row = {k: v for k, v in dict(record.row or {}).items() if k not in TIMINGS}
        folder = store.folder(key)
        files = [(folder / name).read_bytes() for name in ("scores.npz", "images.json")]
        found[key] = (files[0], files[1], canonical_json(row))
    return found


def rows_of(store: Store) -> dict[tuple[str, float, int], dict]:
    """Return (category, noise, seed) → the row of every finished cell."""
    rows = [dict(record.row or {}) for key in store if (record := store.read(key)).row]
    return {(row["category"], row["noise"], row["seed"]): row for row in rows}


def some(random_seed: int, count: int, most: float) -> list[float]:
    """Return random delays in seconds."""
    drawn = random.Random(random_seed)
    return [drawn.uniform(0.0, most) for _ in range(count)]
