"""Tuning runs once per dataset and noise level, is kept, and its trouble stays its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrepro.datasets.errors import ContractError
from adrepro.datasets.seeds import derive_seed
from adrepro.harness.cell import canonical_json
from adrepro.harness.engines import remote
from adrepro.harness.engines.base import EngineOptions, Event
from adrepro.harness.frames import store_frame
from adrepro.harness.grid import Grid
from adrepro.harness.plan import make_plan
from adrepro.harness.run_cell import run_cell
from adrepro.harness.store import Status, Store
from adrepro.harness.tuned import Tuned, checked_result, read_tuned, write_tuned
from adrepro.methods.base import TuningResult
from adrepro.methods.features import FeatureProvider
from conftest import TESTS, grey_image, save

TUNED = "toys_tuning:Tuned"


@pytest.fixture
def calls(tmp_path):
    """A file that the toy writes its calls to."""
    return tmp_path / "calls.txt"


def arguments(calls, *more):
    return ("--set", f"{TUNED}.calls={calls}", *more)


def tuned_levels(calls):
    """Return the noise levels that were tuned for, sorted; one per call."""
    lines = calls.read_text().splitlines() if calls.exists() else []
    return sorted(line.split()[1] for line in lines if line.startswith("tune "))


def artifacts(store):
    return sorted((store / "tuning").glob("*.json"))


def frame_of(world):
    return store_frame(Store(world.store))


def plan_of(world, *, categories=None, protocols=("fixed-test",), overrides=None, seeds=1):
    grid = Grid(
        target="run", datasets=("mvtec_ad",), categories=categories, methods=(TUNED,),
        noise=(0.0, 25.0), seeds=seeds, protocols=protocols, overrides=overrides or {},
    )  # fmt: skip
    return make_plan(grid, data_root=world.data, cache=None)


def test_one_tuning_per_level_shared_and_kept(world, calls):
    """Categories and seeds share one tuning per level; a resumed or grown run reuses it."""
    grid = arguments(calls, "--noise", "0,25")
    assert world.reproduce("plan", "-m", TUNED, "-d", "mvtec_ad", *world.places, *grid) == 0
    assert "12 cells, 0 in the store, 12 to run, after 2 tunings" in world.stdout
    assert world.run(*grid, "--seeds", "1", "--jobs", "2", method=TUNED) == 0, world.stderr
    assert "4 cells: 0 in the store, 4 to run, after 2 tunings" in world.stderr
    assert "2 of 2 tunings: tuning toys_tuning:Tuned/mvtec_ad/noise" in world.stderr
    assert tuned_levels(calls) == ["0", "25"]
    assert world.run(*grid, "--seeds", "2", method=TUNED) == 0
    assert "8 cells: 4 in the store, 4 to run\n" in world.stderr
    assert tuned_levels(calls) == ["0", "25"]
    frame = frame_of(world)
    for level, rows in frame.groupby("noise"):
        (key,) = {
            Store(world.store).read(k).document["hashes"]["tuning"]  # type: ignore[index]
            for k in rows["key"]
        }
        tuned = read_tuned(Store(world.store), key)
        assert tuned is not None
        assert rows["tuning_s"].to_numpy() == pytest.approx([tuned.seconds / 2] * 4, abs=1e-6)
        assert set(rows["tuned"]) == {canonical_json(dict(tuned.chosen))}
        seeds = {
            "tuning_seed": derive_seed("tuning", "mvtec_ad", f"{level:g}"),
            "seed0": derive_seed("init", "mvtec_ad", "bottle", f"{level:g}", 0),
            "seed1": derive_seed("init", "mvtec_ad", "screw", f"{level:g}", 0),
        }
        assert {name: tuned.chosen[name] for name in seeds} == {
            name: seed % 2**20 for name, seed in seeds.items()
        }


def test_cells_use_what_was_chosen(world, calls):
    """Scores are those of the chosen power, as the untuned toy gives them."""
    one = ("-c", "bottle", "--seeds", "1")
    assert world.run(*arguments(calls, *one), method=TUNED) == 0
    (row,) = frame_of(world).to_dict("records")
    power = json.loads(row["tuned"])["power"]
    mine = Store(world.store).load_arrays(row["key"], "scores")["test_scores"]
    world.store = world.root / "plain"
    plain = "toys:PixelMean"
    assert world.run(*one, "--set", f"{plain}.power={power}", method=plain) == 0
    (key,) = Store(world.store)
    np.testing.assert_array_equal(
        mine, Store(world.store).load_arrays(key, "scores")["test_scores"]
    )
    assert np.isnan(frame_of(world)["tuning_s"]).all()


def test_failed_tuning_fails_its_cells_only(world, calls):
    """One level's tuning raises, another's dies: their cells fail in `tune`, all others run."""
    trouble = ("--set", f"{TUNED}.raises_at=25", "--set", f"{TUNED}.dies_at=50")
    grid = arguments(calls, "--noise", "0,25,50", "--seeds", "1", *trouble)
    assert world.run(*grid, "--jobs", "1", method=f"{TUNED},toys:PixelMean") == 1
    frame = frame_of(world)
    assert (frame[frame["method"] == "toys:PixelMean"]["status"] == "done").all()
    mine = frame[frame["method"] == TUNED].set_index(["noise", "category"])
    assert list(mine.loc[0.0, "status"]) == ["done", "done"]
    assert set(mine.loc[25.0, "error"]) == {"RuntimeError in tune: no optimum"}
    assert set(mine.loc[50.0, "error"]) == {
        "crash in tune: the worker process ended by signal SIGKILL"
    }
    assert "failed tuning toys_tuning:Tuned/mvtec_ad/noise25: RuntimeError in tune: no optimum" in (
        world.stderr
    )
    assert "Traceback" not in world.stderr
    assert "12 cells: 8 done, 4 failed" in world.stdout
    assert len(artifacts(world.store)) == 1


def test_damaged_choice_is_made_again(world, calls):
    """A cut or flipped file counts as not there; tuning again gives the same choice."""
    grid = arguments(calls, "-c", "bottle", "--seeds", "1")
    assert world.run(*grid, method=TUNED) == 0
    (path,) = artifacts(world.store)
    store, key, whole = Store(world.store), path.stem, path.read_bytes()
    good = read_tuned(store, key)
    assert good is not None
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert read_tuned(store, key) is None
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_tuned(store, key) is None
    (other := path.with_name("0" * 64 + ".json")).write_bytes(whole)
    assert read_tuned(store, other.stem) is None
    assert world.run(*grid, method=TUNED) == 0  # the finished cell does not need it
    assert tuned_levels(calls) == ["0"]
    assert world.run(*grid, "--seeds", "2", method=TUNED) == 0
    assert tuned_levels(calls) == ["0", "0"]
    again = read_tuned(store, key)
    assert again is not None
    assert (again.chosen, again.trials) == (good.chosen, good.trials)


def test_kill_while_tuning_loses_that_tuning_only(world, calls):
    """kill -9 in the middle of the second tuning: the first is kept, the run goes on from it."""
    lock = world.root / "lock"
    lock.touch()
    options = arguments(
        calls, "--noise", "0,25", "--seeds", "1", "--jobs", "1",
        "--set", f"{TUNED}.waits_at=25", "--set", f"{TUNED}.while_file={lock}",
    )  # fmt: skip
    line = [sys.executable, "-m", "adrepro.harness.cli", "run", "-m", TUNED, "-d", "mvtec_ad"]
    line += [str(a) for a in (*world.places, "--device", "cpu", *options)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while tuned_levels(calls) != ["0", "25"]:
        assert time.monotonic() < deadline, "no second tuning within a minute"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    assert len(artifacts(world.store)) == 1
    assert not list(world.store.glob("cells/??/*/*.json"))
    lock.unlink()
    assert world.run(*options, method=TUNED) == 0, world.stderr
    assert "4 cells: 0 in the store, 4 to run, after 1 tuning\n" in world.stderr
    assert tuned_levels(calls) == ["0", "25", "25"]
    assert set(frame_of(world)["status"]) == {"done"}


def test_tunings_run_side_by_side(world, calls):
    """Under --jobs 2 a tuning that waits for the other's end does not hold it up."""
    lock = world.root / "lock"
    lock.touch()
    # Level 25 comes second, ends first and takes the lock away only in this process: a thread.
    import threading

    def unlock():
        while len(tuned_levels(calls)) < 2:
            time.sleep(0.02)
        lock.unlink()

    watcher = threading.Thread(target=unlock, daemon=True)
    watcher.start()
    options = arguments(
        calls, "-c", "bottle", "--noise", "0,25", "--seeds", "1", "--jobs", "2",
        "--set", f"{TUNED}.waits_at=0", "--set", f"{TUNED}.while_file={lock}",
    )  # fmt: skip
    assert world.run(*options, method=TUNED) == 0
    watcher.join(timeout=1)
    assert not lock.exists()


