"""Cells that are fitted together come out as if alone, and one's trouble stays its own."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from adrepro.datasets.errors import UsageError
from adrepro.harness.cell import Cell, Identity
from adrepro.harness.devices import CPU_STACK_LIMIT, STACK_LIMIT, stack_limit
from adrepro.harness.fitting import Fits
from adrepro.harness.frames import store_frame
from adrepro.harness.grouping import group_tasks, stacks_of
from adrepro.harness.stacking import fit_stack
from adrepro.harness.store import Store
from adrepro.harness.task import Sample, Task, training_key
from adrepro.methods.features import FeatureProvider
from conftest import TESTS

STACKED = "toys_tuning:Stacked"
GRID = ("--noise", "0,25", "--seeds", "2", "--jobs", "1")  # 2 categories × 4 cells


def frame_of(world):
    return store_frame(Store(world.store))


def scores_of(world, stem="test_scores"):
    store = Store(world.store)
    keys = frame_of(world).query("status == 'done'")["key"]
    return {key: store.load_arrays(key, "scores")[stem] for key in keys}


def settings(**given):
    pairs = [("--set", f"{STACKED}.{name}={value}") for name, value in given.items()]
    return [part for pair in pairs for part in pair]


def test_together_equals_alone(world, tmp_path):
    """Scores of a stack are those of one by one within float32 rounding; the same cells, too."""
    calls = tmp_path / "calls"
    grid = (*GRID, "-c", "bottle", "--protocol", "fixed-test,overlap", *settings(calls=calls))
    assert world.run(*grid, "--stack", "off", method=STACKED) == 0, world.stderr
    assert calls.read_text().split("\n")[:-1] == ["fit 1"] * 4
    assert set(frame_of(world)["stacked"]) == {1}
    alone = scores_of(world), scores_of(world, "train_scores")
    calls.unlink()
    world.store = tmp_path / "stack"
    assert world.run(*grid, "--stack", "on", method=STACKED) == 0, world.stderr
    assert calls.read_text().split("\n")[:-1] == ["fit 4"]
    together = scores_of(world), scores_of(world, "train_scores")
    for one, other in zip(alone, together, strict=True):
        assert set(one) == set(other)
        assert len(one) == 8
        for key, values in one.items():
            np.testing.assert_allclose(other[key], values, rtol=2e-5)
            assert np.ptp(values) > 0
    frame = frame_of(world)
    assert set(frame["stacked"]) == {4}
    assert (frame["warnings"] == "").all()
    assert frame["fit_s"].nunique() == 1, "each has its share of the stack's time"
    logs = [(Store(world.store).folder(k) / "log.txt").read_text() for k in frame["key"]]
    assert logs.count("4 together\n") == 4, "what a stack printed is in the log of each fit"


def test_stack_that_fails_is_fitted_one_by_one(world, tmp_path):
    """An error in the stack costs nothing; a cell that fails alone fails alone; rows tell."""
    calls = tmp_path / "calls"
    broken = settings(raises="stack", calls=calls)
    assert world.run(*GRID, "-c", "bottle", "--stack", "on", *broken, method=STACKED) == 0
    assert calls.read_text().split("\n")[:-1] == ["fit 4", *["fit 1"] * 4]
    frame = frame_of(world)
    assert set(frame["stacked"]) == {1}
    assert set(frame["warnings"]) == {
        "fitting 4 cells together failed (RuntimeError: too much at once): fitted alone"
    }


def test_worker_that_dies_in_a_stack_costs_no_cell(world):
    """A stack that kills its worker is fitted one by one in a fresh one, and it is said."""
    dies = settings(dies="stack")
    assert world.run(*GRID, "-c", "bottle", "--stack", "on", *dies, method=STACKED) == 0
    told = (
        "the worker process ended by signal SIGKILL while it fitted 4 cells together: fitted alone"
    )
    assert told in world.stderr.replace("\n", " ")
    frame = frame_of(world)
    assert set(frame["status"]) == {"done"}
    assert set(frame["warnings"]) == {told}


def test_bad_cell_of_a_stack_fails_alone(world, tmp_path):
    """One whose scores break the contract fails; those fitted with it are used as they are."""
    calls = tmp_path / "calls"
    bad = settings(nan_seed=1, calls=calls)
    assert world.run(*GRID, "-c", "bottle", "--stack", "on", *bad, method=STACKED) == 1
    frame = frame_of(world).set_index("seed")
    assert set(frame.loc[0, "status"]) == {"done"}
    assert set(frame.loc[0, "stacked"]) == {4}
    assert set(frame.loc[1, "status"]) == {"failed"}
    assert frame.loc[1, "error"].str.startswith("ContractError in score").all()
    assert calls.read_text().split("\n")[:-1] == ["fit 4", "fit 1", "fit 1"]


def test_killed_stack_runs_again(world, tmp_path):
    """kill -9 while cells are fitted together loses that stack only; the run goes on from it."""
    calls, lock = tmp_path / "calls", tmp_path / "lock"
    grid = (*GRID, "--stack", "on", *settings(calls=calls, waits=lock))
    assert world.run(*grid, "-c", "bottle", method=STACKED) == 0
    lock.touch()
    line = [sys.executable, "-m", "adrepro.harness.cli", "run", "-m", STACKED, "-d", "mvtec_ad"]
    line += [str(a) for a in (*world.places, "--device", "cpu", *grid)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while calls.read_text().count("fit 4") < 2:
        assert time.monotonic() < deadline, "no stack within a minute"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    lock.unlink()
    assert world.run(*grid, method=STACKED) == 0
    assert "8 cells: 4 in the store, 4 to run" in world.stderr
    assert calls.read_text().split("\n")[:-1] == ["fit 4"] * 3
    assert set(frame_of(world)["status"]) == {"done"}


def test_tuned_cells_are_stacked_with_their_choice(world):
    """Every method of a stack has its level's choice before the stack is fitted."""
    method = "toys_tuning:StackedTuned"
    assert world.run(*GRID, "-c", "bottle", "--stack", "on", method=method) == 0
    frame = frame_of(world)
    assert set(frame["stacked"]) == {4}
    assert set(frame["tuned"]) == {'{"a":1}'}


