"""Faults of a cell's process, injected for real: one cell is lost, and what happened is told."""

import json
import os
import threading
import time

import pandas as pd
import psutil
import pytest
from engine_world import fork_workers, plan_of, rows_of, run_plan, wait_for

from adrepro.datasets.errors import StoreError
from adrepro.harness.engines import local, workers
from adrepro.harness.engines.base import EngineOptions, TooManyFailures
from adrepro.harness.engines.limits import FailureLimit
from adrepro.harness.engines.retry import next_try, out_of_memory
from adrepro.harness.frames import store_frame
from adrepro.harness.machine import out_of_memory_kills
from adrepro.harness.store import Status, Store


@pytest.fixture
def store(world, monkeypatch):
    """An empty store; workers are forked."""
    fork_workers(monkeypatch)
    return Store(world.store, create=True)


def frame_of(store: Store) -> pd.DataFrame:
    return store_frame(store).sort_values(["category", "noise", "seed"])


def failures(store: Store) -> dict[int, set[str]]:
    """Return seed → errors of failed cells."""
    failed = frame_of(store).query("status == 'failed'")
    return {seed: set(rows["error"]) for seed, rows in failed.groupby("seed")}


class Clock:
    """A clock that a test can put forward; real time goes on."""

    def __init__(self, monkeypatch) -> None:
        self.ahead = 0.0
        self.jumps_when = lambda: False
        monkeypatch.setattr(workers, "time", self)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead + 3600.0 * self.jumps_when()


@pytest.mark.parametrize(
    ("fault", "last", "grace"), [("hang", "SIGINT", 60.0), ("deaf", "SIGKILL", 0.3)]
)
def test_cell_that_hangs_is_ended(world, store, monkeypatch, tmp_path, fault, last, grace):
    """A hang costs its cell the time allowed; one that ignores two signals gets the third."""
    book = tmp_path / "book"
    plan = plan_of(world, fault=fault, seed=2, book=book, noise=(0.0,), categories=("bottle",))
    clock = Clock(monkeypatch)
    clock.jumps_when = lambda: " 2 16" in (book.read_text() if book.exists() else "")
    run_plan(plan, store, jobs=1, timeout_s=600.0, grace_s=grace)
    told = f"timeout in run: took longer than 600 s (--timeout), ended by {last}"
    assert failures(store) == {2: {told}}
    assert len(rows_of(store)) == 2
    assert not list((store.root / "claims").iterdir())


def test_hang_without_a_timeout_is_nobodys_business(world, store, monkeypatch):
    """Without --timeout no time is too long."""
    clock = Clock(monkeypatch)

    def listen(event):
        clock.ahead += 1e6 * (event.kind == "start")

    run_plan(plan_of(world, seeds=1), store, listen, jobs=1)
    assert set(frame_of(store)["status"]) == {"done"}


def test_time_is_per_cell_and_not_per_process(world, store, monkeypatch):
    """Cells that together take longer than the limit, each less, all finish."""
    clock = Clock(monkeypatch)

    def listen(event):
        clock.ahead += 400.0 * (event.kind == "done")

    run_plan(plan_of(world, seeds=1), store, listen, jobs=1, timeout_s=600.0)
    assert set(frame_of(store)["status"]) == {"done"}
    assert clock.ahead == 4 * 400.0


def test_out_of_memory_is_tried_again_with_half_the_batch(world, store, tmp_path):
    """One retry, in a fresh process, at half the batch; the row says so; no other cell is.

    While a retry is left no failure lies in the store: another run would take it as the end.
    """
    heard, published = [], []

    def listen(event):
        heard.append(event)
        if event.kind == "note":
            published.extend(store.root.glob("cells/??/*/failure.json"))

    plan = plan_of(world, fault="memory", book=tmp_path / "book")
    run_plan(plan, store, listen, jobs=2)
    assert not published
    frame = frame_of(store)
    assert set(frame["status"]) == {"done"}
    assert dict(frame.groupby("seed")["batch_scale"].unique().str[0]) == {0: 1, 1: 0.5, 2: 1}
    told = set(frame.query("seed == 1")["warnings"])
    assert told == {
        "oom in fit: MemoryError: no room for 16 images: "
        "tried again with batches of 0.5 times the size"
    }
    assert set(frame.query("seed != 1")["warnings"]) == {""}
    fits = sorted((tmp_path / "book").read_text().splitlines())
    assert sum(line.endswith(" 1 16") for line in fits) == 4
    assert sum(line.endswith(" 1 8") for line in fits) == 4
    assert len(fits) == 16
    assert sum(event.kind == "note" for event in heard) == 4
    ends = [event.task.identity.key for event in heard if event.kind in {"done", "failed"}]
    assert sorted(ends) == sorted(store)


