"""The SLURM engine: the script that it submits, and the jobs themselves by submitit's executors."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from engine_worlds import score_bytes, wait_until

from adrepro.datasets.errors import MissingExtraError, UsageError
from adrepro.harness.board import read_boards
from adrepro.harness.engines import remote, slurm
from adrepro.harness.engines.base import EngineOptions
from adrepro.harness.engines.slurm import SlurmSettings, make_executor, sbatch_parameters
from adrepro.harness.engines.slurm_job import PullingWorker
from adrepro.harness.requests import list_requests
from adrepro.harness.store import Store
from conftest import TESTS

pytest.importorskip("submitit")

# A cluster of one machine: sbatch starts each job of an array here, srun runs what it is given.
SBATCH = """#!{python}
import os, re, subprocess, sys
text = open(sys.argv[-1]).read()
count = int(re.search(r"--array=0-(\\d+)", text).group(1)) + 1
for index in range(count):
    own = {{"SLURM_JOB_ID": str(900 + index), "SLURM_ARRAY_JOB_ID": "42", "SLURM_NTASKS": "1",
           "SLURM_ARRAY_TASK_ID": str(index), "SLURM_JOB_NUM_NODES": "1", "SLURM_NODEID": "0",
           "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_JOB_NODELIST": "here"}}
    subprocess.Popen(["bash", sys.argv[-1]], env={{**os.environ, **own}}, start_new_session=True,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("Submitted batch job 42")
"""
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do [[ $1 == --unbuffered ]] || shift; shift; done
exec "$@"
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Put the commands of a cluster of one machine on the search path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    commands = {"sbatch": SBATCH.format(python=sys.executable), "srun": SRUN}
    commands |= dict.fromkeys(("sacct", "scancel", "scontrol"), "#!/bin/bash\n")
    for name, text in commands.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.syspath_prepend(str(TESTS))


def script_of(folder, **given):
    """Return the lines of the script of an array of jobs."""
    settings = SlurmSettings(**given)
    executor = make_executor(settings, folder, sbatch_parameters(settings.sbatch))
    executor.parameters["map_count"] = settings.workers
    return executor._make_submission_file_text(executor._submitit_command_str, "x").splitlines()


def test_script_says_what_was_asked_for(cluster, tmp_path):
    """Array bounds, limits and devices are those of the options; jobs may be queued again."""
    lines = script_of(
        tmp_path, workers=7, partition="gpu", minutes=90, gpus=2, cpus=4, memory_gb=12,
        signal_s=45, sbatch="account=vision,exclusive", setup="module load cuda",
    )  # fmt: skip
    asked = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    assert asked >= {
        "array=0-6%7", "partition=gpu", "time=90", "gpus-per-node=2", "cpus-per-task=4",
        "mem=12GB", "signal=USR2@45", "requeue", "account=vision", "exclusive",
        "job-name=reproduce",
    }  # fmt: skip
    assert not [line for line in asked if line.startswith("wckey")]
    assert lines.index("module load cuda") < len(lines) - 2
    (command,) = [line for line in lines if line.startswith("srun")]
    assert "submitit.core._submit" in command


def test_script_asks_for_nothing_that_was_not(cluster, tmp_path):
    """Defaults name no partition, GPU or memory: the cluster's own hold."""
    asked = "\n".join(line for line in script_of(tmp_path) if line.startswith("#SBATCH"))
    assert not re.search("partition|gpus|mem|account", asked)
    assert "--array=0-3%4" in asked


@pytest.mark.parametrize("text", ["a b=c", "x=1\n#SBATCH --wrap=rm", "=1", "-=2;"])
def test_parameter_that_would_be_a_line_of_its_own_is_refused(text):
    """What is given for sbatch can become a parameter, and nothing else."""
    with pytest.raises(UsageError, match="--engine-option sbatch"):
        sbatch_parameters(text)


def test_without_submitit_one_line_says_what_to_install(monkeypatch, tmp_path):
    """The extra is named."""
    monkeypatch.setattr(slurm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'adrepro[slurm]'")):
        slurm.run_tasks((), EngineOptions(cache=tmp_path), print)


def test_machine_that_is_no_cluster_is_told(world):
    """Without srun there is one line, exit code 2, and nothing made or promised; plans are free."""
    asked = ("-c", "bottle", "--seeds", "1", "--engine", "slurm")
    assert world.run(*asked) == 2
    assert "srun is not found" in world.stderr
    assert "cluster=local" in world.stderr
    assert len(world.stderr.strip().splitlines()) == 1
    assert not world.store.exists()
    assert world.run(*asked, "--dry-run") == 0


@pytest.mark.parametrize("waited_for", [False, True])
def test_refused_array_leaves_no_request_of_its_own(cluster, world, waited_for):
    """Where sbatch refuses, nobody was asked to run anything; who else asked for it still is."""
    sbatch = shutil.which("sbatch")
    assert sbatch is not None
    Path(sbatch).write_text("#!/bin/bash\necho 'invalid account' >&2\nexit 1\n")
    grid = ("-c", "bottle", "--seeds", "1")
    if waited_for:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(remote, "watch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            assert (
                world.reproduce(
                    "run",
                    "-m",
                    "toys:PixelMean",
                    "-d",
                    "mvtec_ad",
                    *world.places,
                    *grid,
                    "--engine",
                    "worker",
                )
                == 130
            )
        assert len(list_requests(Store(world.store))) == 1
    assert world.run(*grid, "--engine", "slurm") == 2
    assert "the jobs were not accepted" in world.stderr
    assert len(list_requests(Store(world.store))) == waited_for


def test_one_array_runs_tunings_and_cells(cluster, world, tmp_path):
    """A failed tuning takes its cells along, each counted once; one submission does for all."""
    tuned = "toys_tuning:Tuned"
    trouble = ("--set", f"{tuned}.raises_at=25", "--set", f"{tuned}.calls={tmp_path / 'calls'}")
    grid = ("-c", "bottle", "--seeds", "1", "--noise", "0,25", *trouble)
    asked = ("--engine", "slurm", "--engine-option", "workers=2")
    code = world.run(*grid, *asked, method=f"{tuned},toys:PixelMean")
    assert code == 1, world.stderr
    assert "4 cells: 3 done, 1 failed" in world.stdout
    scripts = list(world.store.with_name("store-slurm").rglob("*_submission.sh"))
    assert len(scripts) == 1
    (board,) = (one for one in read_boards(Store(world.store)) if one["engine"] == "slurm")
    assert sum(board["failed"].values()) == 1


def test_array_runs_a_table(cluster, world, tmp_path, monkeypatch):
    """Submitted script and jobs, end to end: the local engine's bytes; nothing secret is left."""
    monkeypatch.setenv("MY_SECRET_TOKEN", "hunter2-in-the-clear")
    grid = ("-c", "bottle", "--seeds", "3")
    asked = ("--engine", "slurm", "--engine-option", "workers=2")
    assert world.run(*grid, *asked) == 0
    made = score_bytes(Store(world.store))
    assert len(made) == 3
    logs = world.store.with_name("store-slurm")
    files = [path for path in logs.rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".sh"]
    assert not [path for path in files if b"hunter2" in path.read_bytes()]
    assert not list(world.store.rglob("*.pkl"))
    world.store = tmp_path / "local"
    assert world.run(*grid, "--jobs", "1") == 0
    assert score_bytes(Store(world.store)) == made


def test_array_that_ends_early_is_told(cluster, world, tmp_path):
    """Jobs that end without doing their cells end the run, in one line with the logs' place."""
    setup = ("--engine-option", "setup=exit 3", "--engine-option", "cluster=local")
    grid = ("-c", "bottle", "--seeds", "1", "--engine", "slurm", "--engine-option", "workers=1")
    command = f"{sys.executable} -c pass"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slurm, "_command", lambda *_: tuple(command.split()))
        assert world.run(*grid, *setup) == 2
    assert "all jobs of the array have ended" in world.stderr
    assert "store-slurm" in world.stderr


def queued(world, *arguments):
    """Leave a request in the store by a run that is ended as soon as it has."""
    line = [sys.executable, "-m", "adrepro.harness.cli", "run", "-m", "toys:Slow", "-d", "mvtec_ad"]
    line += [*map(str, world.places), "--engine", "worker", "-q", *arguments]
    with subprocess.Popen(line, env={**os.environ, "PYTHONPATH": str(TESTS)}) as process:
        wait_until(lambda: list((world.store / "requests").glob("*.json")))
        process.send_signal(signal.SIGKILL)


def finished(world):
    return len(list(world.store.glob("cells/??/*/result.json")))


def worker_of(world):
    command = [sys.executable, "-m", "adrepro.harness.cli", "worker", "--store", str(world.store)]
    command += ["--data-root", str(world.data), "--device", "cpu", "--jobs", "1"]
    command += ["--allow-method", "toys:Slow"]
    return PullingWorker(command=command, folder=str(world.root), search_path=[str(TESTS)])


def held(world):
    return [path for path in (world.store / "claims").glob("*") if not path.name.startswith(".")]


@pytest.mark.parametrize("sign", [signal.SIGUSR2, signal.SIGTERM])
def test_job_that_is_told_to_go_lets_go(world, tmp_path, sign):
    """At its limit a job is queued again and ends the table; preempted, it leaves no claim."""
    import submitit

    queued(world, "-c", "bottle", "--seeds", "8")
    executor = submitit.LocalExecutor(tmp_path / "logs")
    executor.update_parameters(timeout_min=10)
    job = executor.submit(worker_of(world))
    try:
        wait_until(lambda: finished(world) >= 1)
        (task,) = [
            process
            for process in psutil.Process(int(job.job_id)).children()
            if "submitit.core._submit" in " ".join(process.cmdline())
        ]
        task.send_signal(sign)
        wait_until(job.done)
        if sign == signal.SIGUSR2:
            assert job.result() == 0
            assert finished(world) == 8
            assert "Requeued job" in job.stdout() + job.stderr()
        else:
            assert "exit code 143" in str(job.exception())
            assert 1 <= finished(world) < 8
        assert not held(world)
    finally:
        job.cancel()
