"""One cell's trouble stays that cell's trouble."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

from adrepro.datasets.errors import UsageError
from adrepro.harness.devices import resolve_device
from adrepro.harness.frames import store_frame
from adrepro.harness.store import Store
from conftest import TESTS, grey_image, save, write_mvtec

ONE = ("-c", "bottle", "--seeds", "1")


def frame_of(world) -> pd.DataFrame:
    return store_frame(Store(world.store))


def test_method_that_raises_fails_its_cell_only(world):
    """A raising method is reported in one line, others go on, and the exit code is 1."""
    code = world.run(*ONE, method="toys:Raises,toys:PixelMean")
    assert code == 1
    frame = frame_of(world).set_index("method")
    assert frame.loc["toys:PixelMean", "status"] == "done"
    assert frame.loc["toys:Raises", "status"] == "failed"
    assert frame.loc["toys:Raises", "error"] == "RuntimeError in fit: the lamp is broken"
    assert "the lamp is broken" in world.stderr
    assert "Traceback" not in world.stderr


def test_scores_that_are_not_finite_break_the_contract(world):
    """NaN never reaches a table: the hook and field are named."""
    assert world.run(*ONE, method="toys:NotFinite") == 1
    (error,) = frame_of(world)["error"]
    assert error.startswith("ContractError in score: score: Scores.image")


def test_everything_in_a_cell_computes_with_one_thread(world, monkeypatch):
    """Not only torch: sums of numpy and scipy depend on how many threads share them, too."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "3")
    assert world.run(*ONE, method="toys:CountsThreads") == 0
    (key,) = frame_of(world)["key"]
    log = (Store(world.store).folder(key) / "log.txt").read_text()
    found = re.findall(r"threads (\w+) (\d+)", log)
    assert {"libscipy_openblas", "libgomp", "torch"} <= {library for library, _ in found}
    assert {count for _, count in found} == {"1"}


@pytest.mark.parametrize(
    ("method", "cause"), [("Segfault", "signal SIGSEGV"), ("Exits", "exit code 9")]
)
def test_worker_that_dies_costs_one_cell(world, method, cause):
    """A dead worker is blamed on the cell it was in; the rest of its group runs."""
    code = world.run("-c", "bottle", "--seeds", "3", "--jobs", "1", method=f"toys:{method}")
    assert code == 1
    frame = frame_of(world).set_index("seed").sort_index()
    failed = [0, 1, 2] if method == "Segfault" else [1]
    assert list(frame.index[frame["status"] == "failed"]) == failed
    assert all(cause in frame.loc[seed, "error"] for seed in failed)
    assert (frame["status"] == "done").sum() == 3 - len(failed)


def test_failed_cells_run_again_alone(world):
    """The same command again runs failed cells only; finished ones stay untouched."""
    assert world.run(*ONE, method="toys:Raises,toys:PixelMean") == 1
    good = next(r for r in frame_of(world).itertuples() if r.status == "done")
    before = (Store(world.store).folder(good.key) / "result.json").stat().st_mtime_ns
    assert world.run(*ONE, method="toys:Raises,toys:PixelMean") == 1
    assert "2 cells: 1 in the store, 1 to run" in world.stderr
    after = (Store(world.store).folder(good.key) / "result.json").stat().st_mtime_ns
    assert before == after


def test_loud_method_is_capped(world):
    """Ten million printed characters neither reach the terminal nor fill the store."""
    assert world.run(*ONE, method="toys:Loud") == 0
    (key,) = Store(world.store)
    log = (Store(world.store).folder(key) / "log.txt").read_text()
    assert len(log) < 210_000
    assert "more characters were dropped" in log
    assert "xxxx" not in world.stdout + world.stderr


def test_image_level_method_has_no_pixel_metrics(world):
    """A method that does not localise gets undefined pixel metrics, not zeros."""
    assert world.run(*ONE, method="toys:ImageOnly") == 0
    (row,) = frame_of(world).to_dict("records")
    assert row["image_auroc"] == 1.0
    assert pd.isna(row["pixel_auroc"])
    assert pd.isna(row["aupro"])


