"""Workers on other machines: they run what was asked for, or refuse in one line."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from engine_world import fork_workers, measured, plan_of, rows_of, run_plan

from adrepro.datasets.errors import StoreError, UsageError
from adrepro.harness.commands import worker as worker_command
from adrepro.harness.engines import local, remote
from adrepro.harness.engines.base import EngineOptions, TooManyFailures
from adrepro.harness.engines.elsewhere import news, trace
from adrepro.harness.grid import Grid
from adrepro.harness.plan import make_plan
from adrepro.harness.requests import (
    list_requests,
    local_grid,
    read_request,
    remove_request,
    write_request,
)
from adrepro.harness.store import Failure, Status, Store
from conftest import TESTS, grey_image, save


@pytest.fixture
def asked(world, monkeypatch):
    """A store with a request of 12 cells."""
    fork_workers(monkeypatch)
    plan = plan_of(world)
    store = Store(world.store, create=True)
    return plan, store, write_request(store, plan, keep_maps=False, timeout_s=300.0)


def serve(world, *arguments) -> int:
    places = ("--store", world.store, "--data-root", world.data, "--device", "cpu")
    places += ("--allow-method", "toys_faults:Faulty")
    return world.reproduce("worker", *places, "--jobs", "2", *arguments)


def test_worker_runs_a_request_as_the_run_itself_would(world, asked, tmp_path):
    """Every cell of the request, the same keys and bytes as the local engine; then it ends."""
    plan, store, key = asked
    assert serve(world) == 0, world.stderr
    assert "12 cells: 0 in the store, 12 to run" in world.stderr
    assert "nothing is left to do" in world.stderr
    own = Store(tmp_path / "own", create=True)
    run_plan(plan, own, jobs=2)
    assert measured(store) == measured(own)
    assert serve(world, "--request", key[:10]) == 0
    assert "to run" not in world.stderr


def test_data_elsewhere_is_the_same_data(world, asked, tmp_path):
    """A worker with its own copy of the images, in another place, under another name."""
    _, store, _ = asked
    moved = world.data.rename(tmp_path / "räume mit leerzeichen")
    world.data = tmp_path / "empty"
    assert serve(world) == 2
    assert "mvtec_ad" in world.stderr
    assert serve(world, "--dataset", f"mvtec_ad={moved / 'mvtec_ad'}") == 0, world.stderr
    assert len(measured(store)) == 12


def test_request_holds_names_and_numbers_only(world, asked):
    """No path of this machine is in a request; reading it gives the grid and the keys back."""
    plan, store, key = asked
    (path,) = (store.root / "requests").iterdir()
    assert str(world.root) not in path.read_text()
    request = read_request(store, key)
    assert request is not None
    assert request.grid == plan.grid
    assert list(request.cells) == [cell.key for cell in plan.distinct]
    assert request.timeout_s == 300.0
    assert write_request(store, plan, keep_maps=False, timeout_s=300.0) == key, (
        "once, however often"
    )
    assert write_request(store, plan, keep_maps=True, timeout_s=300.0) != key
    assert len(list_requests(store)) == 2
    remove_request(store, key)
    assert read_request(store, key) is None


def test_named_paths_stay_at_home(world, tmp_path):
    """A dataset's path and a file of weights are the worker's to name."""
    grid = Grid(
        target="run", datasets=(f"mvtec_ad={world.data / 'mvtec_ad'}",), categories=None,
        methods=("toys:PixelMean",), noise=(0.0,), seeds=1,
    )  # fmt: skip
    plan = make_plan(grid, data_root=None, cache=None)
    store = Store(world.store, create=True)
    request = read_request(store, write_request(store, plan, keep_maps=False))
    assert request is not None
    assert request.grid.datasets == ("mvtec_ad",)
    assert local_grid(request, weights="mine", datasets={}).weights is None
    there = local_grid(request, weights=None, datasets={"mvtec_ad": tmp_path})
    assert there.datasets == (f"mvtec_ad={tmp_path}",)


def test_what_cannot_travel_is_refused(world, tmp_path):
    """Scores from files and settings that are paths need the machine that has them."""
    store = Store(world.store, create=True)
    folder = tmp_path / "textures"
    save(folder / "a.png", grey_image(1, spot=False)[0])
    plan = plan_of(world, method="draem", noise=(0.0,), seeds=1, textures=folder)
    with pytest.raises(UsageError, match=r"draem\.textures is a path of this machine"):
        write_request(store, plan, keep_maps=False)
    assert not list_requests(store)


def test_other_images_are_refused_in_one_line(world, asked):
    """One changed image: the worker says what differs and runs nothing."""
    _, store, _ = asked
    save(world.data / "mvtec_ad/bottle/train/good/000.png", grey_image(77, spot=False)[0])
    assert serve(world) == 2
    assert len(world.stderr.strip().splitlines()) == 1
    assert "6 of 12 cells have another key on this machine" in world.stderr
    assert "the images or masks" in world.stderr
    assert not list(store)


def test_missing_category_is_refused(world, asked):
    """Fewer categories than the run had: refused, not silently run in part."""
    _, store, _ = asked
    shutil.rmtree(world.data / "mvtec_ad/screw")
    assert serve(world) == 2
    assert "the categories or images that lie here" in world.stderr
    assert not list(store)


def test_damaged_request_is_told(world, asked):
    """A request that was cut short is named, with what to do."""
    _, store, key = asked
    path = store.root / "requests" / f"{key}.json"
    path.write_bytes(path.read_bytes()[:-9])
    assert serve(world) == 2
    assert "cannot be read; remove it" in world.stderr
    path.unlink()
    assert serve(world) == 0
    assert serve(world, "--request", "abc") == 2
    assert "no such request" in world.stderr


def test_failed_cell_is_tried_once_per_request(world, monkeypatch, tmp_path):
    """A failure is final for all workers of a request; asking again tries again."""
    fork_workers(monkeypatch)
    book = tmp_path / "book"
    plan = plan_of(world, fault="starved", book=book, noise=(0.0,), seeds=2)
    store = Store(world.store, create=True)
    write_request(store, plan, keep_maps=False)
    assert serve(world) == 0
    first = book.read_text()
    assert serve(world) == 0
    assert book.read_text() == first
    write_request(store, plan, keep_maps=False)
    assert serve(world) == 0
    assert len(book.read_text()) > len(first)


def test_watching_tells_what_workers_do(world, asked):
    """The one who asked hears every cell once, from the store alone; limits hold."""
    plan, store, _ = asked
    tasks = [cell.task(store.root, "cpu", keep_maps=False, exclusive=True) for cell in plan.cells]
    options = EngineOptions(cache=store.features)
    with pytest.raises(StoreError, match="12 cells were not run: all workers have gone"):
        remote.watch(tasks, options, lambda event: None, alive=lambda: "all workers have gone")
    assert serve(world) == 0
    heard = []
    remote.run_tasks(tasks, options, heard.append)
    assert sorted((e.kind, e.task.identity.key) for e in heard) == [
        ("done", key) for key in sorted(store)
    ]
    lost = tasks[0]
    shutil.rmtree(store.folder(lost.identity.key))
    store.write_failure(lost.identity, Failure(kind="crash", message="x", phase="run"))
    with pytest.raises(TooManyFailures, match="1 cell failed"):
        remote.watch(tasks, EngineOptions(cache=store.features, max_failures=1), heard.append)
    assert heard[-1].text == "crash in run: x"


def test_watching_waits_for_maps_that_were_asked_for(world, asked):
    """A cell that is done without maps counts only when its maps are there."""
    plan, store, _ = asked
    run_plan(plan, store, jobs=2)
    task = plan.cells[0].task(store.root, "cpu", keep_maps=True, exclusive=True)
    options = EngineOptions(cache=store.features)
    with pytest.raises(StoreError, match="gone"):
        remote.watch([task], options, lambda event: None, alive=lambda: "gone")


@pytest.mark.parametrize("damaged", [False, True], ids=["mapless", "damaged"])
def test_failure_beside_a_result_is_heard(world, damaged):
    """A cell that is done, runs again for its maps (or as it was damaged) and fails: it ended.

    Who waits is told, no worker tries it again for this request, and the next request clears it.
    """
    plan = plan_of(world, noise=(0.0,), seeds=2, categories=("bottle",))
    store = Store(world.store, create=True)
    tasks = [cell.task(store.root, "cpu", keep_maps=True, exclusive=True) for cell in plan.cells]
    lost, whole = (task.identity for task in tasks)
    scores = {"scores": {"x": np.zeros(2)}}
    store.write_result(lost, {}, scores, {}, "")
    store.write_result(whole, {}, scores | {"maps": {"maps": np.zeros(2)}}, {}, "")
    failure = Failure(kind="crash", message="x", phase="run")
    store.write_failure(lost, failure)
    if damaged:
        (store.folder(lost.key) / "log.txt").write_text("other")
    write_request(store, plan, keep_maps=True)
    assert store.read_failure(lost.key).status is Status.PENDING, "asked for again: tried again"
    heard = []
    options = EngineOptions(cache=store.features)
    with pytest.raises(StoreError, match="1 cell was not run: gone"):
        remote.watch(tasks, options, heard.append, alive=lambda: "gone")
    store.write_failure(lost, failure)
    heard.clear()
    remote.watch(tasks, options, heard.append, alive=lambda: "gone")
    assert [(event.task.identity, event.kind, event.text) for event in heard] == [
        (lost, "failed", "crash in run: x"), (whole, "done", "by another run on this store"),
    ]  # fmt: skip
    assert serve(world) == 0, world.stderr
    assert "to run" not in world.stderr
    before = trace(store, tasks[0])
    assert news(store, tasks[0], before) is None
    store.write_failure(lost, failure)
    assert getattr(news(store, tasks[0], before), "kind", "") == "failed"


def test_run_and_workers_as_real_commands(world, tmp_path):
    """`--engine worker` waits, two `reproduce worker` do the work, the table appears."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    line = [sys.executable, "-m", "adrepro.harness.cli"]

    def start(*arguments) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*line, *map(str, arguments)], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    grid = ("-m", "toys:PixelMean", "-d", "mvtec_ad", "--seeds", "2", "--noise", "0,25")
    asking = start("run", *grid, *world.places, "--engine", "worker")
    deadline = time.monotonic() + 240
    while not list(world.store.glob("requests/*.json")):
        assert asking.poll() is None, asking.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    copy = tmp_path / "copy"
    shutil.copytree(world.data, copy)
    places = ("--store", world.store, "--allow-method", "toys:PixelMean")
    places += ("--device", "cpu", "--jobs", "1", "--data-root")
    workers = [start("worker", *places, data) for data in (world.data, copy)]
    for each in workers:
        _, said = each.communicate(timeout=300)
        assert each.returncode == 0, said
    out, said = asking.communicate(timeout=300)
    assert asking.returncode == 0, said
    assert "start workers with: reproduce worker --store" in said
    assert "8 cells: 8 done" in out
    store = Store(world.store)
    assert [store.read(key).status for key in store] == [Status.DONE] * 8
    assert not list_requests(store), "what is done with is no longer asked for"
    assert not list((store.root / "claims").iterdir())
    found = json.loads(subprocess.run(
        [*line, "status", "--store", str(world.store), "--json"],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout)  # fmt: skip
    assert found["troubled"] == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_times_of_workers_on_a_cpu_are_not_marked_alone(world, monkeypatch, jobs):
    """Nobody knows what other workers a machine's cores have; the local engine does know."""
    fork_workers(monkeypatch)
    plan = plan_of(world, noise=(0.0,), seeds=1)
    store, own = (Store(world.root / name, create=True) for name in ("store", "own"))
    write_request(store, plan, keep_maps=False)
    serve(world, "--jobs", str(jobs))
    run_plan(plan, own, jobs=jobs)
    marks = [{row["exclusive"] for row in rows_of(s).values()} for s in (store, own)]
    assert marks == [{False}, {jobs == 1}]


def test_worker_on_gpus_of_its_own_marks_its_times(world, monkeypatch):
    """A GPU is given to one process at a time: with one each they are alone, with two they are not.

    No GPU is needed to see what cells are given; that nothing else uses it nobody can know.
    """
    given = []

    def note(_context, batch, *_arguments):
        given.extend(task.exclusive for task in batch.tasks)
        raise InterruptedError

    monkeypatch.setattr(local, "start_worker", note)
    monkeypatch.setattr(worker_command, "resolve_devices", lambda text: tuple(text.split(",")))
    plan = plan_of(world, noise=(0.0,), seeds=1)
    store = Store(world.store, create=True)
    write_request(store, plan, keep_maps=False)
    for jobs in (2, 4):
        assert serve(world, "--device", "cuda:0,cuda:1", "--jobs", str(jobs)) != 0
    assert given == [True, False]


def test_worker_before_its_store_says_what_to_start(world, tmp_path):
    """A worker that comes first says that nothing is queued, not that a path is wrong."""
    assert world.reproduce("worker", "--store", str(tmp_path / "none")) == 2
    assert "nothing is queued in" in world.stderr
    assert "--wait" in world.stderr