def test_oracle_is_handed_over_and_said(world, calls):
    """Only an oracle sees test images, with their labels, and every row of its cells says so."""
    grid = ("-c", "bottle", "--seeds", "1", "--protocol", "fixed-test,overlap", "--noise", "25")
    assert world.run(*arguments(calls, *grid), method=TUNED) == 0
    assert len(tuned_levels(calls)) == 1, "the same training images, the same tuning"
    assert " [0] [0] " in calls.read_text()
    assert not frame_of(world)["warnings"].str.contains("test labels").any()
    calls.unlink()
    world.store = world.root / "oracle"
    oracle = ("--set", f"{TUNED}.oracle=true")
    assert world.run(*arguments(calls, *grid, *oracle), method=TUNED) == 0
    frame = frame_of(world)
    assert frame["warnings"].str.contains("test labels were used for tuning").all()
    sizes = frame["n_test_good"] + frame["n_test_anomalous"]
    shown = {tuple(map(int, re.findall(r"\[(\d+)\]", line))) for line in
             calls.read_text().splitlines() if line.startswith("tune ")}  # fmt: skip
    assert shown == set(zip(sizes, frame["n_test_anomalous"], strict=True))
    assert len(shown) == 2, "other test images, another tuning"
    key = frame["key"][0]
    assert world.reproduce("explain", key, "--store", world.store) == 0
    assert re.search(r"evaluations +3\n", world.stdout)
    assert re.search(r'chosen +{"power":', world.stdout)
    assert re.search(r"test labels +used\n", world.stdout)


