"""The Ray engine on one machine, with GPUs that are declared and not there."""

import itertools
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest
from engine_worlds import Heard, options_of, score_bytes, tasks_of

from adrepro.datasets.errors import UsageError
from adrepro.harness.claims import Claims
from adrepro.harness.engines import local
from adrepro.harness.engines import ray as engine
from adrepro.harness.engines.ray_runtime import RaySettings, runtime
from conftest import TESTS

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A runtime as the engine starts it, with two CPUs and two GPUs that do not exist."""
    with pytest.MonkeyPatch.context() as patch:
        token = tmp_path_factory.mktemp("ray") / "token"
        token.write_text("c0ffee" * 10)
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
        patch.syspath_prepend(str(TESTS))
        with runtime(RaySettings(), jobs=2, gpus=2) as ray:
            yield ray


def test_results_are_those_of_the_local_engine(cluster, world, tmp_path):
    """A toy table: the same bytes as the local engine's, each cell's end heard once."""
    store, tasks = tasks_of(world, "toys:PixelMean", "toys:Counting", overrides=book(tmp_path))
    heard = Heard()
    engine.run_tasks(tasks, options_of(store, jobs=2), heard)
    assert set(heard.ends().values()) == {"done"}
    assert len(heard.ends()) == len(tasks) == 4
    world.store = tmp_path / "local"
    again, tasks = tasks_of(world, "toys:PixelMean", "toys:Counting", overrides=book(tmp_path))
    local.run_tasks(tasks, options_of(again, jobs=1), Heard())
    assert score_bytes(store) == score_bytes(again)
    assert len(score_bytes(store)) == 4


def book(folder):
    return {"toys:Counting.book": str(folder / "book.txt")}


def test_nothing_in_the_store_is_a_pickle(cluster, world):
    """Ray pickles its messages; what it leaves in the store is what the local engine leaves."""
    store, tasks = tasks_of(world, "toys:PixelMean", seeds=1)
    engine.run_tasks(tasks, options_of(store), Heard())
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert len(files) >= 5
    assert not [path for path in files if path.read_bytes()[:1] == pickle.dumps(0)[:1]]
    assert not list((store.root / "claims").iterdir()), "a claim was left behind"


def test_cell_that_dies_costs_itself(cluster, world):
    """A cell whose process ends without a word has failed; the others of its batch run."""
    store, tasks = tasks_of(world, "toys:Exits", seeds=3)
    heard = Heard()
    engine.run_tasks(tasks, options_of(store, jobs=2), heard)
    assert heard.by_seed() == {0: "done", 1: "failed", 2: "done"}
    (failed,) = [event for event in heard if event.kind == "failed"]
    assert "exit code 9" in failed.text


def test_lost_process_is_started_again_and_repeats_nothing(cluster, world, tmp_path):
    """Ray's own process is killed once: the batch goes on, and what was done is not repeated."""
    settings = {"toys_ray:KillsRay.book": str(tmp_path / "book.txt")}
    store, tasks = tasks_of(world, "toys_ray:KillsRay", seeds=3, overrides=settings)
    heard = Heard()
    engine.run_tasks(tasks, options_of(store, stack=1), heard)
    assert set(heard.ends().values()) == {"done"}
    assert sorted((tmp_path / "book.txt").read_text().split()) == ["0", "1", "1", "2"]


def test_cell_that_kills_every_process_fails_alone(cluster, world, tmp_path):
    """Retries are bounded: the cell that Ray's process was in has failed, the others run."""
    settings = {
        "toys_ray:KillsRay.book": str(tmp_path / "book.txt"),
        "toys_ray:KillsRay.times": "99",
    }
    store, tasks = tasks_of(world, "toys_ray:KillsRay", seeds=3, overrides=settings)
    heard = Heard()
    engine.run_tasks(tasks, options_of(store, settings={"retries": "1"}), heard)
    said = [event.text for event in heard if event.kind == "failed"]
    assert heard.by_seed() == {0: "done", 1: "failed", 2: "done"}, said
    (failed,) = [event for event in heard if event.kind == "failed"]
    assert "its Ray process was lost" in failed.text
    assert store.read(failed.task.identity.key).reason == failed.text


