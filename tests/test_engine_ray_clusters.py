"""Ray with a runtime of its own per test: the whole command, a driver that dies, two machines."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from engine_worlds import Heard, options_of, score_bytes, tasks_of

from adrepro.harness.engines import ray as engine
from adrepro.harness.engines.ray_runtime import prepare
from adrepro.harness.store import Store
from conftest import TESTS

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

WAIT_S = 300


@pytest.fixture(autouse=True)
def token(tmp_path, monkeypatch):
    """A token of our own, so that the tests neither read nor write the user's."""
    path = tmp_path / "token"
    path.write_text("c0ffee" * 10)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.syspath_prepend(str(TESTS))


def command(world, *arguments):
    line = [sys.executable, "-m", "adrepro.harness.cli", "run", "-m", "toys:Slow", "-d", "mvtec_ad"]
    line += [str(a) for a in (*world.places, "--device", "cpu", "--jobs", "2", *arguments)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_driver_that_ends_loses_only_what_was_in_flight(world, tmp_path, sign):
    """Ray forgets its queue with the driver, the store does not; no process is left behind."""
    grid = ("--seeds", "4", "--engine", "ray")
    process = command(world, *grid)
    deadline = time.monotonic() + WAIT_S
    while len(list(world.store.glob("cells/??/*/result.json"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    # Ray's own agents take a minute or two to notice that a driver was killed.
    children = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if not child.name().endswith("Agent")
    ]
    process.send_signal(sign)
    _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == (130 if sign == signal.SIGINT else -9), said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive, "a process outlived the driver"
    done = len(score_bytes(Store(world.store)))
    assert 2 <= done < 8
    again = command(world, *grid)
    _, said = again.communicate(timeout=WAIT_S)
    assert again.returncode == 0, said
    made = score_bytes(Store(world.store))
    assert len(made) == 8
    world.store = tmp_path / "local"
    assert world.run("--seeds", "4", method="toys:Slow") == 0
    assert score_bytes(Store(world.store)) == made


def test_two_machines_share_a_table(world):
    """Two runtimes in one cluster: both run cells; one is lost, the other ends the table."""
    ray = prepare()
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        lost = [cluster.add_node(num_cpus=1)]
        store, tasks = tasks_of(
            world, "toys:Slow", "toys_ray:NamesNode", categories=("bottle", "screw"), seeds=4
        )
        heard = Heard()

        def listen(event):
            heard(event)
            if lost and len(heard.ends()) >= 12:
                cluster.remove_node(lost.pop(), allow_graceful=False)

        settings = {"address": cluster.address}
        engine.run_tasks(tasks, options_of(store, settings=settings, grace_s=1.0), listen)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert len(heard.ends()) == len(tasks)
    assert set(heard.ends().values()) == {"done"}
    nodes = {line for path in store.root.glob("cells/??/*/log.txt") for line in nodes_in(path)}
    assert len(nodes) == 2


def nodes_in(path):
    return [line for line in path.read_text().splitlines() if line.startswith("node ")]
