"""Which machine and process this is, told so that another process can see whether it lives."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def machine_id() -> str:
    """Return a name of this machine that outlives a restart."""
    return f"{platform.node()}/{_read('/etc/machine-id')}"


@cache
def boot_id() -> str:
    """Return a name of this machine's present boot; empty where the system has none."""
    return _read("/proc/sys/kernel/random/boot_id")


@cache
def pid_namespace() -> str:
    """Return the name space that process numbers of this process mean something in."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


def process_start(pid: int) -> str | None:
    """Return when a process began, in a form that no clock can change; None if it does not live.

    A number is used again in time: number and start together name a process.
    """
    stat = _read(f"/proc/{pid}/stat")
    if stat:
        # Behind the name, which may hold anything, stand the state and, as the 20th, the start.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    if os.path.isdir("/proc/self"):
        return None
    import psutil

    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def describe() -> dict[str, Any]:
    """Return what `is_dead` needs to know about this process."""
    return {
        "host": platform.node(),
        "machine": machine_id(),
        "boot": boot_id(),
        "namespace": pid_namespace(),
        "pid": os.getpid(),
        "start": process_start(os.getpid()),
    }


def is_dead(owner: Mapping[str, Any]) -> bool | None:
    """Say whether a described process has ended; None where that cannot be seen from here.

    It can be seen on the machine that it ran on: the machine was started again since, or no
    process has its number and start.
    """
    if owner.get("machine") != machine_id():
        return None
    if owner.get("boot") != boot_id():
        return True
    if owner.get("namespace") != pid_namespace():
        return None
    return process_start(int(owner["pid"])) != owner.get("start")


def out_of_memory_kills(events: Path | None = None) -> int:
    """Return how many processes the kernel has killed in this control group for lack of memory.

    Parameters
    ----------
    events
        The group's ``memory.events``; None = that of this process.
    """
    if events is None:
        own = _read("/proc/self/cgroup").rpartition("::")[2]
        events = Path("/sys/fs/cgroup") / own.lstrip("/") / "memory.events"
    for line in _read(str(events)).splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill":
            return int(count)
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