@pytest.mark.parametrize(
    ("fault", "kind"), [("starved", "OutOfMemoryError"), ("limit", "MemoryError")]
)
def test_out_of_memory_is_never_tried_for_ever(world, store, tmp_path, fault, kind):
    """Twice out of memory: failed, with the peak and the batch; training batches were kept."""
    plan = plan_of(world, fault=fault, book=tmp_path / "book", noise=(0.0,), seeds=2)
    run_plan(plan, store, jobs=1)
    ((error,),) = failures(store).values()
    assert error.startswith(f"oom in fit: {kind}: ")
    assert "training batches are the paper's and were not made smaller" in error
    lines = (tmp_path / "book").read_text().splitlines()
    assert sorted(line.split()[1:] for line in lines if line.split()[1] == "1") == [
        ["1", "16"], ["1", "16"], ["1", "8"], ["1", "8"],
    ]  # fmt: skip
    for key in frame_of(store).query("seed == 1")["key"]:
        failure = json.loads((store.folder(key) / "failure.json").read_text())["body"]["failure"]
        assert failure["kind"] == "oom"
        assert failure["batch_scale"] == 0.5
        assert failure["peak_memory_mb"] > 10


def test_kill_for_memory_is_told_from_a_crash(world, store, monkeypatch, tmp_path):
    """SIGKILL is a crash, unless the kernel counted one for memory: then half the batch."""
    plan = plan_of(world, fault="kill", noise=(0.0,), seeds=2)
    run_plan(plan, store, jobs=1)
    assert failures(store) == {1: {"crash in run: the worker process ended by signal SIGKILL"}}
    count = iter(range(1000))
    monkeypatch.setattr(workers, "out_of_memory_kills", lambda: next(count))
    run_plan(plan, store, jobs=1)
    assert failures(store) == {1: {"oom in run: the worker process ended by signal SIGKILL"}}
    events = tmp_path / "memory.events"
    events.write_text("low 0\nhigh 3\nmax 7\noom 2\noom_kill 5\n")
    assert out_of_memory_kills(events) == 5
    assert out_of_memory_kills(tmp_path / "none") == 0


def test_kill_for_memory_is_written_down_after_the_last_try(world, store):
    """A process that the kernel ended leaves no failure in the store while a retry is left."""
    (cell,) = plan_of(world, noise=(0.0,), seeds=1, categories=("bottle",)).cells
    task = cell.task(store.root, "cpu", keep_maps=False, exclusive=False)
    options = EngineOptions(cache=store.features)
    told = out_of_memory(task, store, "killed", options)
    assert (told.kind, told.text) == ("failed", "oom in run: killed")
    assert store.read(cell.key).status is Status.PENDING
    again = next_try(task, told.text, options)
    assert again is not None
    assert out_of_memory(again, store, "killed", options).text == told.text
    assert store.read(cell.key).reason == told.text
    assert next_try(again, told.text, options) is None


@pytest.mark.parametrize(
    "fault", ["load", "kill@fit", "kill@score", "metrics@score", "write", "published"]
)
def test_worker_killed_in_any_phase_costs_at_most_its_cell(world, store, fault, tmp_path):
    """SIGKILL in any phase, also before and after the result gets its name: others are untouched.

    What was published is done, whether or not its process lived to say so.
    """
    plan = plan_of(world, fault=fault, book=tmp_path / "book", seeds=2)
    heard = []
    run_plan(plan, store, heard.append, jobs=1)
    ends = [(e.task.identity.cell.seed, e.kind) for e in heard if e.kind in {"done", "failed"}]
    lost = "done" if fault == "published" else "failed"
    assert sorted(ends) == [(0, "done")] * 4 + [(1, lost)] * 4
    statuses = frame_of(store).groupby("seed")["status"].unique().str[0]
    assert dict(statuses) == {0: "done", 1: lost}
    fits = (tmp_path / "book").read_text().splitlines()
    assert len(fits) == (4 if fault == "load" else 8), "no cell was fitted twice"


def test_run_stops_when_enough_has_failed(world, store):
    """--max-failures N ends the run at the N-th failure; what is done stays, the rest is left."""
    plan = plan_of(world, method="toys:Raises", seeds=3)
    with pytest.raises(TooManyFailures, match="stopped after 5 cells failed, the last one") as told:
        run_plan(plan, store, jobs=2, max_failures=5)
    assert told.value.exit_code == 1
    assert 5 <= sum(store.read(key).status is Status.FAILED for key in store) < 12
    assert not list((store.root / "claims").iterdir())


def test_limit_counts_every_cell_that_a_tuning_takes_along():
    """A failed tuning counts with the cells that wait for it; without a limit nothing stops."""

    class Tuning:
        identities = (1, 2, 3)
        label = "tuning x"

    from adrepro.harness.engines.base import Event

    limit = FailureLimit(EngineOptions(cache=None, max_failures=4))
    limit.take(Event(kind="done", task=Tuning()))
    limit.take(Event(kind="failed", task=Tuning()))
    with pytest.raises(TooManyFailures, match="6 cells"):
        limit.take(Event(kind="failed", task=Tuning(), text="x"))
    FailureLimit(EngineOptions(cache=None)).take(Event(kind="failed", task=Tuning()))


