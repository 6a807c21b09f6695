"""Starting worker processes and ending them, with everything they started."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Any

PRELOAD = ["torch", "timm", "FrEIA.framework", "scipy.ndimage", "adrepro.harness.run"]
KILL_AFTER_S = 5.0


def process_context() -> Any:
    """Return a process context whose workers start clean and fast.

    A fork server that has imported the heavy libraries once (and run nothing) gives a worker in
    milliseconds; where there is none, workers are spawned.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def stop_all(processes: Sequence[BaseProcess]) -> None:
    """End processes and everything they started: ask first, then kill."""
    for sign in (signal.SIGTERM, signal.SIGKILL if os.name == "posix" else signal.SIGTERM):
        for process in processes:
            if process.is_alive():
                with contextlib.suppress(ProcessLookupError, PermissionError, OSError):
                    _signal_group(process, sign)
        deadline = time.monotonic() + KILL_AFTER_S
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))


def kill_group(process: BaseProcess) -> None:
    """Kill what an ended worker left running; it led a process group of its own."""
    if os.name == "posix" and process.pid is not None:
        os.killpg(process.pid, signal.SIGKILL)


def _signal_group(process: BaseProcess, sign: int) -> None:
    pid = process.pid
    if pid is None:
        return
    if os.name == "posix" and os.getpgid(pid) == pid:
        os.killpg(pid, sign)
    else:
        os.kill(pid, sign)