def test_cell_depends_on_nothing_that_ran_before(world, tmp_path):
    """Categories, seeds and methods in any order and any number of jobs give the same bytes."""
    assert world.run("--seeds", "2", "--noise", "0,50", "--jobs", "1") == 0
    first = {k: _score_bytes(world.store, k) for k in Store(world.store)}
    world.store = tmp_path / "again"
    assert world.run("--seeds", "2", "--noise", "50,0", "-c", "screw,bottle", "--jobs", "2") == 0
    assert first == {k: _score_bytes(world.store, k) for k in Store(world.store)}
    assert len(first) == 8


def _score_bytes(store, key):
    return (Store(store).folder(key) / "scores.npz").read_bytes()


def command(world, *arguments):
    """Start the real command in a process of its own."""
    line = [sys.executable, "-m", "adrepro.harness.cli", "run", "-m", "toys:Slow", "-d", "mvtec_ad"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    line += [str(a) for a in (*world.places, "--device", "cpu", "--jobs", "2", *arguments)]
    return subprocess.Popen(
        line, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_for_results(world, count):
    deadline = time.monotonic() + 240
    while len(list(world.store.glob("cells/??/*/result.json"))) < count:
        assert time.monotonic() < deadline, "no result within a minute"
        time.sleep(0.05)


GRID = ("--seeds", "3", "--noise", "0,25,50")  # 2 categories × 9 cells


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_goes_on_where_it_was(world, tmp_path, sign):
    """Killed in the middle and started again: the same results as a run without interruption."""
    process = command(world, *GRID)
    wait_for_results(world, 3)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(sign)
    _, said = process.communicate(timeout=240)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}[sign]
    if sign is not signal.SIGKILL:
        assert "run the same command to go on" in said
        assert "Traceback" not in said
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "a worker outlived its parent"
    done = len(list(world.store.glob("cells/??/*/result.json")))
    assert 3 <= done < 18
    assert world.run(*GRID, method="toys:Slow") == 0
    assert f"18 cells: {done} in the store" in world.stderr
    interrupted = {k: _score_bytes(world.store, k) for k in Store(world.store)}
    world.store = tmp_path / "whole"
    assert world.run(*GRID, method="toys:Slow") == 0
    assert interrupted == {k: _score_bytes(world.store, k) for k in Store(world.store)}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("scores.npz", "scores.npz does not match its checksum"),
        ("result.json", "result.json cannot be read"),
    ],
)
def test_damaged_cell_runs_again(world, name, reason):
    """A cell whose file was damaged is not believed, is named with that file and runs again."""
    assert world.run(*ONE) == 0
    assert "damaged" not in world.stderr
    (key,) = Store(world.store)
    path = Store(world.store).folder(key) / "scores.npz"
    whole = path.read_bytes()
    hurt = path.with_name(name)
    hurt.write_bytes(hurt.read_bytes()[:-3])
    assert world.run(*ONE) == 0
    assert f"note: 1 damaged cell runs again: {key[:16]}: {reason}\n" in world.stderr
    assert "1 cell: 0 in the store, 1 to run" in world.stderr
    assert path.read_bytes() == whole
    assert world.run(*ONE) == 0
    assert "damaged" not in world.stderr


def test_many_damaged_cells_are_told_in_one_line(world):
    """The first few by name, the others by their number."""
    grid = ("--seeds", "5", "-c", "bottle")
    assert world.run(*grid) == 0
    store = Store(world.store)
    for key in store:
        (store.folder(key) / "scores.npz").unlink()
    assert world.run(*grid) == 0
    (line,) = (line for line in world.stderr.splitlines() if "damaged" in line)
    assert line.startswith("note: 5 damaged cells run again: ")
    assert line.count("scores.npz is missing; ") == 3
    assert line.endswith("; and 2 more")


def test_moved_store_is_still_valid(world, tmp_path):
    """No absolute path is part of a result: a store may be moved, and so may the data."""
    assert world.run(*ONE) == 0
    world.store = world.store.rename(tmp_path / "elsewhere")
    world.data = world.data.rename(tmp_path / "data2")
    assert world.run(*ONE) == 0
    assert "1 cell" not in world.stderr
    assert str(tmp_path) not in "".join(
        p.read_text(errors="replace") for p in world.store.glob("cells/??/*/*.json")
    )


