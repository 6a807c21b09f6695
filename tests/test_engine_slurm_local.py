"""The SLURM engine's jobs on one machine end with their run, in silence."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from engine_worlds import wait_until

from adrepro.harness.engines.slurm_local import deaf_to_interrupts
from conftest import TESTS

pytest.importorskip("submitit")

WAIT_S = 120


def processes_of(world):
    """Return what runs on a world's store: controllers, their tasks and workers."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(world.store) in line:
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("under_way", "send", "sign"),
    [
        ("cells/??/*/result.json", os.killpg, signal.SIGINT),
        ("requests/*.json", os.killpg, signal.SIGINT),
        ("requests/*.json", os.kill, signal.SIGINT),
        ("cells/??/*/result.json", os.kill, signal.SIGTERM),
    ],
    ids=["terminal-at-work", "terminal-at-start", "process-at-start", "terminated"],
)
def test_interrupt_ends_jobs_in_silence(world, under_way, send, sign):
    """Ctrl+C, to the terminal's whole group or to the run, or SIGTERM: nothing runs on."""
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
    send(run.pid, sign)
    _, said = run.communicate(timeout=WAIT_S)
    assert run.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[sign], said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith(("error: interrupted", "error: terminated"))
    assert not processes_of(world)
    assert not [path for path in world.store.glob("claims/*") if not path.name.startswith(".")]


def start_interrupted(started):
    """Start a process, with a Ctrl+C before that this process's other threads hear."""
    with deaf_to_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        started.append(subprocess.Popen(["sleep", "60"]))


def test_interrupt_waits_until_all_is_started():
    """Also where another thread hears it: what was started by then is known to whoever ends it."""
    stop, started = threading.Event(), []
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            start_interrupted(started)
        started[0].send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            started[0].wait(0.3)
    finally:
        stop.set()
        for child in started:
            child.terminate()
    assert len(started) == 1
    assert started[0].wait(WAIT_S) == -signal.SIGTERM