def test_stack_option(world):
    """`auto` means on for a GPU and off for a CPU; anything else is one line."""
    assert stack_limit("auto", "cpu") == stack_limit("off", "cuda:0") == 1
    assert stack_limit("auto", "cuda:0") == stack_limit("on", "cuda:0") == STACK_LIMIT
    assert stack_limit("on", "cpu") == CPU_STACK_LIMIT < STACK_LIMIT
    with pytest.raises(UsageError, match="--stack of: expected one of auto, on, off"):
        stack_limit("of", "cpu")
    assert world.run("--stack", "of", method=STACKED) == 2
    assert world.stderr.startswith("error: ")
    assert len(world.stderr.strip().splitlines()) == 1


def task(method=STACKED, *, seed=0, noise=0.0, n_train=3, category="bottle", **cell):
    """Return a task without files: enough to see what goes with what."""
    made = Cell(
        **{
            "dataset": "mvtec_ad", "category": category, "noise": noise, "seed": seed,
            "protocol": "fixed-test/1", "method": method, "settings": "{}", "backbone": "none",
            "image_size": 32, "evaluation": "eval/1", **cell,
        }
    )  # fmt: skip
    train = tuple(Sample(id=f"{i}", path=TESTS, sha256=f"{seed}{noise}{i}") for i in range(n_train))
    identity = Identity(cell=made, hashes={"images": "i", "method": "m", "weights": ""})
    return Task(
        identity=identity, method=method, settings=None, backbone=None, train=train, test=(),
        row={}, store=TESTS, device="cpu", keep_maps=False, exclusive=True,
    )  # fmt: skip


def test_what_may_stand_in_one_stack():
    """Seeds and levels may differ; category, settings and the number of images may not."""
    tasks = [task(seed=s, noise=n) for n in (0.0, 10.0) for s in range(3)]
    tasks += [task(seed=9, n_train=2), task(seed=9, n_train=2, noise=10.0)]
    tasks += [task(category="screw"), task(settings='{"a":1}')]
    (first, *groups) = group_tasks(tasks, jobs=1, stack=18)
    assert len(groups) == 1
    assert groups[0][0].identity.cell.category == "screw"
    sizes = sorted(len(stack) for stack in stacks_of(first, 18))
    assert sizes == [1, 2, 6]
    assert sorted(len(stack) for stack in stacks_of(first, 4)) == [1, 2, 2, 4]
    assert [len(stack) for stack in stacks_of(first, 1)] == [1] * 9
    assert [t for stack in stacks_of(first, 4) for t in stack] == first, "in their order"


def test_cells_that_share_a_fit_count_once_and_stay_together():
    """Another protocol's cell on the same training images neither fills a stack nor splits."""
    tasks = [task(seed=s, protocol=p) for s in range(3) for p in ("fixed-test/1", "overlap/1")]
    stacks = stacks_of(tasks, 2)
    assert [len(stack) for stack in stacks] == [4, 2]
    assert [len({training_key(t) for t in stack}) for stack in stacks] == [2, 1]


def test_method_that_does_not_stack_is_fitted_alone():
    """Where the class says nothing of stacks, every training set stands by itself."""
    tasks = [task("toys:PixelMean", seed=s) for s in range(3)]
    assert [len(stack) for stack in stacks_of(tasks, 18)] == [1, 1, 1]


def test_default_stack_is_one_by_one(world):
    """The contract's own fit_stack fits in turn: byte for byte as alone."""
    method = "toys_tuning:Together"
    grid = ("-c", "bottle", "--noise", "0", "--seeds", "3", "--jobs", "1")
    assert world.run(*grid, "--stack", "off", method=method) == 0
    alone = scores_of(world)
    world.store = world.root / "stack"
    assert world.run(*grid, "--stack", "on", method=method) == 0
    together = scores_of(world)
    assert set(alone) == set(together)
    assert all((alone[key] == together[key]).all() for key in alone)
    assert set(frame_of(world)["stacked"]) == {3}


def test_stack_of_one_is_none():
    """Fitting together needs two: with one training set nothing is held."""
    fits = Fits()
    only = task(n_train=1)
    fit_stack([only], FeatureProvider(None, "cpu", None), lambda *_: None, fits)
    assert fits.get(training_key(only)) is None