def test_exactly_the_dependent_cells_become_stale(world):
    """Changing one training image makes the cells of its category stale; `why` names the cause."""
    assert world.run("--seeds", "1") == 0
    save(world.data / "mvtec_ad/bottle/train/good/000.png", grey_image(77, spot=False)[0])
    again = ("run", "-m", "toys:PixelMean", "-d", "mvtec_ad", *world.places, "--seeds", "1")
    assert world.reproduce("why", "noise0", *again[1:]) == 0
    lines = {line.split("/")[2]: line for line in world.stdout.splitlines()}
    assert "stale" in lines["bottle"]
    assert "content of an image" in lines["bottle"]
    assert lines["screw"].endswith("done")
    assert world.reproduce("why", "bottle", *again[1:], "--set", "toys:PixelMean.power=3") == 0
    assert "setting power (2.0 → 3.0)" in world.stdout
    assert world.run("--seeds", "1") == 0
    assert "2 cells: 1 in the store, 1 to run" in world.stderr


def test_explain_reaches_the_image_hashes(world):
    """`explain` shows which images were injected, by id and hash."""
    assert world.run("-c", "bottle", "--seeds", "1", "--noise", "50") == 0
    (key,) = Store(world.store)
    assert world.reproduce("explain", key[:12], "--store", world.store, "--json") == 0
    told = json.loads(world.stdout)
    injected = [image for image in told["images"]["train"] if image["injected"]]
    assert len(injected) == told["row"]["n_train_noisy"] == 4
    assert all(image["anomalous"] and len(image["sha256"]) == 64 for image in injected)
    tested = {image["sha256"] for image in told["images"]["test"]}
    assert not tested & {image["sha256"] for image in injected}


def test_explain_ends_with_what_came_out(world):
    """Images are counted, and listed only where asked for; results stand last in both."""
    assert world.run("-c", "bottle", "--seeds", "1", "--noise", "50") == 0
    (key,) = Store(world.store)
    images = Store(world.store).load_json(key, "images")
    assert world.reproduce("explain", key[:12], "--store", world.store) == 0
    short = world.stdout
    count, marked = len(images["train"]), sum(i["injected"] for i in images["train"])
    assert re.search(rf"train +{count}, {marked} anomalous, {marked} injected\n", short)
    assert re.search(rf"test +{len(images['test'])}, \d+ anomalous\n", short)
    assert "--images" in short
    assert images["test"][0]["id"] not in short
    assert world.reproduce("explain", key[:12], "--store", world.store, "--images") == 0
    listed, _, rest = world.stdout.partition(f"key     {key}")
    assert rest.rpartition("\nrow\n")[2] == short.rpartition("\nrow\n")[2] != ""
    assert re.search(r"image_auroc +\d", rest.rpartition("\nrow\n")[2])
    for image in (*images["train"], *images["test"]):
        marks = [mark for mark in ("anomalous", "injected") if image[mark]]
        assert f"  {image['sha256'][:16]}  {image['id']}  {' '.join(marks)}".rstrip() in listed


def test_unknown_device_is_one_line():
    """A device that the machine lacks is named together with what it has."""
    with pytest.raises(UsageError, match="--device cuda:99"):
        resolve_device("cuda:99")


def test_child_of_a_dead_worker_neither_hangs_the_run_nor_survives(world):
    """A method that forks and dies costs its cell, at once; its child is ended too."""
    start = time.monotonic()
    assert world.run(*ONE, method="toys:LeavesChild") == 1
    assert time.monotonic() - start < 60
    (error,) = frame_of(world)["error"]
    assert "exit code 3" in error
    orphans = [p for p in psutil.process_iter(["ppid", "cmdline"]) if p.info["ppid"] == 1]
    assert not [p for p in orphans if "forkserver" in " ".join(p.info["cmdline"] or ())]


def test_method_that_leaves_by_sys_exit_fails_its_cell(world):
    """sys.exit() in a method is a failure with its message, not a dead worker."""
    assert world.run(*ONE, method="toys:SysExit") == 1
    assert list(frame_of(world)["error"]) == ["SystemExit in fit: enough"]


