"""The SLURM engine: an array of `reproduce worker` jobs that pull cells from the store.

One array for a whole table, and not a job per cell: a scheduler is slow with many small jobs. The
jobs outlive this process; if it is killed, they go on, and the same command again finds what they
did. Ctrl+C and SIGTERM end them with the run.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...datasets.errors import MissingExtraError, UsageError
from ..store import Store
from .base import EngineOptions, Event, Job
from .remote import watch, worker_command
from .settings import EngineSettings, number, own_search_path
from .slurm_job import PullingWorker
from .slurm_local import await_end, deaf_to_interrupts, end
from .stopping import terminate_as_exception

CLUSTERS = ("slurm", "local")
JOB_NAME = "reproduce"
NO_SRUN = (
    "--engine slurm: srun is not found, so this is no machine of a SLURM cluster; start it from a "
    "login node, or try --engine-option cluster=local"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings(EngineSettings):
    """What ``--engine-option KEY=VALUE`` sets for the SLURM engine.

    Attributes
    ----------
    workers
        Jobs of the array.
    partition
        Where they run; empty = the cluster's default.
    minutes
        Time limit of a job. One that reaches it lets go of its cell and is queued again.
    gpus, cpus, memory_gb
        Of each job, whose worker computes on its GPUs if it has any; memory 0 = the default.
    jobs
        Processes side by side in each job; 0 = one per GPU or, without, per CPU.
    signal_s
        Seconds before the limit at which a job is told.
    requeues
        How often a job that reached its limit is queued again.
    sbatch
        More parameters of sbatch, ``account=vision,qos=low``.
    setup
        Shell commands that come first in the script, e.g. ``module load cuda``.
    logs
        Folder for scripts and logs, which all machines see; empty = beside the store.
    cluster
        ``slurm``, or ``local`` to try the same jobs on this machine.
    """

    workers: int = number(4, least=1, most=10_000)
    partition: str = ""
    minutes: int = number(24 * 60, least=1)
    gpus: int = number(0, least=0, most=64)
    cpus: int = number(1, least=1)
    memory_gb: float = number(0.0, least=0)
    jobs: int = number(0, least=0)
    signal_s: int = number(90, least=1)
    requeues: int = number(10, least=0)
    sbatch: str = ""
    setup: str = ""
    logs: str = ""
    cluster: str = "slurm"


def run_tasks(
    tasks: Sequence[Job], options: EngineOptions, listen: Callable[[Event], None]
) -> None:
    """Run tasks in an array of SLURM jobs until all are done or failed; see `base.RunTasks`.

    Raises
    ------
    MissingExtraError
        submitit is not installed.
    UsageError
        This is no machine that jobs can be submitted from, or sbatch refuses.
    StoreError
        The array has ended and left cells.
    """
    settings = check_settings(options.settings)
    extra = sbatch_parameters(settings.sbatch)
    if not tasks:
        return
    store = tasks[0].store
    folder = Path(settings.logs or store.with_name(f"{store.name}-slurm")).absolute()
    executor = make_executor(settings, folder, extra)
    worker = PullingWorker(
        command=_command(settings, Store(store), options),
        folder=os.getcwd(),
        search_path=tuple(own_search_path()),
    )
    jobs: list[Any] = []
    with terminate_as_exception():
        try:
            _submit(executor, worker, settings, jobs)
            watch(tasks, options, listen, alive=lambda: _over(jobs, folder))
            if settings.cluster == "local":
                await_end(jobs)
        finally:
            if settings.cluster == "local":
                end(jobs)
            else:
                _cancel(jobs)


def _cancel(jobs: Sequence[Any]) -> None:
    for job in jobs:
        if not job.done():
            job.cancel(check=False)


def check_settings(given: Mapping[str, str]) -> SlurmSettings:
    """Return the settings; submits nothing.

    Raises
    ------
    MissingExtraError
        submitit is not installed.
    UsageError
        A setting that is none, or has an impossible value.
    """
    if importlib.util.find_spec("submitit") is None:
        raise MissingExtraError("--engine slurm", "slurm")
    settings = SlurmSettings.parse(given)
    if settings.cluster not in CLUSTERS:
        asked = f"--engine-option cluster={settings.cluster}"
        raise UsageError(f"{asked}: expected {' or '.join(CLUSTERS)}")
    sbatch_parameters(settings.sbatch)
    return settings


def _command(settings: SlurmSettings, store: Store, options: EngineOptions) -> tuple[str, ...]:
    """Return the command line of a job's worker."""
    own = replace(options, jobs=settings.jobs or settings.gpus or settings.cpus)
    device = "cuda" if settings.gpus else "cpu"
    return (*worker_command(store, own), "--device", device, "--quiet")


