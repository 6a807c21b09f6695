"""The SLURM engine's jobs on one machine end with their run, in silence."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from conftest import TESTS

pytest.importorskip("submitit")

WAIT_S = 120


def wait_until(holds):
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def processes_of(world):
    """Return what runs on a world's store: controllers, their tasks and workers."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(world.store) in line:
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("under_way", "send"),
    [
        ("cells/??/*/result.json", os.killpg),
        ("requests/*.json", os.killpg),
        ("requests/*.json", os.kill),
    ],
    ids=["terminal-at-work", "terminal-at-start", "process-at-start"],
)
def test_interrupt_ends_jobs_in_silence(world, under_way, send):
    """Ctrl+C, to the terminal's whole group or to the run: 130, no traceback, nothing runs on."""
    line = [sys.executable, "-m", "adrepro.harness.cli", "run", "-m", "toys:Slow", "-d", "mvtec_ad"]
    line += [*map(str, world.places), "--seeds", "20", "--engine", "slurm"]
    line += ["--engine-option", "cluster=local", "--engine-option", "workers=1"]
    run = subprocess.Popen(
        line,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: list(world.store.glob(under_way)) or run.poll() is not None)
    send(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=WAIT_S)
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("error: interrupted")
    assert not processes_of(world)
    assert not [path for path in world.store.glob("claims/*") if not path.name.startswith(".")]
