"""Ending a run in an orderly way when the system asks for it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from .base import Terminated


@contextlib.contextmanager
def terminate_as_exception() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that workers are ended in an orderly way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise Terminated("terminated; finished cells are kept, run the same command to go on")

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
