"""Keep what a method does to its process from the cells that come after it in that process."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np


@contextlib.contextmanager
def own_state() -> Iterator[None]:
    """Put the process back afterwards: a worker runs many cells, a method may change anything.

    Restored are the working folder, environment variables, Python's search path and warning
    filters, NumPy's error handling, the global generators of Python, NumPy and torch on CPU, and
    torch's default type, number of threads, gradient mode and determinism.
    """
    import torch

    with contextlib.ExitStack() as after:
        after.callback(os.chdir, Path.cwd())
        after.callback(_restore_environment, dict(os.environ))
        after.callback(sys.path.__setitem__, slice(None), list(sys.path))
        after.callback(random.setstate, random.getstate())
        after.callback(np.random.set_state, np.random.get_state())
        after.enter_context(np.errstate())
        after.callback(torch.set_rng_state, torch.get_rng_state())
        after.callback(torch.set_default_dtype, torch.get_default_dtype())
        after.callback(torch.set_num_threads, torch.get_num_threads())
        after.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        after.callback(
            torch.use_deterministic_algorithms,
            torch.are_deterministic_algorithms_enabled(),
            warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
        )
        after.enter_context(warnings.catch_warnings())
        yield


def _restore_environment(before: dict[str, str]) -> None:
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)
