"""Drawing from libraries' global generators without leaving a trace in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seed torch's and numpy's global generators inside the block, and restore them after it.

    For libraries that take no generator: torch initialises layers, and FrEIA draws permutations,
    from the global ones.

    Parameters
    ----------
    seed
        In [0, 2**63), from ``Context.seed``.
    device
        Torch device string whose generator is protected too.
    """
    import numpy as np
    import torch

    state = np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            np.random.set_state(state)
