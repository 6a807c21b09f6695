"""Run what a store lacks of a plan: tunings first, then the cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .engine import Event, run_tasks, run_tunings
from .planned import PlannedCell
from .store import Store
from .tuned import read_tuned
from .tuning import TuningTask


def run_missing(
    cells: Sequence[PlannedCell],
    tunings: Sequence[TuningTask],
    store: Store,
    *,
    device: str,
    jobs: int,
    keep_maps: bool,
    stack: int,
    listen: Callable[[Event], None],
) -> None:
    """Run tunings, then the cells but for those whose tuning failed: they failed with it.

    Parameters
    ----------
    cells, tunings
        What `Plan.pending` and `Plan.pending_tunings` say.
    store
        Where results go.
    device
        Torch device string.
    jobs
        Processes side by side.
    keep_maps
        Keep the anomaly maps.
    stack
        How many cells may be fitted together, see `devices.stack_limit`.
    listen
        Called for every event.

    Raises
    ------
    StoreError
        The store can no longer be written.
    """
    cache = store.features.absolute()
    tunings = [replace(task, exclusive=jobs == 1) for task in tunings]
    run_tunings(tunings, jobs=jobs, cache=cache, listen=listen)
    lost = {task.planned.key for task in tunings if read_tuned(store, task.planned.key) is None}
    tasks = [
        cell.task(store.root, device, keep_maps=keep_maps, exclusive=jobs == 1)
        for cell in cells
        if cell.identity.hashes.get("tuning") not in lost
    ]
    run_tasks(tasks, jobs=jobs, cache=cache, listen=listen, stack=stack)