def test_key_covers_what_the_tuning_sees(world):
    """Settings, categories and training images change the key; seeds and test masks do not."""
    keys = [{t.document["noise"]: t.key for t in plan_of(world).tunings}]
    keys.append({t.document["noise"]: t.key for t in plan_of(world, seeds=2).tunings})
    assert keys[0] == keys[1]
    seen = {keys[0][0.0], keys[0][25.0]}
    variations = (
        {"categories": ("bottle",)},
        {"overrides": {f"{TUNED}.power": "3"}},
        {"overrides": {f"{TUNED}.oracle": "true"}},
        {"protocols": ("added",)},
    )
    for variation in variations:
        seen |= {t.key for t in plan_of(world, **variation).tunings}
    assert len(seen) == 2 + 4 * 2 - 1  # `added` at 0 % trains on the same eight images
    save(world.data / "mvtec_ad/screw/train/good/000.png", grey_image(77, spot=False)[0])
    now = {t.document["noise"]: t.key for t in plan_of(world).tunings}
    assert now[0.0] not in seen, "at 0 % all eight images are drawn, the changed one too"


def test_other_categories_make_a_cell_stale_and_why_says_so(world, calls):
    """A cell tuned on two categories is another cell than one tuned on its own."""
    grid = arguments(calls, "--seeds", "1")
    assert world.run(*grid, "-c", "bottle", method=TUNED) == 0
    ask = ("why", "bottle", "-m", TUNED, "-d", "mvtec_ad", *world.places, *grid)
    assert world.reproduce(*ask, "-c", "bottle") == 0
    assert world.stdout.strip().endswith("done")
    assert world.reproduce(*ask) == 0
    assert "stale" in world.stdout
    assert "what its tuning depends on" in world.stdout


