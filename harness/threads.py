"""One thread for whatever a cell computes with.

Sums depend on how many threads share them: with a number that followed from the jobs or from the
machine, the same cell would give other bytes elsewhere. And threads of one cell that wait for each
other on cores where its neighbours work cost more than they compute.
"""

from __future__ import annotations

import os

# Read once, when the library is loaded.
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def compute_with_one_thread() -> None:
    """Give torch and every BLAS and OpenMP library of this process one thread.

    Those that are loaded are told; those that come later, e.g. with scikit-learn, read it from the
    environment.
    """
    import torch
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    threadpool_limits(1)
    torch.set_num_threads(1)
