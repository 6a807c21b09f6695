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

from ..datasets.errors import AdreproError

PRELOAD = ["torch", "timm", "FrEIA.framework", "scipy.ndimage", "adrepro.harness.run_cell"]
GRACE_S = 5.0


class Terminated(AdreproError):  # noqa: N818 - it is a request, not an error
    """The run was asked to stop by SIGTERM."""

    exit_code = 143


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


def ladder() -> tuple[int, ...]:
    """Return the signals that end a process: it is asked to clean up, told to end, killed."""
    if os.name == "posix":
        return (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    return (signal.SIGTERM,)


def stop_all(processes: Sequence[BaseProcess], grace_s: float = GRACE_S) -> None:
    """End processes and everything they started: ask, tell, kill, ``grace_s`` apart.

    A Ctrl+C while it waits kills them at once.
    """
    impatient = False
    for sign in ladder():
        last = sign == ladder()[-1]
        for process in processes:
            if process.is_alive():
                signal_group(process, sign)
        deadline = time.monotonic() + grace_s
        try:
            for process in processes:
                if last or not impatient:
                    process.join(max(0.0, deadline - time.monotonic()))
        except (KeyboardInterrupt, Terminated):
            impatient = True
    for process in processes:
        kill_group(process)


def kill_group(process: BaseProcess) -> None:
    """Kill what an ended worker left running; it led a process group of its own."""
    if os.name == "posix" and process.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def signal_group(process: BaseProcess, sign: int) -> None:
    """Send a signal to a worker and everything it started; one that has ended is no error."""
    pid = process.pid
    if pid is None:
        return
    with contextlib.suppress(OSError):
        if os.name == "posix" and os.getpgid(pid) == pid:
            os.killpg(pid, sign)
        else:
            os.kill(pid, sign)
