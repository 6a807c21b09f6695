"""Which machine and process this is, told so that another process can see whether it lives."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..datasets.owners import (
    boot_id,
    has_ended,
    machine_id,
    pid_namespace,
    process_start,
    read_text,
)


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

    It can be seen in the boot and container that it ran in, unless it is hidden from this user: no
    process has its number and start. Another boot is no proof: copies of one virtual machine have
    one name, and each has its boot.
    """
    if not is_here(owner) or owner.get("namespace") != pid_namespace() or not owner.get("start"):
        return None
    began = process_start(int(owner["pid"]))
    return has_ended(began, began == owner.get("start"))


def is_here(owner: Mapping[str, Any]) -> bool:
    """Say whether a described process shares, or shared, this machine since its last start."""
    return owner.get("machine") == machine_id() and owner.get("boot") == boot_id()


def out_of_memory_kills(events: Path | None = None) -> int:
    """Return how many processes the kernel has killed in this control group for lack of memory.

    Parameters
    ----------
    events
        The group's ``memory.events``; None = that of this process.
    """
    if events is None:
        own = read_text("/proc/self/cgroup").rpartition("::")[2]
        events = Path("/sys/fs/cgroup") / own.lstrip("/") / "memory.events"
    for line in read_text(str(events)).splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill":
            return int(count)
    return 0
