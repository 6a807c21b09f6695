"""What the Ray engine runs on: its settings, the runtime it starts or joins, and what that has.

Any port of a Ray runtime that can be reached, and Ray listens on the machine's own address, runs
whatever code is sent to it. So token authentication is on and the dashboard off. No usage
statistics are sent.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...datasets.errors import MissingExtraError, UsageError
from .settings import EngineSettings, number, own_search_path

# Environment of Ray, unless the user has set it otherwise. Ray's own default is to start a task
# whose process was killed for memory again and again without end.
DEFAULTS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}
TIMING = "timing"


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySettings(EngineSettings):
    """What ``--engine-option KEY=VALUE`` sets for the Ray engine.

    Attributes
    ----------
    address
        Head of a running cluster, ``host:port`` or ``auto``; empty = a runtime of our own on this
        machine, for as long as the run takes.
    cpus
        CPUs that a process takes.
    gpu_fraction
        Share of a GPU that a process takes. 0 = measured: the first cells of a method have a GPU
        for themselves, the next ones as much of it as those needed memory.
    retries
        How often Ray starts a batch again whose process or machine was lost.
    timing
        Every process holds a device for itself and a ``timing`` token of its machine, so that
        times mean something. A cluster must have such tokens: ``ray start --resources
        '{"timing": 1}'``.
    """

    address: str = ""
    cpus: float = number(1.0, above=0)
    gpu_fraction: float = number(0.0, least=0, most=1)
    retries: int = number(1, least=0, most=10)
    timing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What Ray has to set aside for one process."""

    cpus: float
    gpus: float
    timing: bool

    def fits(self, resources: Mapping[str, float]) -> bool:
        """Say whether resources, of a machine or what is left of a cluster, suffice."""
        tokens = resources.get(TIMING, 0) if self.timing else 1
        enough = resources.get("CPU", 0) >= self.cpus - 1e-6
        return enough and resources.get("GPU", 0) >= self.gpus - 1e-6 and tokens >= 1

    def taken_from(self, resources: Mapping[str, float]) -> dict[str, float]:
        """Return what is left of resources."""
        taken = {"CPU": self.cpus, "GPU": self.gpus, TIMING: float(self.timing)}
        return {name: resources.get(name, 0.0) - amount for name, amount in taken.items()}

    def __str__(self) -> str:
        parts = [f"{self.cpus:g} CPU", f"{self.gpus:g} GPU" if self.gpus else ""]
        parts += ["a timing token" if self.timing else ""]
        return ", ".join(part for part in parts if part)


def require_ray() -> None:
    """Refuse in one line where Ray is not installed, without importing it.

    Raises
    ------
    MissingExtraError
        It is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError("--engine ray", "ray")


def prepare() -> Any:
    """Set what of `DEFAULTS` the user has not set otherwise; return Ray, which goes by it."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    import ray
    from ray._raylet import Config  # pyright: ignore[reportAttributeAccessIssue] - compiled

    Config.initialize("")  # Ray has read the environment already if it was imported before
    return ray


@contextlib.contextmanager
def runtime(settings: RaySettings, *, jobs: int, gpus: int) -> Iterator[Any]:
    """Join or start a Ray runtime; leave, or end, it afterwards.

    One that this process has joined before is used as it is, and left alone.

    Parameters
    ----------
    settings
        Where it is.
    jobs, gpus
        CPUs and GPUs that a runtime of our own declares.

    Yields
    ------
    module
        ``ray``, connected.

    Raises
    ------
    UsageError
        There is no runtime at the address, or it cannot be entered.
    """
    ray = prepare()
    from ray.exceptions import RayError

    if ray.is_initialized():
        yield ray
        return
    shared = {
        "log_to_driver": False,
        "configure_logging": False,
        "runtime_env": {"env_vars": {"PYTHONPATH": os.pathsep.join(own_search_path())}},
    }
    try:
        if settings.address:
            ray.init(address=settings.address, **shared)
        else:
            own: dict[str, Any] = {
                "num_cpus": max(1, round(jobs * settings.cpus)),
                "num_gpus": gpus,
            }
            own["resources"] = {TIMING: max(1, gpus)}
            ray.init("local", include_dashboard=False, **own, **shared)
    except (ConnectionError, ValueError, RuntimeError, RayError) as err:
        ray.shutdown()
        where = settings.address or "on this machine"
        line = " ".join(str(err).split())[:300]
        raise UsageError(f"--engine ray: no runtime {where}: {line}") from err
    try:
        yield ray
    finally:
        ray.shutdown()


def machines(ray: Any) -> list[dict[str, float]]:
    """Return the resources of every machine of the cluster that is alive."""
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def require_room(ray: Any, needs: Needs) -> None:
    """Refuse what no machine of the cluster can give: Ray would wait for it for ever.

    Raises
    ------
    UsageError
        What a process needs, and the most that there is.
    """
    nodes = machines(ray)
    if any(needs.fits(node) for node in nodes):
        return
    have = "; ".join(
        f"{node.get('CPU', 0):g} CPU, {node.get('GPU', 0):g} GPU, {node.get(TIMING, 0):g} timing"
        for node in nodes
    )
    raise UsageError(
        f"--engine ray: a process needs {needs}, but no machine has that (there is: "
        f"{have or 'none'}); ask for less with --engine-option, or add a machine with more"
    )