@pytest.mark.parametrize(
    ("fraction", "timing", "side_by_side"), [("1", "no", 1), ("0.5", "no", 2), ("0.5", "yes", 1)]
)
def test_share_of_a_gpu_is_kept(cluster, world, monkeypatch, fraction, timing, side_by_side):
    """No more batches see one GPU at a time than its shares allow; alone is who has all of it.

    For times, each has all of one, whatever share was asked for.
    """
    from toys_ray import record_device

    monkeypatch.setattr(engine, "run_batch", record_device)
    both = ("bottle", "screw")
    store, tasks = tasks_of(world, "toys:PixelMean", "toys:ImageOnly", categories=both)
    options = options_of(
        store, jobs=2, devices=("cuda:0", "cuda:1"),
        settings={"gpu-fraction": fraction, "cpus": "0.25", "timing": timing},
    )  # fmt: skip
    heard = Heard()
    engine.run_tasks(tasks, options, heard)
    assert len(heard.ends()) == len(tasks)
    lines = [line.split() for line in (store.root / "devices.txt").read_text().splitlines()]
    assert {line[1] for line in lines} == {"0", "1"}
    assert {line[4] for line in lines} == {str(side_by_side == 1)}
    spans = [(line[1], float(line[2]), float(line[3])) for line in lines]
    for device, begun, _ in spans:
        beside = [s for s in spans if s[0] == device and s[1] <= begun < s[2]]
        assert len(beside) <= side_by_side


@pytest.mark.parametrize(
    ("settings", "asked"), [({"cpus": "3"}, "3 CPU"), ({"address": "", "cpus": "99"}, "99 CPU")]
)
def test_what_no_machine_has_is_refused(cluster, world, settings, asked):
    """A need that Ray would wait for without end is one line that says what there is."""
    store, tasks = tasks_of(world, "toys:PixelMean", seeds=1)
    with pytest.raises(UsageError, match=rf"needs {asked}.*there is: 2 CPU, 2 GPU, 2 timing"):
        engine.run_tasks(tasks, options_of(store, settings=settings), Heard())


@pytest.mark.parametrize(
    ("jobs", "settings", "alone"),
    [
        (1, {}, True),
        (1, {"cpus": "0.5"}, True),
        (2, {"cpus": "0.5"}, False),
    ],
    ids=["one", "one of half a core", "two"],
)
def test_times_are_marked_alone_where_they_were(cluster, world, tmp_path, jobs, settings, alone):
    """Rows say "exclusive" exactly where one process at a time was let run, and none ran beside it.

    With --jobs 1 a second would fit into the runtime.
    """
    book = tmp_path / "times.txt"
    store, tasks = tasks_of(
        world, "toys_ray:NotesTimes", seeds=2, categories=("bottle", "screw"),
        overrides={"toys_ray:NotesTimes.book": str(book)},
    )  # fmt: skip
    heard = Heard()
    engine.run_tasks(tasks, options_of(store, jobs=jobs, settings=settings), heard)
    assert set(heard.ends().values()) == {"done"}
    assert exclusive_in(store) == [alone] * 4
    spans = sorted(tuple(map(float, line.split())) for line in book.read_text().splitlines())
    assert not alone or all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_times_beside_another_run_are_not_marked_alone(cluster, world):
    """Another run on the store that is at work on the machine shares its cores."""
    store, tasks = tasks_of(world, "toys:PixelMean", seeds=1)
    with Claims(store):
        engine.run_tasks(tasks, options_of(store), Heard())
    assert exclusive_in(store) == [False]


def exclusive_in(store):
    return [dict(store.read(key).row or {})["exclusive"] for key in store]


@pytest.mark.parametrize("what", ["image", "source"])
def test_what_has_changed_since_the_plan_is_refused(cluster, world, what):
    """Ray's processes hold images and code against the key, as all do: a cell of others fails."""
    store, tasks = tasks_of(world, "toys:PixelMean", seeds=1)
    if what == "image":
        (world.data / "mvtec_ad/bottle/train/good/000.png").write_bytes(b"another")
    else:  # as on a machine with another version
        hashes = {**tasks[0].identity.hashes, "method": "0" * 64}
        tasks = [replace(tasks[0], identity=replace(tasks[0].identity, hashes=hashes))]
    heard = Heard()
    engine.run_tasks(tasks, options_of(store), heard)
    (failed,) = [event for event in heard if event.kind == "failed"]
    shown = {"image": "bottle/train/good/000.png", "source": "the source of toys:PixelMean"}[what]
    assert f"CellError in load: {shown} on " in failed.text
    assert store.read(failed.task.identity.key).reason == failed.text


def test_runtime_is_closed_to_others(cluster):
    """Usage statistics and dashboard are off, retries bounded; without the token nobody enters."""
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert int(os.environ["RAY_task_oom_retries"]) >= 0  # noqa: SIM112 - Ray's own spelling
    assert not cluster._private.worker._global_node.webui_url
    address = cluster.get_runtime_context().gcs_address
    knock = f"import ray; ray.init(address='{address}'); print('inside')"
    stranger = {n: v for n, v in os.environ.items() if n != "RAY_AUTH_TOKEN_PATH"}
    with subprocess.Popen(
        [sys.executable, "-c", knock],
        env=stranger | {"RAY_AUTH_TOKEN": "0123456789" * 6},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        said = next(line for line in process.stdout if "inside" in line or "Auth" in line)
        process.kill()
    assert "InvalidAuthToken" in said
