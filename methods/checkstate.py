"""The process around a contract test: what a method may leave as it was, and one thread."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from typing import Any

import numpy as np


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run on one thread: on images this small several would mostly wait for each other."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def global_state() -> dict[str, Any]:
    """Return what a method must not change, by name."""
    import torch

    numpy_state: Any = np.random.get_state()
    return {
        "working folder": os.getcwd(),
        "random numbers of Python": random.getstate(),
        "random numbers of numpy": (numpy_state[1].tobytes(), *numpy_state[2:]),
        "random numbers of torch": torch.get_rng_state().numpy().tobytes(),
        "number of torch threads": torch.get_num_threads(),
        "default dtype of torch": torch.get_default_dtype(),
        "gradient mode of torch": torch.is_grad_enabled(),
        "deterministic mode of torch": torch.are_deterministic_algorithms_enabled(),
    }


def put_back(before: dict[str, Any]) -> None:
    """Put back what most disturbs the tests that follow."""
    import torch

    os.chdir(before["working folder"])
    torch.set_num_threads(before["number of torch threads"])
    torch.set_default_dtype(before["default dtype of torch"])
    torch.set_grad_enabled(before["gradient mode of torch"])
    torch.use_deterministic_algorithms(before["deterministic mode of torch"])
