"""Run what a store lacks of a plan: tunings first, then the cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .engines.base import EngineOptions, Event, RunTasks
from .planned import PlannedCell
from .store import Store
from .tuned import read_tuned
from .tuning import TuningTask


def run_missing(
    cells: Sequence[PlannedCell],
    tunings: Sequence[TuningTask],
    store: Store,
    *,
    engine: RunTasks,
    options: EngineOptions,
    keep_maps: bool,
    listen: Callable[[Event], None],
) -> None:
    """Run tunings, then the cells but for those whose tuning failed: they failed with it.

    Parameters
    ----------
    cells, tunings
        What `Plan.pending` and `Plan.pending_tunings` say.
    store
        Where results go.
    engine
        What runs them, see `engines.base.load_engine`.
    options
        How the engine is to run them.
    keep_maps
        Keep the anomaly maps.
    listen
        Called for every event.

    Raises
    ------
    StoreError
        The store can no longer be written.
    """
    device = options.devices[0]
    alone = options.exclusive(device)
    failed = 0

    def count(event: Event) -> None:
        nonlocal failed
        failed += len(event.task.identities) * (event.kind == "failed")
        listen(event)

    first = [replace(task, exclusive=alone) for task in tunings]
    if options.request:  # whoever pulls it goes through tunings and cells by itself
        tasks = [c.task(store.root, device, keep_maps=keep_maps, exclusive=alone) for c in cells]
        engine([*first, *tasks], options, listen)
        return
    engine(first, options, count)
    lost = {task.planned.key for task in tunings if read_tuned(store, task.planned.key) is None}
    tasks = [
        cell.task(store.root, device, keep_maps=keep_maps, exclusive=alone)
        for cell in cells
        if cell.identity.hashes.get("tuning") not in lost
    ]
    engine(tasks, replace(options, failed=failed), listen)
