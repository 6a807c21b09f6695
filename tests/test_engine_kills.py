"""Runs killed at random instants, side by side and one after the other: nothing lost or torn."""

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest
from engine_world import (
    fork_workers,
    kill_after,
    measured,
    plan_of,
    run_plan,
    some,
    start_parent,
    wait_for,
)
from test_engine import command, wait_for_results

from adrepro.harness.store import Status, Store
from conftest import TESTS


@pytest.fixture
def reference(world, tmp_path, monkeypatch):
    """The plan of a toy table and what a run without interruption gives."""
    fork_workers(monkeypatch)
    plan = plan_of(world, book=tmp_path / "book")
    whole = Store(tmp_path / "whole", create=True)
    run_plan(plan, whole, jobs=2)
    (tmp_path / "book").unlink()
    return plan, measured(whole)


def kill_parents(plan, root, kills: int) -> int:
    """Kill parents at random instants and start them again; return how many were hit."""
    start, hits = time.monotonic(), 0
    assert wait_for(start_parent(plan, root / "measure", jobs=2)) == 0
    takes = time.monotonic() - start
    store = Store(root / "store", create=True)
    for number, delay in enumerate(some(kills, kills, takes)):
        done = {key for key in store if store.read(key).status is Status.DONE}
        if len(done) == len(plan.distinct):  # begin anew: every kill is to meet work
            store = Store(root / f"store{number}", create=True)
            done = set()
        stamps = {key: (store.folder(key) / "result.json").stat().st_mtime_ns for key in done}
        hits += kill_after(start_parent(plan, store.root, jobs=2), delay)
        for key, stamp in stamps.items():
            kept = (store.folder(key) / "result.json").stat().st_mtime_ns
            assert kept == stamp, "a cell that was done was run again"
    assert wait_for(start_parent(plan, store.root, jobs=2)) == 0
    return hits


def stores_below(root) -> list[Store]:
    return [Store(path.parent) for path in root.glob("store*/store.json")]


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_parent_killed_at_random_instants(reference, tmp_path, kills):
    """However often it is killed: in the end the results of a run without interruption."""
    plan, expected = reference
    Store(tmp_path / "measure", create=True)
    assert kill_parents(plan, tmp_path, kills) >= kills // 4
    for store in stores_below(tmp_path):
        for key in store:
            assert store.read(key).status in {Status.DONE, Status.PENDING}, "torn"
    finished = stores_below(tmp_path)
    assert finished
    assert [measured(store) == expected for store in finished] == [True] * len(finished)


def test_two_parents_share_one_store(reference, tmp_path):
    """Both work, no cell is fitted twice, and the results are those of one."""
    plan, expected = reference
    store = Store(tmp_path / "store", create=True)
    parents = [start_parent(plan, store.root, jobs=1) for _ in range(2)]
    assert [wait_for(pid) for pid in parents] == [0, 0]
    assert measured(store) == expected
    fits = Counter((tmp_path / "book").read_text().splitlines())
    assert sum(fits.values()) == len(expected)
    assert not list((store.root / "claims").iterdir())


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_parents_side_by_side_and_random_kills(reference, tmp_path, kills):
    """Four parents on one store, killed at random and replaced: nothing is lost or torn."""
    plan, expected = reference
    rng, hits = random.Random(kills), 0
    for round_ in range(kills // 4):  # a new store each: every kill is to meet work
        store = Store(tmp_path / f"store{round_}", create=True)
        parents = [start_parent(plan, store.root, jobs=1) for _ in range(4)]
        for _ in range(4):
            time.sleep(rng.uniform(0, 0.2))
            victim = parents.pop(0)
            hits += sum(store.read(key).status is Status.DONE for key in store) < len(expected)
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            parents.append(start_parent(plan, store.root, jobs=1))
        assert [wait_for(pid) for pid in parents] == [0] * 4
        assert measured(store) == expected
    assert hits >= kills // 4


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_says_what_is_left_and_leaves_no_claim(world, sign):
    """One Ctrl+C or SIGTERM: running cells end, what is done and left is said, nothing stays."""
    process = command(world, "--seeds", "3", "--noise", "0,25,50")
    wait_for_results(world, 2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(sign)
    _, said = process.communicate(timeout=240)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[sign]
    done = len(list(world.store.glob("cells/??/*/result.json")))
    told = next(line for line in said.splitlines() if line.startswith("stopped: "))
    count, left = int(told.split()[1]), int(told.split(", ")[-1].split()[0])
    assert count <= done <= count + 2, "published, but not yet told of"
    assert count + left == 18
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert not list((world.store / "claims").iterdir())
    assert not list(world.store.glob("cells/??/*/failure.json")), "what was stopped did not fail"
    if sign == signal.SIGINT:
        line = status_line(world)
        assert f"run: its last run ended with {18 - done} of 18 cells not run; to go on: " in line
        again = [sys.executable, "-m", "adrepro.harness.cli"]
        again += shlex.split(line.partition("to go on: reproduce ")[2])
        subprocess.run(again, env={**os.environ, "PYTHONPATH": str(TESTS)}, check=True)
        assert len(list(world.store.glob("cells/??/*/result.json"))) == 18
        assert status_line(world) == ""


def status_line(world) -> str:
    """Return what `status` says of runs that ended before their end."""
    assert world.reproduce("status", "--store", world.store) == 0
    return next((line for line in world.stdout.splitlines() if "last run" in line), "")


def test_second_interrupt_is_immediate(world):
    """Ctrl+C twice: a cell that listens to no signal is killed at once, not after the grace."""
    book = world.root / "book"
    given = {"fault": "deaf", "seed": 0, "book": book}
    deaf = [part for k, v in given.items() for part in ("--set", f"toys_faults:Faulty.{k}={v}")]
    process = command(world, "-m", "toys_faults:Faulty", *deaf, "--seeds", "1")
    deadline = time.monotonic() + 240
    while not book.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 130
    assert time.monotonic() - start < 10
    assert not list((world.store / "claims").iterdir())