def _over(jobs: Sequence[Any], folder: Path) -> str:
    """Say that all jobs have ended, if they have."""
    if not all(job.done() for job in jobs):
        return ""
    return f"all jobs of the array have ended; their logs are in {folder}"


def _submit(executor: Any, worker: PullingWorker, settings: SlurmSettings, jobs: list[Any]) -> None:
    """Submit the array; each job is in ``jobs`` as soon as it is known."""
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        if settings.cluster == "local":
            with deaf_to_interrupts():
                for _ in range(settings.workers):
                    jobs.append(executor.submit(worker))
            return
        with executor.batch():
            array = [executor.submit(worker) for _ in range(settings.workers)]
        jobs += array
    except (FailedJobError, FailedSubmissionError, OSError) as err:
        line = " ".join(str(err).split())[:300]
        raise UsageError(f"--engine slurm: the jobs were not accepted: {line}") from err


def make_executor(settings: SlurmSettings, folder: Path, extra: dict[str, str | bool]) -> Any:
    """Return the submitit executor with all parameters of the jobs.

    Parameters
    ----------
    folder
        For scripts, logs and submitit's own messages, which are pickles: never inside the store.
    extra
        More parameters of sbatch.

    Raises
    ------
    UsageError
        There is no SLURM here.
    """
    import submitit

    if settings.cluster == "local":
        local = submitit.LocalExecutor(folder, max_num_timeout=settings.requeues)
        local.update_parameters(
            timeout_min=settings.minutes,
            gpus_per_node=settings.gpus,
            signal_delay_s=settings.signal_s,
        )
        return local
    try:
        executor = submitit.SlurmExecutor(folder, max_num_timeout=settings.requeues)
    except RuntimeError as err:
        raise UsageError(NO_SRUN) from err
    chosen: dict[str, Any] = {
        "job_name": JOB_NAME,
        "time": settings.minutes,
        "cpus_per_task": settings.cpus,
        "signal_delay_s": settings.signal_s,
        "array_parallelism": settings.workers,
        "wckey": None,  # many clusters refuse one they do not know
        "additional_parameters": {"requeue": True, **extra},
    }
    if settings.partition:
        chosen["partition"] = settings.partition
    if settings.gpus:
        chosen["gpus_per_node"] = settings.gpus
    if settings.memory_gb:
        chosen["mem_gb"] = settings.memory_gb
    if settings.setup:
        chosen["setup"] = [settings.setup]
    executor.update_parameters(**executor._convert_parameters(chosen))
    return executor


def sbatch_parameters(text: str) -> dict[str, str | bool]:
    """Parse ``account=vision,exclusive`` into parameters of sbatch; one without value is a flag.

    Raises
    ------
    UsageError
        A name that is none: it would become a line of the script.
    """
    found: dict[str, str | bool] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, equals, value = part.partition("=")
        if not name.replace("-", "").isalnum() or "\n" in value:
            raise UsageError(
                f"--engine-option sbatch={shlex.quote(text)}: expected name=value,flag,…"
            )
        found[name] = value if equals else True
    return found
