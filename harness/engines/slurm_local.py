"""The SLURM engine's jobs on this machine, beside the run: starting and ending them in silence.

submitit starts a controller per job in the run's own process group. A Ctrl+C in the terminal goes
to the whole group; a controller that it reached would print a traceback there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

END_S = 30.0  # for jobs that have nothing left to do, or have been told to end
TELL_EVERY_S = 1.0
LOOK_EVERY_S = 0.1


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Have the processes that are started in here wait for ever with an answer to Ctrl+C.

    A blocked signal is inherited. This process hears of it through another of its threads all the
    same, and of SIGTERM; that comes to bear when all is started, and known to whoever ends it.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []

    def hear(number: int, _frame: object) -> None:
        heard.append(number)

    handlers = {sign: signal.signal(sign, hear) for sign in (signal.SIGINT, signal.SIGTERM)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for sign, handler in handlers.items():
            signal.signal(sign, handler)
        for number in heard[:1]:
            signal.raise_signal(number)


def await_end(jobs: Sequence[Any]) -> None:
    """Wait for jobs that have nothing left to do, for as long as ending may take."""
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline and not all(job.done() for job in jobs):
        time.sleep(LOOK_EVERY_S)


def end(jobs: Sequence[Any]) -> None:
    """Tell jobs to end, and wait until they have, for as long as that may take.

    Their controllers hand SIGTERM on to the workers. They are told again and again: one that is
    just starting its worker misses it. A job's own ``cancel`` would send the signal they are deaf
    to.
    """
    deadline, told = time.monotonic() + END_S, float("-inf")
    while time.monotonic() < deadline:
        running = [job for job in jobs if not job.done()]
        if not running:
            return
        if time.monotonic() - told >= TELL_EVERY_S:
            told = time.monotonic()
            for job in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(job.job_id), signal.SIGTERM)
        time.sleep(LOOK_EVERY_S)