@pytest.mark.parametrize("megabytes", [32, pytest.param(1024, marks=pytest.mark.slow)])
def test_junk_below_python_reaches_neither_terminal_nor_memory(
    world, store, monkeypatch, tmp_path, megabytes
):
    """What a library writes to the file descriptors is swallowed, however much it is."""
    monkeypatch.setenv("TOY_JUNK_MB", str(megabytes))
    plan = plan_of(world, fault="junk", noise=(0.0,), seeds=2)
    terminal = tmp_path / "terminal"
    pid = os.fork()
    if not pid:
        code = 1
        try:
            for stream in (1, 2):
                os.dup2(os.open(terminal, os.O_WRONLY | os.O_APPEND | os.O_CREAT), stream)
            before = psutil.Process().memory_info().rss
            run_plan(plan, store, jobs=2)
            code = 0 if psutil.Process().memory_info().rss - before < 100e6 else 3
        finally:
            os._exit(code)
    assert wait_for(pid) == 0
    assert terminal.read_bytes() == b""
    assert set(frame_of(store)["status"]) == {"done"}
    assert sum(f.stat().st_size for f in store.root.rglob("*") if f.is_file()) < 2_000_000


def test_last_words_of_a_library_are_kept(world, store):
    """What was written before an abort is in the failure, without control characters."""
    plan = plan_of(world, fault="abort", noise=(0.0,), seeds=2)
    run_plan(plan, store, jobs=1)
    ((error,),) = failures(store).values()
    assert error.startswith("crash in run: the worker process ended by signal SIGABRT (")
    assert error.endswith("libtoy: wheel came off)")
    assert "\x1b" not in error


def test_all_cells_fail_and_the_report_says_why(world):
    """No result at all: no crash, a report with the reasons, exit code 1."""
    assert world.run("--seeds", "2", "--jobs", "2", method="toys:Raises,toys:NotFinite") == 1
    assert "8 cells: 8 failed" in world.stdout
    (page,) = world.out.glob("*.html")
    assert "the lamp is broken" in page.read_text()
    assert "Traceback" not in world.stdout + world.stderr


def test_slots_take_turns_and_name_no_device_in_a_key(world, store):
    """Two devices with two processes each: cells on both, keys and scores as on one device."""
    devices = ("cpu:0", "cpu:1")
    options = EngineOptions(cache=store.features, jobs=4, devices=devices)
    assert options.slots == ("cpu:0", "cpu:1", "cpu:0", "cpu:1")
    assert not options.exclusive("cpu:0")
    assert EngineOptions(cache=store.features, jobs=2, devices=devices).exclusive("cpu:1")
    plan = plan_of(world)
    run_plan(plan, store, jobs=2, devices=devices)
    frame = frame_of(store)
    assert set(frame["device"]) == set(devices)
    assert frame["exclusive"].all()
    assert (frame["latency_ms"].notna() == (frame["seed"] == 0)).all()
    assert set(frame["key"]) == {cell.key for cell in plan.distinct}
    one = Store(world.root / "one", create=True)
    run_plan(plan, one, jobs=2)
    beside = frame_of(one)
    assert not beside["exclusive"].any()
    first = beside[beside["noise"] == beside["noise"].min()]
    assert (
        beside["latency_ms"].notna() == (beside.index.isin(first.index[first["seed"] == 0]))
    ).all()
    for key in one:
        files = [(each.folder(key) / "scores.npz").read_bytes() for each in (store, one)]
        assert files[0] == files[1]


def test_columns_of_a_table_fill_evenly(world, store):
    """Seed 0 of every category and level comes before any cell of seed 1."""
    begun = []
    run_plan(
        plan_of(world, seeds=3),
        store,
        lambda event: event.kind == "start" and begun.append(event.task.identity.cell),
        jobs=1,
    )
    assert [cell.seed for cell in begun] == [0] * 4 + [1] * 4 + [2] * 4


def test_method_that_leaves_a_thread_does_not_hold_the_run(world, store, monkeypatch):
    """A process that does not end after its last cell is ended; nothing has failed."""
    monkeypatch.setattr(workers, "EXIT_S", 0.5)
    plan = plan_of(world, method="toys_faults:LeavesThread", noise=(0.0,), seeds=1)
    start = time.monotonic()
    run_plan(plan, store, jobs=2, grace_s=0.3)
    assert time.monotonic() - start < 120
    assert set(frame_of(store)["status"]) == {"done"}


def test_store_that_vanishes_stops_the_run(world, store):
    """A store that can no longer be written is one error, not a failure of every cell."""
    plan = plan_of(world, seeds=1)
    cells = store.root / "cells"
    cells.write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        run_plan(plan, store, jobs=1)


def test_engine_runs_outside_the_main_thread(world, store):
    """Signals are the main thread's; without it the engine works all the same."""
    plan = plan_of(world, noise=(0.0,), seeds=1)
    thread = threading.Thread(target=run_plan, args=(plan, store), kwargs={"jobs": 2})
    thread.start()
    thread.join(180)
    assert len(rows_of(store)) == 2


def test_fork_context_of_these_tests_is_not_the_engines_own():
    """The engine itself never forks from a process that has threads."""
    assert local.process_context().get_start_method() in {"forkserver", "spawn"}
    assert os.getpid() == psutil.Process().pid