def test_maps_can_be_asked_for_later(world):
    """A finished cell without maps runs again when maps are to be kept."""
    assert world.run(*ONE) == 0
    assert world.run(*ONE, "--keep-maps") == 0
    assert "1 cell: 0 in the store, 1 to run" in world.stderr
    (key,) = Store(world.store)
    assert Store(world.store).has(key, "maps.npz")
    assert world.run(*ONE, "--keep-maps") == 0
    assert "to run" not in world.stderr


def test_backbone_of_a_preset_is_used(world):
    """What a method's preset says about its backbone holds; the command line wins over it."""
    grid = ("-d", "mvtec_ad", "-m", "toys:OwnBackbone", "--preset", "quick", *world.places)
    assert world.reproduce("plan", *grid) == 0
    assert "timm/resnet18.random, 64 px" in world.stdout
    assert world.reproduce("plan", *grid, "--backbone", "efficientnet_lite0") == 0
    assert "efficientnet_lite0.packaged, 64 px" in world.stdout


def test_named_dataset_is_never_replaced(world):
    """--preset demo draws images only where no dataset was named."""
    arguments = ("table1", "--preset", "demo", "-d", "mvtec_ad", "-c", "bottle", "--noise", "0")
    assert world.reproduce("plan", *arguments, *world.places) == 0
    assert "mvtec_ad" in world.stdout
    assert "synthetic" not in world.stdout
    assert "0/8" in world.stdout


def test_plan_shows_what_cannot_be_had_before_it_refuses(world):
    """An impossible level is a dash in the feasibility table; then the error, exit 2."""
    arguments = ("-d", "mvtec_ad", "-m", "toys:PixelMean", *world.places, "--noise", "0,60")
    assert world.reproduce("plan", *arguments) == 2
    assert "–" in world.stdout
    assert world.stderr.startswith("error: ")


def test_plan_needs_no_weights(world, monkeypatch):
    """What the data can give is shown also where weights cannot be fetched."""
    from adrepro.datasets.errors import WeightsError
    from adrepro.methods.backbones import BackboneSpec

    def refuse(self):
        raise WeightsError("no weights here")

    monkeypatch.setattr(BackboneSpec, "weights_sha256", refuse)
    arguments = ("table1", "-d", "mvtec_ad", "-m", "patchcore", "--noise", "0", *world.places)
    assert world.reproduce("plan", *arguments) == 0
    assert "patchcore cannot run yet: no weights here" in world.stdout
    assert world.reproduce(*arguments) == 2


def test_target_limits_the_categories(world):
    """A target runs the categories that its table has rows for, not all that lie on disk."""
    write_mvtec(world.data / "mvtec_ad", categories=("extra",))
    arguments = ("table1", "-d", "mvtec_ad", "-m", "toys:PixelMean", "--noise", "0")
    assert world.reproduce("plan", *arguments, "--seeds", "1", *world.places) == 0
    assert "2 cells" in world.stdout
    assert "extra" not in world.stdout
    assert world.reproduce("plan", *arguments, "-c", "screw", "--seeds", "1", *world.places) == 0
    assert "\n1 cell, 0 in the store, 1 to run\n" in world.stdout


def test_cells_of_one_label_are_told_apart(world):
    """`explain` lists keys with what tells them apart where a label names several cells."""
    assert world.run(*ONE) == 0
    assert world.run(*ONE, "--protocol", "added") == 0
    assert world.reproduce("explain", "bottle/noise0/seed0", "--store", world.store) == 2
    assert "2 cells match" in world.stderr
    assert "(fixed-test, 32 px, eval/2, code" in world.stderr
    assert "(added, 32 px, eval/2, code" in world.stderr


def test_why_says_that_it_needs_a_plan(world):
    """Without a target or a grid, `why` says what to add."""
    assert world.run(*ONE) == 0
    assert world.reproduce("why", "bottle", "--store", world.store) == 2
    assert "why needs the plan" in world.stderr


def test_bare_command_prints_its_help(world):
    """`reproduce` alone shows the help, in lines, with exit code 2."""
    assert world.reproduce() == 2
    assert "Commands:" in world.stderr
    assert "error:" not in world.stderr
