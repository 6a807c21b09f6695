"""Forecasts from finished cells, devices, and the options that say how cells are run."""

import re
import time

import pandas as pd
import pyarrow as pa
import pytest
from here import plan_here
from rich.console import Console
from toys_tuning import Stacked

from adrepro.datasets.errors import UnknownNameError, UsageError
from adrepro.harness.cell import Cell
from adrepro.harness.devices import default_jobs, resolve_devices
from adrepro.harness.engines.base import load_engine
from adrepro.harness.forecast import Forecast, kind_of
from adrepro.harness.frames import store_frame
from adrepro.harness.grouping import group_tasks
from adrepro.harness.progress import duration, plural
from adrepro.harness.store import Store
from adrepro.harness.worker import run_batch


def cell(**changes) -> Cell:
    known = {
        "dataset": "d", "category": "bottle", "noise": 0.0, "protocol": "p/1", "seed": 0,
        "method": "m", "settings": "{}", "backbone": "none", "image_size": 32, "evaluation": "e",
    }  # fmt: skip
    return Cell(**(known | changes))


def test_forecast_is_the_mean_of_cells_alike():
    """Known categories count with their own mean, others with their method's, shared by jobs."""
    left = [cell(seed=s, category=c) for s in range(4) for c in ("bottle", "screw", "new")]
    forecast = Forecast(left, jobs=3)
    assert forecast.seconds() is None
    for category, seconds in (("bottle", 1.0), ("bottle", 3.0), ("screw", 8.0)):
        forecast.add(kind_of(cell(category=category)), seconds)
    forecast.add(kind_of(cell(method="other")), 1e6)
    assert forecast.seconds() == pytest.approx((4 * 2 + 4 * 8 + 4 * 4) / 3)
    for done in left[:-2]:
        forecast.end(done)
    assert forecast.seconds() == pytest.approx((8 + 4) / 2), "two processes have nothing to do"
    for done in left[-2:]:
        forecast.end(done)
    assert forecast.seconds() == 0


def test_methods_never_seen_are_named():
    """A method of which no cell has finished is guessed from the others, and said to be."""
    forecast = Forecast([cell(), cell(method="slow"), cell(settings='{"a": 1}')], jobs=1)
    forecast.add(kind_of(cell()), 2.0)
    assert forecast.unknown == ["m", "slow"], "other settings may take another time"
    assert forecast.seconds() == 6.0


def test_plan_tells_what_finished_cells_predict(world):
    """`plan` has no forecast in an empty store; later one for the cells that are left."""
    grid = ("plan", "-m", "toys:Slow", "-d", "mvtec_ad", *world.places, "--noise", "0,25")
    assert world.reproduce(*grid) == 0
    assert "forecast" not in world.stdout
    assert world.run("-c", "bottle", "--seeds", "2", "--jobs", "2", method="toys:Slow") == 0
    assert world.reproduce(*grid, "--jobs", "2", "--seeds", "8") == 0
    (line,) = (line for line in world.stdout.splitlines() if line.startswith("forecast"))
    found = re.fullmatch(
        r"forecast: about (\d+) s with 2 processes, by 2 cells that finished on cpu before", line
    )
    assert found, line
    mean = store_frame(Store(world.store))["wall_s"].mean()
    assert mean > 0.5, "the toy sleeps for half a second"
    assert int(found[1]) == pytest.approx(30 * mean / 2, abs=1)


def test_cells_without_their_whole_time_are_put_together():
    """Results from before the column are judged by fit, features and scoring; fits count once."""
    frame = pd.DataFrame(
        {
            "status": ["done", "done", "failed", "done"],
            "method": ["m", "m", "m", "m"], "settings": "{}", "backbone": "none",
            "image_size": 32, "dataset": "d", "category": "bottle",
            "device": ["cpu", "cpu", "cpu", "cuda:0"],
            "fit_s": [3.0, 3.0, 9.0, 99.0], "fit_shared": [False, True, False, False],
            "features_s": [1.0, 0.0, 0.0, 0.0], "score_ms_per_image": 100.0,
            "n_test_good": 4, "n_test_anomalous": 6, "wall_s": [None, None, None, 99.0],
        }
    ).astype({"fit_shared": "boolean", "wall_s": "float64"})  # fmt: skip
    forecast = Forecast([cell(seed=5)], jobs=1)
    assert forecast.learn(pa.Table.from_pandas(frame)) == "cpu"
    assert forecast.learned == 2
    assert forecast.seconds() == pytest.approx((5.0 + 1.0) / 2)


