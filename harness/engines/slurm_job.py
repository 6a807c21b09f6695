"""What runs inside a job: one pulling worker, which is ended in an orderly way with its job."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LOOK_EVERY_S = 0.2
# Less than the seconds between a scheduler's signal and its kill.
PATIENCE_S = 25.0


@dataclass(kw_only=True)
class PullingWorker:
    """A function without arguments that starts ``reproduce worker`` and waits for its end.

    The worker runs in a session of its own, where the signals of the scheduler reach this process
    alone; it passes the first of them on as SIGTERM, upon which a worker ends its cells and lets go
    of their claims: a second one would end it at once. submitit calls `checkpoint` before the time
    limit and queues what it returns.

    Attributes
    ----------
    command
        The command line.
    folder
        Where it runs: paths may be relative to it.
    search_path
        Where it finds modules that are not installed.
    """

    command: Sequence[str]
    folder: str
    search_path: Sequence[str] = ()
    _pid: int = 0
    _told: bool = False

    def __call__(self) -> int:
        """Run the worker; return its exit code, 0 or 1.

        Raises
        ------
        RuntimeError
            It ended in another way.
        """
        known = os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join([*self.search_path, *filter(None, [known])])
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._tell)
        # Where the engine has started this process deaf to Ctrl+C, its worker must not be: it ends
        # what hangs by that signal. A handler of this process is none of the worker's.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        worker = subprocess.Popen(  # noqa: S603 - the command line is our own
            list(self.command),
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._pid = worker.pid
        if self._told:  # before there was anybody to pass it on to
            os.kill(self._pid, signal.SIGTERM)
        try:
            # Not wait(): it holds a lock that the end of the worker, asked for in a signal's
            # handler, would need.
            while worker.poll() is None:
                time.sleep(LOOK_EVERY_S)
        except BaseException:
            self._end()
            raise
        if worker.returncode not in (0, 1):
            raise RuntimeError(f"the worker ended with exit code {worker.returncode}")
        return worker.returncode

    def checkpoint(self) -> Any:
        """End the worker; return what is to be queued in place of it."""
        from submitit.helpers import DelayedSubmission

        self._end()
        again = PullingWorker(
            command=self.command, folder=self.folder, search_path=self.search_path
        )
        return DelayedSubmission(again)

    def _tell(self, _number: int, _frame: object) -> None:
        if self._pid and not self._told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
        self._told = True

    def _end(self) -> None:
        """Ask the worker to end, and end it if it does not."""
        for sign, patience in ((signal.SIGTERM, PATIENCE_S), (signal.SIGKILL, 1.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, sign)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                if not _lives(self._pid):
                    return
                time.sleep(LOOK_EVERY_S)


def _lives(pid: int) -> bool:
    """Say whether a child still runs; one that has ended is reaped."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False