def test_cell_without_its_choice_fails_in_one_line(world):
    """A cell whose tuning is not in the store fails while loading and says what to do."""
    store = Store(world.store, create=True)
    cell = plan_of(world).cells[0]
    task = cell.task(store.root, "cpu", keep_maps=False, exclusive=True)
    failure = run_cell(task, FeatureProvider(None, "cpu", None), lambda *_: None)
    assert failure is not None
    assert (failure.kind, failure.phase) == ("CellError", "load")
    assert re.fullmatch(
        r"the tuning [0-9a-f]{16} that this cell needs is not in the store; "
        "run the same command again to tune",
        failure.message,
    )
    assert store.read(cell.key).status is Status.FAILED


def test_choice_that_is_no_number_breaks_the_contract(world, calls):
    """NaN never becomes a setting: field and value are named in the cell's failure."""
    grid = arguments(calls, "-c", "bottle", "--seeds", "1", "--set", f"{TUNED}.returns=nan")
    assert world.run(*grid, method=TUNED) == 1
    (error,) = frame_of(world)["error"]
    assert error == (
        "ContractError in tune: tune: TuningResult.chosen['power'] is nan, expected a finite number"
    )


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (None, "tune returned NoneType"),
        (TuningResult(chosen={}, objective="x", trials=()), "trials is empty"),
        (TuningResult(chosen={}, objective="", trials=({},)), "objective is empty"),
        (TuningResult(chosen={"a": "b"}, objective="x", trials=({},)), r"chosen\['a'\] is 'b'"),  # type: ignore[dict-item]
        (TuningResult(chosen={}, objective="x", trials=({"v": float("inf")},)), r"trials\[0\]"),
    ],
)
def test_bad_tuning_results_are_named(result, told):
    """Whatever is wrong with a tuning's result is one line that names the field."""
    with pytest.raises(ContractError, match=told) as caught:
        checked_result(result)
    assert "\n" not in str(caught.value)


NUMBERS = st.dictionaries(
    st.text(max_size=8),
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-(2**53), 2**53),
        st.floats(width=32, allow_nan=False, allow_infinity=False).map(np.float32),
    ),
    max_size=5,
)


@settings(max_examples=50, deadline=None)
@given(chosen=NUMBERS, trials=st.lists(NUMBERS, min_size=1, max_size=3))
def test_what_was_chosen_reads_back_exactly(tmp_path_factory, chosen, trials):
    """Any finite numbers, NumPy's too, come back from the store as they were."""
    store = Store(tmp_path_factory.mktemp("s") / "store", create=True)
    result = checked_result(TuningResult(chosen=chosen, objective="x", trials=tuple(trials)))
    tuned = Tuned(
        document={"oracle": False, "categories": {"a": {}}}, chosen=result.chosen, objective="x",
        trials=result.trials, seconds=1.5, device="cpu",
        device_name="CPU", env={}, exclusive=True,
    )  # fmt: skip
    write_tuned(store, tuned)
    back = read_tuned(store, tuned.key)
    assert back is not None
    assert dict(back.chosen) == chosen
    assert [dict(trial) for trial in back.trials] == trials
    assert Path(store.tuning / f"{tuned.key}.json").is_file()


@pytest.mark.parametrize("in_time", [True, False])
def test_watcher_tells_each_failure_once(world, calls, monkeypatch, in_time):
    """Cells whose failures are seen before their tuning's are not told again, nor waited for."""
    made = plan_of(world, categories=("bottle",), seeds=3)
    store = Store(world.store, create=True)
    pending = made.pending(store)
    first = made.pending_tunings(store, pending, "cpu")[0]
    cells = [c.task(store.root, "cpu", keep_maps=False, exclusive=False) for c in pending]
    mine = [t for t in cells if t.identity.key in {i.key for i in first.identities}]
    assert len(mine) == 3
    looks = {"count": 0}

    def news(_store, task, _before):
        looks["count"] += task is first
        seen = looks["count"] > 1
        early = task in mine[:2] or (seen and not in_time)
        told = seen and in_time if task is first else early
        return Event(kind="failed", task=task, text="no optimum") if told else None

    monkeypatch.setattr(remote, "news", news)
    monkeypatch.setattr(remote, "LOOK_EVERY_S", 0.01)
    heard = []
    options = EngineOptions(cache=store.features)
    remote.watch([first, *mine], options, heard.append, alive=lambda: "gone" * (looks["count"] > 4))
    told = [len(e.task.identities) for e in heard]
    assert sum(told) == 3
    assert heard[-1].task.label == first.label
