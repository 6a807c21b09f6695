"""A clock that jumps: nobody's claim or file becomes stale by it, no duration negative."""

import itertools
import os
import time

import pytest
from engine_world import fork_workers, plan_of
from test_claims import DAY, KEY, leave_claim
from test_datasets_archives import CONTENT, good_tar, tree

from adrepro.datasets import owners
from adrepro.datasets.archives import extract
from adrepro.datasets.owners import FOREIGN_AGE_S, temporary_name
from adrepro.harness.claims import Claims
from adrepro.harness.engines import local
from adrepro.harness.engines.base import EngineOptions
from adrepro.harness.frames import store_frame
from adrepro.harness.missing import run_missing
from adrepro.harness.store import Store
from toys import PixelMean

NEARLY_OLD_S = FOREIGN_AGE_S - 3600  # a clock a day ahead takes it for older than that


class Looks(PixelMean):
    """Computes frozen features while it fits and scores."""

    name = "toy-looks"
    title = "Looks"
    backbone = "timm/test_resnet.random"

    def fit(self, train, context):
        super().fit(train, context)
        context.features.maps(train, (8,))

    def score(self, images, context):
        context.features.maps(images, (8,))
        return super().score(images, context)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", create=True)


@pytest.fixture
def jump(monkeypatch):
    """Set the system's clock that many seconds ahead of the true time, or back."""
    true, true_ns = time.time, time.time_ns

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: true() + seconds)
        monkeypatch.setattr(time, "time_ns", lambda: true_ns() + int(seconds * 1e9))

    return set_clock


@pytest.mark.parametrize("shift", [-DAY, DAY])
@pytest.mark.parametrize(
    "where",
    [{"machine": "elsewhere"}, {"boot": "another boot"}, {"namespace": "pid:[1]"}, {"start": ""}],
    ids=["host", "copy of this machine", "container", "start unknown"],
)
def test_run_that_cannot_be_seen_keeps_its_claim(store, jump, where, shift):
    """Between two looks at a claim the clock jumps a day: the lease has not passed."""
    leave_claim(store, pid=1, **where)
    with Claims(store, lease_s=60.0) as mine:
        assert not mine.take(KEY)
        jump(shift)
        assert not mine.take(KEY)


@pytest.mark.parametrize("shift", [-DAY, DAY])
def test_silent_run_goes_after_a_lease_whatever_the_clock_says(store, jump, shift):
    """A clock that is set back makes no lease a day longer."""
    leave_claim(store, pid=1, machine="elsewhere")
    with Claims(store, lease_s=0.3) as mine:
        assert not mine.take(KEY)
        jump(shift)
        time.sleep(0.6)
        assert mine.take(KEY)


@pytest.mark.parametrize("shift", [-DAY, DAY])
def test_files_of_a_run_that_cannot_be_seen_stay(store, jump, shift):
    """Its owner's file, temporary files and half an extraction age by the clock of the files."""
    owner = leave_claim(store, pid=1, machine="elsewhere")
    half = store.root / _elsewhere(temporary_name("result.json"))
    half.write_bytes(b"half")
    unpacking = store.root / f".set.extract{_elsewhere(owners.owner_tag())}"
    unpacking.mkdir()
    archive = store.root / "archive"
    archive.write_bytes(good_tar())
    then = time.time() - NEARLY_OLD_S
    for path in (owner, half, unpacking):
        os.utime(path, (then, then))
    jump(shift)
    with Claims(store):
        assert owner.exists()
    assert store.sweep() == 0
    extract(archive, store.root / "set")
    assert half.exists()
    assert unpacking.exists()
    assert tree(store.root / "set") == CONTENT


def _elsewhere(name: str) -> str:
    """Give a temporary file's name to another machine."""
    here = owners.owner_tag()[1:9]
    assert here in name
    return name.replace(here, "0" * 8)


@pytest.mark.parametrize("method", ["test_clocks:Looks", "toys_tuning:StackedTuned"])
def test_no_duration_is_negative(world, monkeypatch, method):
    """While cells are tuned, fitted, stacked and scored the clock goes back an hour at each look.

    Every time in their rows is one that passed, and the run's own are too.
    """
    fork_workers(monkeypatch)
    plan = plan_of(world, method=method, seeds=2, categories=("bottle",))
    made = Store(world.store, create=True)
    began, looks, true = time.perf_counter(), itertools.count(), time.time()
    monkeypatch.setattr(time, "time", lambda: true - 3600.0 * next(looks))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * (true - 3600.0 * next(looks))))
    tunings = plan.pending_tunings(made, plan.pending(made), "cpu")
    run_missing(
        plan.pending(made),
        tunings,
        made,
        engine=local.run_tasks,
        options=EngineOptions(cache=made.features, jobs=1, stack=4),
        keep_maps=False,
        listen=lambda event: None,
    )
    passed = time.perf_counter() - began
    frame = store_frame(made)
    assert list(frame["status"]) == ["done"] * 4
    timed = ["fit_s", "features_s", "wall_s", "score_ms_per_image", "latency_ms", "tuning_s"]
    for name in timed:
        values = frame[name].dropna()
        factor = 1000.0 if "ms" in name else 1.0
        assert ((values >= 0) & (values <= factor * passed)).all(), (name, list(values))
    filled = {name for name in timed if frame[name].notna().any()}
    assert filled >= {"fit_s", "features_s", "wall_s", "score_ms_per_image"}
    if method == "test_clocks:Looks":
        assert (frame["features_s"] > 0).any()
    else:
        assert frame["tuning_s"].notna().all()
        assert (frame["stacked"] > 1).any(), "or the stack's own times are not looked at"
