"""Worker processes that never run the program which started them.

Python's multiprocessing imports the main module in each worker. A script or a notebook export that
calls the harness at its top level would start itself again in every worker, and one that is read
from standard input cannot be imported at all. Workers are handed nothing that is defined there:
methods are named by module and class.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def main_left_alone() -> Iterator[None]:
    """Hide the main module while a process is started, so that the process does not import it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