def test_cells_of_a_stack_share_all_that_it_took(world, monkeypatch):
    """Their times sum up to the run's: training scores are in them, a shared fit counts once."""
    fit, score = Stacked._train, Stacked.score

    def slow_fit(methods, trains, contexts):
        time.sleep(0.4)
        fit(methods, trains, contexts)

    def slow_on_training_images(self, images, context):
        time.sleep(0.0 if context.want_maps else 0.2)
        return score(self, images, context)

    monkeypatch.setattr(Stacked, "_train", staticmethod(slow_fit))
    monkeypatch.setattr(Stacked, "score", slow_on_training_images)
    protocols = ("fixed-test", "overlap")
    plan = plan_here(
        world.data, "toys_tuning:Stacked", noise=(0.0, 25.0), seeds=2, protocols=protocols
    )
    store = Store(world.store, create=True)
    tasks = [
        cell.task(store.root, "cpu", keep_maps=False, exclusive=False) for cell in plan.distinct
    ]
    (group,) = group_tasks(tasks, 1, stack=18)
    start = time.perf_counter()
    run_batch(group, 18, store.features, lambda *_: None)
    took = time.perf_counter() - start
    frame = store_frame(store)
    assert len(frame) == 8
    assert set(frame["stacked"]) == {4}, "both protocols train on the same images"
    assert 0.4 + 4 * 0.2 <= frame["wall_s"].sum() <= took


def test_remaining_time_is_told_while_cells_run(world, monkeypatch):
    """Plain lines carry count and rest; the last one carries no rest."""
    monkeypatch.setattr("adrepro.harness.progress.PLAIN_EVERY_S", 0.0)
    assert world.run("--seeds", "2", "--jobs", "1", "-c", "bottle", method="toys:Slow") == 0
    lines = [line for line in world.stderr.splitlines() if re.match(r"\d of 2 cells", line)]
    assert re.match(r"1 of 2 cells, about \d+ s left$", lines[0])
    assert lines[-1] == "2 of 2 cells"


def gpus(monkeypatch, count: int) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def test_all_gpus_are_used_unless_named(monkeypatch):
    """auto is every GPU, a list those of the list, a job each; without GPUs the CPU."""
    gpus(monkeypatch, 3)
    assert resolve_devices("auto") == ("cuda:0", "cuda:1", "cuda:2")
    assert resolve_devices("cuda:2,cuda:0") == ("cuda:2", "cuda:0")
    assert resolve_devices("cuda") == ("cuda:0",)
    assert resolve_devices("cpu") == ("cpu",)
    assert default_jobs(("cuda:2", "cuda:0")) == 2
    gpus(monkeypatch, 0)
    assert resolve_devices("auto") == ("cpu",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cuda:0,cuda:0", "names a device twice"),
        ("cuda,cuda:0", "names a device twice"),
        ("cpu,cuda:0", "give the CPU alone"),
        ("cuda:0,cuda:9", "this machine has cuda:0 to cuda:1"),
        ("cuda:0,", "unknown device"),
        ("tpu", "unknown device"),
    ],
)
def test_devices_that_cannot_be_had_are_refused(monkeypatch, text, told):
    """One line that says what is wrong with the list."""
    gpus(monkeypatch, 2)
    with pytest.raises(UsageError, match=told):
        resolve_devices(text)


@pytest.mark.parametrize("text", ["0", "-3", "x", "", "10x", "inf", "nan", "m"])
def test_impossible_timeouts_are_refused(world, text):
    """A timeout is a time above 0, exit code 2."""
    assert world.run("--timeout", text) == 2
    assert "expected a time above 0" in world.stderr
    assert not world.store.exists()


@pytest.mark.parametrize(("text", "told"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200)])
def test_timeouts_have_units(text, told):
    """Seconds, minutes and hours."""
    from adrepro.harness.commands.options import parse_duration

    assert parse_duration(None, None, text) == told  # type: ignore[arg-type]


def test_unknown_engine_suggests(world):
    """An engine's name that is nearly right: the right one, before anything is scanned."""
    assert world.run("--engine", "slrum") == 2
    assert "did you mean slurm" in world.stderr
    with pytest.raises(UnknownNameError, match="known: local"):
        load_engine("zzz")


def test_fail_fast_stops_at_the_first_failure(world):
    """Exit code 1 and one line; what is left and how to go on is said."""
    assert world.run("--seeds", "3", "--jobs", "1", "--fail-fast", method="toys:Raises") == 1
    assert "stopped: 0 cells done, 1 failed, 5 left" in world.stderr
    assert "error: stopped after 1 cell failed" in world.stderr


def test_counts_and_times_read_well():
    """Plurals that are not formed with s."""
    assert plural(2, "process", "processes") == "2 processes"
    assert plural(1, "process", "processes") == "1 process"
    assert duration(3725) == "1 h 02 min"
    assert Console().is_terminal in {True, False}
